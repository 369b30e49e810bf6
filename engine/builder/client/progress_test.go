package client

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client"
)

func TestStepsBearTheNameOfTheirBuild(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"web", "[2/3] RUN make", "[web 2/3] RUN make"},
		{"web", "exporting to image", "[web] exporting to image"},
		{"", "[1/1] FROM a", "[1/1] FROM a"},
	} {
		s := &bk.SolveStatus{Vertexes: []*bk.Vertex{{Name: c[1]}}}
		if rename(c[0], s); s.Vertexes[0].Name != c[2] {
			t.Errorf("got %q, want %q", s.Vertexes[0].Name, c[2])
		}
	}
}

func TestAStepOfSeveralBuildsIsToldByOne(t *testing.T) {
	t.Parallel()
	o, web, api := owners{}, &feed{target: "web"}, &feed{target: "api"}
	told := func(f *feed) int {
		s := &bk.SolveStatus{
			Vertexes: []*bk.Vertex{{Digest: "sha256:1"}}, Statuses: []*bk.VertexStatus{{Vertex: "sha256:1"}},
			Logs: []*bk.VertexLog{{Vertex: "sha256:1"}}, Warnings: []*bk.VertexWarning{{Vertex: "sha256:1"}},
		}
		o.keep(f, s)
		return len(s.Vertexes) + len(s.Statuses) + len(s.Logs) + len(s.Warnings)
	}
	if w, a := told(web), told(api); w != 4 || a != 0 {
		t.Errorf("the first build told %d, the second %d", w, a)
	}
	if web.ended = true; told(api) != 4 {
		t.Error("a build that goes on alone is not heard")
	}
}

// statuses are a build whose second step fails.
func statuses() []*bk.SolveStatus {
	begin := time.Now()
	end := begin.Add(time.Second)
	return []*bk.SolveStatus{
		{Vertexes: []*bk.Vertex{{Digest: "sha256:1", Name: "[1/2] RUN echo fine", Started: &begin}}},
		{Logs: []*bk.VertexLog{{Vertex: "sha256:1", Data: []byte("fine\n"), Timestamp: begin}}},
		{Vertexes: []*bk.Vertex{{Digest: "sha256:1", Name: "[1/2] RUN echo fine", Started: &begin, Completed: &end}}},
		{Vertexes: []*bk.Vertex{{Digest: "sha256:2", Name: "[2/2] RUN make", Started: &begin}}},
		{Logs: []*bk.VertexLog{{Vertex: "sha256:2", Data: []byte("no rule to make target\n"), Timestamp: begin}}},
		{Vertexes: []*bk.Vertex{
			{Digest: "sha256:2", Name: "[2/2] RUN make", Started: &begin, Completed: &end, Error: "exit code: 2"},
			{Digest: "sha256:3", Name: "[3/3] RUN other", Started: &begin, Completed: &end, Error: "context canceled"},
		}},
	}
}

func shown(t *testing.T, mode Mode, list []*bk.SolveStatus) string {
	t.Helper()
	var out strings.Builder
	d, err := newDisplay(Progress{Out: &out, Mode: mode})
	if err != nil {
		t.Fatal(err)
	}
	ch := d.feed("web", "web")
	for _, s := range list {
		ch <- s
	}
	close(ch)
	d.finish()
	return out.String()
}

func TestPlainProgress(t *testing.T) {
	t.Parallel()
	got := shown(t, Plain, statuses())
	for _, want := range []string{"[web 1/2] RUN echo fine", "fine\n", "ERROR: exit code: 2", " > [web 2/2] RUN make:", "no rule to make target"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
}

func TestAQuietBuildIsQuietUntilItFails(t *testing.T) {
	t.Parallel()
	want := "------\n > [web 2/2] RUN make:\nno rule to make target\n------\n"
	if diff := cmp.Diff(want, shown(t, Quiet, statuses())); diff != "" {
		t.Error(diff)
	}
	if got := shown(t, Quiet, statuses()[:3]); got != "" {
		t.Errorf("a good build says %q", got)
	}
}

func TestTheTailIsBounded(t *testing.T) {
	t.Parallel()
	end := time.Now()
	list := []*bk.SolveStatus{{Vertexes: []*bk.Vertex{{Digest: "sha256:1", Name: "RUN yes"}}}}
	for range 1000 {
		list = append(list, &bk.SolveStatus{Logs: []*bk.VertexLog{{Vertex: "sha256:1", Data: []byte(strings.Repeat("y\n", 1000))}}})
	}
	list = append(list, &bk.SolveStatus{Logs: []*bk.VertexLog{{Vertex: "sha256:1", Data: []byte("last\n")}}},
		&bk.SolveStatus{Vertexes: []*bk.Vertex{{Digest: "sha256:1", Name: "RUN yes", Completed: &end, Error: "exit code: 1"}}})
	got := shown(t, Quiet, list)
	if n := strings.Count(got, "\n"); n != tailLines+3 || !strings.HasSuffix(got, "y\nlast\n------\n") {
		t.Errorf("%d lines: %q", n, got)
	}
}

func TestWarningsAreToldOnce(t *testing.T) {
	t.Parallel()
	w := &bk.VertexWarning{Short: []byte("FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)")}
	var list []warning
	list = addWarning(list, "web", w)
	list = addWarning(list, "web", w)
	list = addWarning(list, "api", w)
	want := "\n 1 warning (build --check says more):\n - api, web: FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 1)\n"
	if diff := cmp.Diff(want, warningText(list)); diff != "" {
		t.Error(diff)
	}
	list = addWarning(list, "api", &bk.VertexWarning{Short: []byte("other")})
	if got := warningText(list); !strings.Contains(got, "2 warnings") {
		t.Error(got)
	}
	if got := warningText(nil); got != "" {
		t.Errorf("got %q", got)
	}
}
