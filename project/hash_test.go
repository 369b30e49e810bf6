package project

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/project/hash"
)

// TestHashesAreDockerComposes compares with what compose-go 2.14, which docker compose
// 5 is built with, and docker compose's rule give for the same files. The project's
// directory must not matter, so all paths in it are absolute.
func TestHashesAreDockerComposes(t *testing.T) {
	want, err := os.ReadFile("testdata/hash/docker-compose.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata/hash")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load(t.Context(), Options{
		WorkingDir: dir, Profiles: []string{"front"}, Environ: []string{"FROM_HOST=yes"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	services, err := p.Hashes()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range services {
		got.WriteString("service " + line + "\n")
	}
	for _, key := range p.model.NetworkNames() {
		got.WriteString("network " + key + " " + hash.Network(p.model.Networks[key]) + "\n")
	}
	for _, key := range p.model.VolumeNames() {
		got.WriteString("volume " + key + " " + hash.Volume(p.model.Volumes[key]) + "\n")
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// TestTheHashIsOverThisText spells the rule out once, by hand.
func TestTheHashIsOverThisText(t *testing.T) {
	text := `{"command":["serve","now"],"entrypoint":null,"environment":{"A":"1","B":null},"image":"busybox",` +
		`"networks":{"default":null},"ports":[{"mode":"ingress","target":80,"published":"8080","protocol":"tcp"}],"tty":true}`
	sum := sha256.Sum256([]byte(text))
	dir := t.TempDir()
	file := `
services:
  a:
    image: busybox
    command: serve now
    environment: {A: 1, B: }
    ports: ["8080:80"]
    tty: true
    build: .
    pull_policy: never
    scale: 3
    depends_on: [b]
    profiles: [x]
  b:
    image: busybox
`
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Load(t.Context(), Options{WorkingDir: dir, Services: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Hashes("a")
	if err != nil {
		t.Fatal(err)
	}
	if want := "a " + hex.EncodeToString(sum[:]); got[0] != want {
		t.Errorf("got %s, want %s", got[0], want)
	}
}
