package project

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

// TestSecretsOfABuild shows what JSON, and so testdata, does not: the values of variables.
func TestSecretsOfABuild(t *testing.T) {
	dir := write(t, `
services:
  web:
    build:
      secrets: [exported, in-dot-env, not-set, file, {source: file, target: other}]
secrets:
  exported: {environment: EXPORTED}
  in-dot-env: {environment: DOTTED}
  not-set: {environment: NOT_SET}
  file: {file: token.txt}
`)
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("DOTTED=dot\nEXPORTED=hidden\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(t.Context(), Options{WorkingDir: dir, Name: "shop", Environ: []string{"EXPORTED=x"}})
	if err != nil {
		t.Fatal(err)
	}
	stack, err := p.Stack()
	if err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token.txt")
	want := []engine.BuildSecret{
		{ID: "exported", Content: new("x")},
		{ID: "in-dot-env", Content: new("dot")},
		{ID: "not-set", Env: "NOT_SET"},
		{ID: "file", File: token},
		{ID: "other", File: token},
	}
	if diff := cmp.Diff(want, stack.Services[0].Build.Secrets); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestTheSecretOfABuildIsSmall(t *testing.T) {
	dir := write(t, "services: {web: {build: {secrets: [token]}}}\nsecrets: {token: {file: token}}\n")
	p, err := Load(t.Context(), Options{WorkingDir: dir, Name: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]string{maxBuildSecret: "", maxBuildSecret + 1: `secret "token": token: is larger than 500 KiB`} {
		if err := os.WriteFile(filepath.Join(dir, "token"), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := p.CheckBuild(); err != nil {
			got = err.Error()
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%d bytes: got %q, want %q", size, got, want)
		}
	}
}

// TestTheHashIsWithoutTheBuild: how an image is made does not change the container; the
// image's digest does.
func TestTheHashIsWithoutTheBuild(t *testing.T) {
	var first string
	for _, build := range []string{".", "{context: ., args: {A: b}}", "{context: other, target: x}"} {
		p, err := Load(t.Context(), Options{WorkingDir: write(t, "services: {web: {build: "+build+"}}"), Name: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := p.Hashes("web")
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = hashes[0]
		}
		if hashes[0] != first {
			t.Errorf("build: %s has hash %s, not %s", build, hashes[0], first)
		}
	}
}
