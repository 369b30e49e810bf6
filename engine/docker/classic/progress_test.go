package classic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bk "github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"tiffin/engine"
)

func begun(name string, cached bool) *bk.Vertex {
	now := time.Now()
	return &bk.Vertex{Digest: digest.FromString(name), Name: name, Started: &now, Cached: cached}
}

func ended(name string) *bk.Vertex {
	v := begun(name, false)
	v.Completed = v.Started
	return v
}

func said(name, text string) *bk.VertexLog {
	return &bk.VertexLog{Vertex: digest.FromString(name), Data: []byte(text)}
}

func TestProgressIsTheTextOfDockersFirstBuilder(t *testing.T) {
	t.Parallel()
	const run, copied = "[builder 2/3] RUN a\nb", "[linux/amd64 stage-1 2/2] COPY a /"
	s := newSteps()
	var got []string
	for _, st := range []*bk.SolveStatus{
		{Vertexes: []*bk.Vertex{begun("[internal] load build definition", false), {Digest: "x", Name: "[1/3] FROM later"}}},
		{Vertexes: []*bk.Vertex{begun("[1/2] FROM base", true), begun(run, false)}},
		{Vertexes: []*bk.Vertex{begun(run, false)}, Logs: []*bk.VertexLog{said(run, "one\ntw")}}, // told before
		{Vertexes: []*bk.Vertex{begun(copied, false)}, Logs: []*bk.VertexLog{said(copied, "between\n"), said(run, "o\nlast")}},
		{Vertexes: []*bk.Vertex{ended(run)}},
		{Vertexes: []*bk.Vertex{begun("exporting to image", false)}, Warnings: []*bk.VertexWarning{{Short: []byte("watch out")}}},
	} {
		got = append(got, s.take(st)...)
	}
	want := []string{
		"Step 1/2 : FROM base\n", " ---> Using cache\n", "Step 2/3 : [builder] RUN a\nb\n", "one\n",
		"Step 2/2 : COPY a /\n", "between\n", "two\n", "last\n", "[Warning] watch out\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFailuresAreInDockersWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		text string
		code int
	}{
		{
			errors.New(`build image: process "/bin/sh -c exit 3" did not complete successfully: exit code: 3`),
			"The command '/bin/sh -c exit 3' returned a non-zero code: 3", 3,
		},
		{engine.Hint(errors.New("build image: it failed"), "mend it"), "it failed: mend it", 0},
		{engine.Hint(errors.New("build image: it failed"), "give build.network"), "it failed", 0},
		{context.Canceled, "context canceled", 0},
	} {
		if f := failure(c.err); f.Message != c.text || f.Code != c.code {
			t.Errorf("%v: got %d %q", c.err, f.Code, f.Message)
		}
	}
}

func TestTheAnswerEndsWithTheImage(t *testing.T) {
	t.Parallel()
	const id = "sha256:0123456789abcdef"
	names := []string{"docker.io/library/a:latest", "r.example/b:1"}
	for want, r := range map[string]Request{
		`{"aux":{"ID":"sha256:0123456789abcdef"}}` + "\n" + `{"stream":"Successfully built 0123456789ab\n"}` + "\n" +
			`{"stream":"Successfully tagged a:latest\n"}` + "\n" + `{"stream":"Successfully tagged r.example/b:1\n"}` + "\n": {Names: names},
		`{"stream":"sha256:0123456789abcdef\n"}` + "\n":                        {Names: names, Quiet: true},
		`{"id":"moby.image.id","aux":{"ID":"sha256:0123456789abcdef"}}` + "\n": {Names: names, Traces: true},
	} {
		var out bytes.Buffer
		r.done(&answer{out: json.NewEncoder(&out), flush: func() {}}, id)
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestPruning(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"all=1&keep-storage=5": `{"All":true,"Filters":null,"KeepFor":0,"Reserved":5,"MaxUsed":0,"MinFree":0}`,
		"reserved-space=1&max-used-space=2&min-free-space=3&keep-storage=4": `{"All":false,"Filters":null,"KeepFor":0,"Reserved":1,"MaxUsed":2,"MinFree":3}`,
		`filters={"until":["24h"],"type":["regular"],"inuse":["1"],"id":["a.b"]}`: `{"All":false,"Filters":["id~=\"^a\\\\.b\"","inuse","type==\"regular\""],` +
			`"KeepFor":86400000000000,"Reserved":0,"MaxUsed":0,"MinFree":0}`,
		"keep-storage=x": "keep-storage is in bytes and expects an integer, got x",
		`filters={"until":["1h"],"unused-for":["2h"]}`: "filters expect only one value of until or unused-for",
		`filters={"until":["soon"]}`:                   `filter until="soon" is not a duration`,
		`filters={"nonsense":["1"]}`:                   "invalid filter 'nonsense'",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			q := parseQuery(t, query)
			o, err := ParsePrune(q)
			got := ""
			if err != nil {
				got = err.Error()
			} else if text, err := json.Marshal(o); err == nil {
				got = strings.ReplaceAll(string(text), `"0B"`, "0")
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
