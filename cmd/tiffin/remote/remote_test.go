package remote

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tiffin/engine"
	"tiffin/engine/image/artifact"
	"tiffin/tests/harness"
)

func TestAnArtifactIsAskedForOnceAndCopied(t *testing.T) {
	harness.RequireTool(t, "docker-registry")
	ref := harness.EmptyRegistry(t).Addr + "/app"
	file := func(name, text, extends string) artifact.Document {
		return artifact.Document{MediaType: artifact.TypeFile, Content: []byte(text), Annotations: map[string]string{
			"com.docker.compose.file": name, "com.docker.compose.extends": extends,
		}}
	}
	docs := []artifact.Document{file("compose.yaml", "one", ""), file("override.yaml", "two", ""), file("abc.yaml", "base", "true")}
	var registry artifact.Registry
	if _, err := registry.Push(t.Context(), ref, "", docs); err != nil {
		t.Fatal(err)
	}
	cache, asked, answer := t.TempDir(), 0, false
	f := &Fetcher{
		Getenv:  func(name string) string { return map[string]string{"XDG_CACHE_HOME": cache}[name] },
		Confirm: func(string) bool { asked++; return answer },
	}
	if _, err := f.Fetch(t.Context(), "oci://"+ref); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("after no: %v", err)
	}
	answer = true
	for range 2 {
		path, err := f.Fetch(t.Context(), "oci://"+ref)
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := os.ReadFile(path); string(text) != "one\n---\ntwo" {
			t.Errorf("the files are %q", text)
		}
		if text, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "abc.yaml")); string(text) != "base" {
			t.Errorf("what is extended is %q", text)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times, want once for each answer", asked)
	}
}

func TestAnArtifactWritesNothingElsewhere(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", "/x"} {
		doc := artifact.Document{MediaType: artifact.TypeEnvFile, Annotations: map[string]string{"com.docker.compose.envfile": name}}
		if err := unpack(t.TempDir(), []artifact.Document{doc}); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTheNameOfACommitIsTheExactOne(t *testing.T) {
	const a, b, c = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "cccccccccccccccccccccccccccccccccccccccc"
	list := a + "\trefs/heads/feature/main\n" + b + "\trefs/heads/main\n" + a + "\trefs/tags/v1\n" + c + "\trefs/tags/v1^{}\n"
	for ref, want := range map[string]string{"main": b, "v1": c, "feature/main": a, "ain": ""} {
		if got := named(list, ref); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}
