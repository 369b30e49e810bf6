package bridge

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func TestEnrich(t *testing.T) {
	t.Parallel()
	const canonical = `name: shop
services:
  web:
    build: {context: /src}
    environment: {PRICE: $5}
  db:
    image: db
secrets:
  key: {file: /key}
configs:
  conf: {environment: CONF}
  other: {external: true}
`
	stack := &engine.Stack{Services: []engine.Service{
		{Name: "db", Container: engine.ContainerSpec{Image: "db"}},
		{Name: "off", Container: engine.ContainerSpec{Image: "x"}},
		{Name: "web", Container: engine.ContainerSpec{
			Image: "shop-web", Expose: []string{"9000/tcp"}, Ports: []engine.PortBinding{{ContainerPort: 80}},
			Files: []engine.FileMount{{Kind: engine.FileSecret, Name: "key", Content: []byte("s3\n")}, {Kind: engine.FileConfig, Name: "conf", Content: []byte("c")}},
		}},
	}}
	const want = `configs:
  conf:
    content: c
    environment: CONF
  other:
    external: true
name: shop
secrets:
  key:
    content: |
      s3
    file: /key
services:
  db:
    image: db
  web:
    build:
      context: /src
    environment:
      PRICE: $5
    expose:
      - "80"
      - "443"
      - "9000"
    image: shop-web
`
	got, err := enrich([]byte(canonical), stack, map[string][]string{"web": {"443/udp", "80/tcp"}})
	if d := cmp.Diff(want, string(got)); err != nil || d != "" {
		t.Errorf("%v, want -, got +\n%s", err, d)
	}
}

func TestATransformerRunsAsTheCaller(t *testing.T) {
	t.Parallel()
	got := transformer("kube", "/tmp/in", mounts{"/src/out", "/src/tpl"}, 1000, 100)
	want := engine.ContainerSpec{
		Image: "kube", User: "1000:100", NetworkMode: "bridge", Env: []string{"LICENSE_AGREEMENT=true"},
		Mounts: []engine.Mount{
			{Type: engine.MountBind, Source: "/tmp/in", Target: "/in", ReadOnly: true},
			{Type: engine.MountBind, Source: "/src/out", Target: "/out"},
			{Type: engine.MountBind, Source: "/src/tpl", Target: "/templates", ReadOnly: true},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func TestTheOutputIsEmptiedOnlyIfTheCallerSaysSo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "out")
	never := func(string) bool { t.Error("asked for nothing"); return false }
	for range 2 { // it is made, and then it is there and empty
		if err := prepare(dir, "out", never); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(dir, "old")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := prepare(dir, "out", func(string) bool { return false }); !errors.Is(err, engine.ErrDenied) {
		t.Errorf("after no: %v", err)
	}
	if _, err := os.Stat(old); err != nil {
		t.Errorf("after no: %v", err)
	}
	if err := prepare(dir, "out", func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("after yes: %v, %v", entries, err)
	}
}

func TestTheProjectIsNotInTheOutput(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("app", link); err != nil {
		t.Fatal(err)
	}
	compose := filepath.Join(dir, "app", "compose.yaml")
	if err := os.WriteFile(compose, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for output, refused := range map[string]bool{
		dir: true, filepath.Join(dir, "app"): true, link: true, "/": true, filepath.Join(dir, "app", "out"): false, filepath.Join(dir, "ap"): false,
	} {
		err := spares(output, []string{"", "-", compose})
		if errors.Is(err, engine.ErrInvalid) != refused {
			t.Errorf("%s: %v", output, err)
		}
	}
}
