package probe

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFile(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	root := filepath.Join(outside, "root")
	for _, dir := range []string{"run", "data/empty"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{filepath.Join(outside, "secret"), filepath.Join(root, "run/ready")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(root, "run/pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{
		"inside": "/run/ready", "relative": "../run/ready", "up": "../../secret", "host": filepath.Join(outside, "secret"),
		"dangling": "nowhere", "self": "self", "proc": "/proc/self/root/etc/passwd",
	} {
		if err := os.Symlink(to, filepath.Join(root, "data", link)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for name, want := range map[string]bool{
		"/run/ready": true, "/run": true, "/data/empty": true, "/": true, "/run/pipe": true,
		"/data/inside": true, "/data/relative": true,
		"/run/other": false, "/data/up": false, "/data/host": false, "/data/dangling": false, "/data/self": false,
		"/data/proc": false, "/../secret": false, "/run/ready/x": false,
	} {
		text, err := File(f, name)
		if (err == nil) != want {
			t.Errorf("%s: %q, %v; want it there: %v", name, text, err, want)
		}
	}
}
