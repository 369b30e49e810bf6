package builder

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What an engine that was killed has left in the scratch folder goes with the next one, mounts first: a mount that
// was not taken off would take what is mounted with it.
func TestTheScratchFolderIsEmptiedOfMountsToo(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			t.Fatal("needs root")
		}
		t.Skip("needs root")
	}
	precious, scratch := t.TempDir(), filepath.Join(t.TempDir(), "builds")
	file := filepath.Join(precious, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(scratch, "buildkit-mount1", "inner")
	for _, at := range []string{filepath.Dir(inner), inner} {
		if err := os.MkdirAll(at, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	bound := filepath.Join(scratch, "bound")
	if err := os.MkdirAll(bound, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(precious, bound, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	if err := prepareScratch(scratch); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(scratch)
	if err != nil || len(entries) != 1 || entries[0].Name() != "mounts" {
		t.Errorf("there is %v, %v", entries, err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("what was mounted is gone: %v", err)
	}
}
