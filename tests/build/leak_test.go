package build

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lingering keeps the builder there for as long as a test wants, or for no time.
func lingering(how string) map[string]any {
	return map[string]any{"build": map[string]any{"linger": how}}
}

const helloDockerfile = "FROM busybox\nRUN echo hello >/hello\n"

// TestNothingIsLeftWhenNobodyBuilds: with its last build, all that the engine had for builds goes.
func TestNothingIsLeftWhenNobodyBuilds(t *testing.T) {
	t.Parallel()
	b := connect(t, newTiffin(t, lingering("1ms")))
	before := b.Snapshot(t)
	write(t, filepath.Join(b.Dir, "Dockerfile"), helloDockerfile)
	b.mustBuild(t, &order{dir: b.Dir, name: "hello"})
	if err := b.client.Close(); err != nil {
		t.Fatal(err)
	}
	b.NothingLeft(t, before)
}

// TestStoppingTheEngineLeavesNothingOfBuilds: an engine that was stopped before the builder had gone by itself left the
// network of the steps behind.
func TestStoppingTheEngineLeavesNothingOfBuilds(t *testing.T) {
	t.Parallel()
	e := newTiffin(t, lingering("1h"))
	before := e.Snapshot(t)
	b := connect(t, e)
	write(t, filepath.Join(b.Dir, "Dockerfile"), helloDockerfile)
	b.mustBuild(t, &order{dir: b.Dir, name: "hello"})
	if err := b.client.Close(); err != nil {
		t.Fatal(err)
	}
	b.OK(t, "engine", "stop")
	for line := range b.Snapshot(t) {
		if !before[line] && !strings.HasPrefix(line, "file ") { // its records stay
			t.Errorf("left behind: %s", line)
		}
	}
	if left, err := os.ReadDir(filepath.Join(b.Run, "builds", "mounts")); err != nil || len(left) > 0 {
		t.Errorf("left among the builder's mounts: %v, %v", left, err)
	}
}
