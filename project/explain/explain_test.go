package explain

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestValues has, in each case: the files with the last word first, separated by lines of dashes, the canonical form, and
// what is to be said of the values in it, in order.
func TestValues(t *testing.T) {
	for name, test := range map[string]struct{ files, config, want string }{
		"a value of the only file": {
			"services:\n  a:\n    image: x", "services: {a: {image: x}}", "b0:3",
		},
		"the last word counts": {
			"services:\n\n  a: {image: y}\n----\nservices: {a: {image: x, user: u}}", "services: {a: {image: y, user: u}}", "b0:3 | b1:1",
		},
		"what nobody said is a default": {
			"services: {a: {ports: [\"80\"]}}", "services: {a: {ports: [{target: 80, mode: ingress, protocol: tcp}]}}", "b0:1 | default | default",
		},
		"a protocol in the short form is none": {
			"services: {a: {ports: [80/tcp]}}", "services: {a: {ports: [{target: 80, protocol: tcp}]}}", "b0:1 | b0:1",
		},
		"items of lists are known by what they are": {
			"services:\n  a:\n    ports:\n      - 2:2\n----\nservices:\n  a:\n    ports:\n      - 3:3\n      - 1:1",
			`services: {a: {ports: [{target: 3, published: "3", protocol: tcp}, {target: 1, published: "1", protocol: tcp}, {target: 2, published: "2", protocol: tcp}]}}`,
			"b1:4 | b1:4 | default | b1:5 | b1:5 | default | b0:4 | b0:4 | default",
		},
		"a list of names and values is a mapping": {
			"services:\n  a:\n    environment:\n      - A=1\n      - B\n      - C", "services: {a: {environment: {A: \"1\", B: \"2\", C: null}}}",
			"b0:4 | b0:5, $B from env:1 | b0:6, $C is not set",
		},
		"a command is a line": {
			"services:\n  a:\n    command: run it\n----\nservices: {a: {command: [run, it, now]}}", "services: {a: {command: [run, it]}}", "b0:3 | b0:3",
		},
		"a reset leaves nothing of what was before": {
			"services: {a: {user: !reset null}}\n----\nservices: {a: {user: u}}", "services: {a: {user: root}}", "default",
		},
		"an override hides what was before": {
			"services: {a: {labels: !override {x: 1}}}\n----\nservices: {a: {labels: {y: 1}}}", "services: {a: {labels: {x: 1, y: 1}}}", "b0:1 | default",
		},
		"an anchor is where the value is written": {
			"x-a: &a\n  user: u\nservices:\n  a:\n    <<: *a", "services: {a: {user: u}}", "b0:2",
		},
		"a service that extends": {
			"services:\n  a:\n    extends: base\n  base:\n    user: u", "services: {a: {user: u}}", "b0:5",
		},
		"the variable that decided": {
			"services: {a: {image: \"$B-${C:-c}-${D+$B}\"}}", "services: {a: {image: 2-c-}}", "b0:1, $B from env:1, $C default in file, $D is not set",
		},
		"an empty variable with a default": {
			"services: {a: {image: \"${E:-x}\"}}", "services: {a: {image: x}}", "b0:1, $E default in file",
		},
		"a link makes a dependency": {
			"services:\n  a:\n    links:\n      - b:c", "services: {a: {depends_on: {b: {condition: service_started}}}}", "b0:4",
		},
		"what other files hold": {
			"services: {a: {environment: {A: 1}}}", "services: {a: {environment: {A: \"1\", G: g}}}", "b0:1 | some.env:7",
		},
		"two documents of one file": {
			"services: {a: {user: one}}\n---\nservices: {a: {user: two}}", "services: {a: {user: two}}", "b0:3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := Project{
				Config: documents(t, test.config)[0],
				Given:  map[string]Origin{"services.a.environment.G": {Place: Place{File: "some.env", Line: 7}}},
				Bases:  map[Service]Service{},
				Variable: func(*File, string) Place {
					return Place{File: "env", Line: 1}
				},
			}
			for i, text := range strings.Split(test.files, "\n----\n") {
				f := &File{Name: "b" + string(rune('0'+i)), Docs: documents(t, text), Lookup: func(name string) (string, bool) {
					v, ok := map[string]string{"B": "2", "E": ""}[name]
					return v, ok
				}}
				p.Files = append(p.Files, f)
				p.Bases[Service{f, "a"}] = Service{f, "base"}
			}
			var got []string
			for _, v := range p.Values() {
				got = append(got, v.Origin.String())
			}
			if text := strings.Join(got, " | "); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
		})
	}
}

func documents(t *testing.T, text string) []*yaml.Node {
	t.Helper()
	var out []*yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var doc yaml.Node
		if decoder.Decode(&doc) != nil {
			return out
		}
		out = append(out, doc.Content[0])
	}
}

func TestServicesThatExtendEachOtherEnd(t *testing.T) {
	f := &File{Name: "f", Docs: documents(t, "services: {a: {extends: b}, b: {extends: a}}"), Lookup: func(string) (string, bool) { return "", false }}
	p := Project{
		Config: documents(t, "services: {a: {user: u}}")[0], Files: []*File{f},
		Bases: map[Service]Service{{f, "a"}: {f, "b"}, {f, "b"}: {f, "a"}},
	}
	if got := p.Values()[0].Origin.String(); got != "default" {
		t.Error(got)
	}
}
