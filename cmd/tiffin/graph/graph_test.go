package graph

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func shop() *engine.Stack {
	return &engine.Stack{
		Name: "shop",
		Services: []engine.Service{
			{Name: "db", Scale: 1, Container: engine.ContainerSpec{
				Image: "postgres:16", Endpoints: []engine.EndpointSpec{{Network: "back"}},
				Mounts: []engine.Mount{{Type: engine.MountVolume, Source: "data", Target: "/var/lib/postgresql/data"}, {Type: engine.MountBind, Source: "/x", Target: "/x"}},
			}},
			{
				Name: "migrate", Scale: 1, DependsOn: []engine.Dependency{{Service: "db", Condition: engine.ConditionHealthy}},
				Container: engine.ContainerSpec{Image: "migrate", Endpoints: []engine.EndpointSpec{{Network: "back"}}},
			},
			{
				Name: "web", Scale: 2,
				DependsOn: []engine.Dependency{
					{Service: "absent", Condition: engine.ConditionStarted, Optional: true},
					{Service: "db", Condition: engine.ConditionStarted},
					{Service: "migrate", Condition: engine.ConditionCompleted},
				},
				Container: engine.ContainerSpec{
					Image: "web", Endpoints: []engine.EndpointSpec{{Network: "back"}, {Network: "front", Aliases: []string{"shop", "www"}}},
					Ports: []engine.PortBinding{
						{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"},
						{HostIP: netip.MustParseAddr("::1"), HostPort: 5000, HostPortEnd: 5009, ContainerPort: 53, Protocol: "udp"},
						{ContainerPort: 81},
					},
				},
			},
		},
		Networks: []engine.NetworkSpec{
			{Key: "back", Internal: true, Pools: []engine.Pool{{Subnet: netip.MustParsePrefix("10.1.0.0/24")}}},
			{Key: "front", External: true, Driver: "macvlan"},
		},
	}
}

var everything = Options{Networks: true, Volumes: true, Ports: true, Images: true}

var renderers = map[string]func(io.Writer, *Picture) error{
	"mmd": Mermaid,
	"dot": func(w io.Writer, p *Picture) error { return Dot(w, p, "  ") },
	"svg": SVG,
}

// UPDATE=1 rewrites the files.
func TestRenderers(t *testing.T) {
	for name, render := range renderers {
		t.Run(name, func(t *testing.T) {
			p := From(shop(), everything)
			var got bytes.Buffer
			if err := render(&got, &p); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", "shop."+name)
			if os.Getenv("UPDATE") == "1" {
				if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestOnlyWhatIsAskedForIsDrawn(t *testing.T) {
	p := From(shop(), Options{})
	for _, n := range p.Nodes {
		if n.Kind != Service {
			t.Errorf("there is a %s %s", n.Kind, n.Name)
		}
	}
	if len(p.Nodes) != 3 || len(p.Edges) != 3 {
		t.Errorf("%d nodes and %d edges, want 3 and 3", len(p.Nodes), len(p.Edges))
	}
}

// Names and aliases come from files of others.
func TestTextsCannotBreakOut(t *testing.T) {
	hostile := "a\"]--><script>&`\\\n;"
	p := Picture{Title: hostile, Nodes: []Node{{Kind: Service, Name: hostile, Lines: []string{hostile}}, {Kind: Volume, Name: "b"}}, Edges: []Edge{{From: 0, To: 1, Label: hostile}}}
	for name, render := range renderers {
		var got bytes.Buffer
		if err := render(&got, &p); err != nil {
			t.Fatal(err)
		}
		text := got.String()
		if name == "svg" {
			wellFormed(t, text)
		}
		if name != "dot" && strings.Contains(text, "<script>") {
			t.Errorf("%s: a text is markup:\n%s", name, text)
		}
	}
	if got := dotText(hostile); strings.Count(strings.ReplaceAll(strings.ReplaceAll(got, `\\`, ""), `\"`, ""), `"`) != 2 {
		t.Errorf("dot: a quote ends the text: %s", got)
	}
}

func wellFormed(t *testing.T, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, text)
		}
	}
}

func TestBoxesDoNotOverlap(t *testing.T) {
	p := From(shop(), everything)
	boxes, width, height := layout(&p)
	for i, a := range boxes {
		if a.x < 0 || a.y < 0 || a.x+a.w > width || a.y+a.h > height {
			t.Errorf("%s is outside of %d × %d: %+v", p.Nodes[i].id(), width, height, a)
		}
		for j, b := range boxes[:i] {
			if a.x < b.x+b.w && b.x < a.x+a.w && a.y < b.y+b.h && b.y < a.y+a.h {
				t.Errorf("%s and %s overlap: %+v %+v", p.Nodes[i].id(), p.Nodes[j].id(), a, b)
			}
		}
	}
	for _, e := range p.Edges {
		if boxes[e.From].x >= boxes[e.To].x {
			t.Errorf("%s is not left of %s", p.Nodes[e.From].id(), p.Nodes[e.To].id())
		}
	}
}
