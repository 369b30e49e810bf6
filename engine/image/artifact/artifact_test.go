package artifact_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/image/artifact"
	"tiffin/tests/harness"
)

func TestAProjectComesBackFromARealRegistry(t *testing.T) {
	harness.RequireTool(t, "docker-registry")
	var r artifact.Registry
	addr := harness.EmptyRegistry(t).Addr
	docs := []artifact.Document{
		{artifact.TypeFile, map[string]string{"com.docker.compose.file": "compose.yaml"}, []byte("services: {}")},
		{artifact.TypeEnvFile, map[string]string{"com.docker.compose.envfile": "a.env"}, []byte("A=1")},
	}
	for _, version := range []string{"", artifact.Version10, artifact.Version11} {
		ref := addr + "/team/app:v" + version
		if _, err := r.Push(t.Context(), ref, version, docs); err != nil {
			t.Fatal(err)
		}
		found, err := r.Find(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := found.Documents(t.Context())
		if d := cmp.Diff(docs, got); err != nil || d != "" {
			t.Errorf("version %q: %v, -want +got:\n%s", version, err, d)
		}
	}
	if _, err := r.Find(t.Context(), addr+"/team/none"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}

// A registry that knows OCI 1.0 alone is played by one in between: it takes no manifest with an artifact type.
func TestAnOldRegistryGetsTheOldForm(t *testing.T) {
	harness.RequireTool(t, "docker-registry")
	target, err := url.Parse("http://" + harness.EmptyRegistry(t).Addr)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }}
	refusal := http.StatusBadRequest
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			text, _ := io.ReadAll(r.Body)
			if bytes.Contains(text, []byte("artifactType")) {
				w.WriteHeader(refusal)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(text))
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(old.Close)
	ref := strings.TrimPrefix(old.URL, "http://") + "/team/app"
	var r artifact.Registry
	docs := []artifact.Document{{artifact.TypeFile, nil, []byte("services: {}")}}
	if _, err := r.Push(t.Context(), ref, artifact.Version11, docs); err == nil {
		t.Error("what was asked for by its version is not what was sent")
	}
	if _, err := r.Push(t.Context(), ref, "", docs); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Find(t.Context(), ref); err != nil {
		t.Error(err)
	}
	refusal = http.StatusForbidden
	if _, err := r.Push(t.Context(), ref, "", docs); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("who may not push is not told: %v", err)
	}
}

func TestImagesGoBesideAProject(t *testing.T) {
	harness.RequireTool(t, "docker-registry")
	from, to := harness.Registry(t).Addr, harness.EmptyRegistry(t).Addr
	var r artifact.Registry
	image := from + "/library/busybox"
	digest, err := r.Resolve(t.Context(), image)
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := r.Push(t.Context(), to+"/team/app", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time all is there
		if err := r.PushImages(t.Context(), pushed, []string{image + "@" + digest}, nil); err != nil {
			t.Fatal(err)
		}
	}
	// From there to elsewhere: it is whole, and in one registry nothing has to be sent.
	other, err := r.Push(t.Context(), to+"/team/other", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.PushImages(t.Context(), other, []string{to + "/team/app@" + digest}, nil); err != nil {
		t.Error(err)
	}
	if got, err := r.Resolve(t.Context(), to+"/team/other@"+digest); err != nil || got != digest {
		t.Errorf("%s, %v", got, err)
	}
	if err := r.PushImages(t.Context(), pushed, []string{to + "/team/none"}, nil); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("an image that is not there: %v", err)
	}
}

func TestWhatCannotBeReadIsNotPushed(t *testing.T) {
	t.Parallel()
	var r artifact.Registry
	for name, c := range map[string]struct {
		ref  string
		docs []artifact.Document
	}{
		"no reference":     {"A/B", nil},
		"a digest":         {"127.0.0.1:1/a@sha256:" + strings.Repeat("0", 64), nil},
		"too many files":   {"127.0.0.1:1/a", make([]artifact.Document, 101)},
		"a file too large": {"127.0.0.1:1/a", []artifact.Document{{Content: make([]byte, 4<<20+1)}}},
	} {
		if _, err := r.Push(t.Context(), c.ref, "", c.docs); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
