package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/tests/harness"
)

// small puts the data of an engine that has not begun on a disk of its own.
func small(t *testing.T, e *harness.Tiffin, size int64) {
	t.Helper()
	harness.RequireTool(t, "mkfs.ext4", "mount")
	image := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(image)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	config, err := os.ReadFile(filepath.Join(e.Data, "engine.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, e.Data}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() {
		e.OK(t, "engine", "stop")
		if err := unix.Unmount(e.Data, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	if err := os.WriteFile(filepath.Join(e.Data, "engine.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
}

// free is how much room there is, in MB.
func free(t *testing.T, dir string) uint64 {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	return st.Bavail * uint64(st.Bsize) / 1e6
}

// A disk that is full in a step, or when the image is written, fails the build and nothing else: no image has the
// name, what was written is given back, and a smaller build goes on.
func TestADiskThatIsFullFailsTheBuildAlone(t *testing.T) {
	registry := harness.Registry(t)
	e := harness.New(t)
	e.Configure(t, map[string]any{
		"registry-mirrors": map[string][]string{"docker.io": {"http://" + registry.Addr}}, "build": map[string]any{"linger": "1ms"},
	})
	small(t, e, 1400<<20)
	e.Write(t, "compose.yaml", `
name: full
services:
  step: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN echo before\nRUN fallocate -l 1G /a && fallocate -l 1G /b\n"}}
  export: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN fallocate -l 750M /a\n"}}
  fits: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN fallocate -l 10M /a\n"}, network_mode: none}
`)
	e.OK(t, "build", "fits")
	before := e.Snapshot(t)

	for _, c := range []struct{ service, want string }{
		{"step", "fallocate: fallocate '/b': No space left on device"},
		{"export", "no space left on device"},
	} {
		room := free(t, e.Data)
		got := e.Do(t, "build", c.service)
		if got.Code != 1 || !strings.Contains(got.Stderr, c.want) {
			t.Errorf("%s: code %d, want 1 and %q:\n%s", c.service, got.Code, c.want, got.Stderr)
		}
		if ids := e.OK(t, "images", "--all", "--format", "json"); strings.Contains(ids, "full-"+c.service) {
			t.Errorf("%s: the image has its name:\n%s", c.service, ids)
		}
		e.OK(t, "builder", "prune", "-f") // what was complete of it would stay for the next try
		harness.Until(t, 15*time.Second, c.service+": the room is given back", func() bool { return free(t, e.Data)+20 > room })
		e.NothingLeft(t, before)
		e.OK(t, "build", "--no-cache", "fits")
		e.OK(t, "run", "--rm", "-T", "fits", "ls", "/a")
	}
}
