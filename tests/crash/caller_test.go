package crash

import (
	"context"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"tiffin/engine/api"
	"tiffin/tests/harness"
)

// build is one build by BuildKit's own client, for its events come one by one.
type build struct {
	folder string // of Dockerfile and context
	name   string
	round  string // a build argument
	// hear is told of each event when it comes, and how many have come with it.
	hear func(events int)
}

// outcome is what of a build was heard.
type outcome struct {
	err    error
	events []string
	// done and cached are the steps that ended well, and those among them that were in the cache; last are those
	// whose end came with the last events: it is told before it is recorded.
	done, cached, last map[string]bool
}

// run has the engine build. The engine runs already.
func (b build) run(t *testing.T, e *harness.Tiffin) outcome {
	t.Helper()
	socket := api.NewClient(filepath.Join(e.Run, "tiffin.sock"))
	dial := func(ctx context.Context, _ string) (net.Conn, error) { return socket.Build(context.WithoutCancel(ctx)) }
	c, err := client.New(t.Context(), "", client.WithContextDialer(dial))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	files, err := fsutil.NewFS(b.folder)
	if err != nil {
		t.Fatal(err)
	}
	heard := outcome{done: map[string]bool{}, cached: map[string]bool{}}
	statuses := make(chan *client.SolveStatus)
	var g errgroup.Group
	g.Go(func() error {
		_, err := c.Solve(t.Context(), nil, client.SolveOpt{
			Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"build-arg:ROUND": b.round}, Internal: true,
			LocalMounts: map[string]fsutil.FS{"context": files, "dockerfile": files},
			Exports:     []client.ExportEntry{{Type: "image", Attrs: map[string]string{"name": "docker.io/library/" + b.name}}},
		}, statuses)
		return err
	})
	for s := range statuses {
		heard.take(s, b.hear)
	}
	heard.err = g.Wait()
	return heard
}

// take notes the events of a status. Each is heard once.
func (o *outcome) take(s *client.SolveStatus, hear func(int)) {
	var lines []string
	o.last = map[string]bool{}
	for _, v := range s.Vertexes {
		switch {
		case v.Completed != nil && v.Error == "":
			lines = append(lines, "end "+v.Name)
			o.done[v.Name], o.last[v.Name] = true, true
			if v.Cached {
				o.cached[v.Name] = true
			}
		case v.Started != nil && v.Completed == nil:
			lines = append(lines, "begin "+v.Name)
		}
	}
	for _, st := range s.Statuses {
		word := "begin"
		if st.Completed != nil {
			word = "end"
		}
		lines = append(lines, word+" "+withoutDigest(st.ID))
	}
	for _, l := range s.Logs {
		lines = append(lines, "output "+strings.TrimSpace(string(l.Data)))
	}
	for _, line := range lines {
		if !slices.Contains(o.events, line) {
			o.events = append(o.events, line)
			hear(len(o.events))
		}
	}
}

// withoutDigest makes what differs with each round the same.
func withoutDigest(id string) string {
	before, _, ok := strings.Cut(id, "sha256:")
	if !ok {
		return id
	}
	return before + "sha256"
}

// again says which steps were done before and not taken from the cache now.
func again(before, now outcome) []string {
	var list []string
	for _, step := range slices.Sorted(maps.Keys(before.done)) {
		// BuildKit's own steps look at the context each time.
		if strings.HasPrefix(step, "[internal]") || strings.Contains(step, " FROM ") || strings.HasPrefix(step, "exporting") {
			continue
		}
		if !now.cached[step] && !before.last[step] {
			list = append(list, step)
		}
	}
	return list
}

func quiet(int) {}

func (o *outcome) String() string {
	return fmt.Sprintf("%v\n  %s", o.err, strings.Join(o.events, "\n  "))
}
