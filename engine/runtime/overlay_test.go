package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// layers makes directories that each hold a file of their own name.
func layers(tb testing.TB, names ...string) []string {
	tb.Helper()
	base := tb.TempDir()
	var dirs []string
	for _, name := range names {
		dir := filepath.Join(base, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			tb.Fatal(err)
		}
		writeTestFile(tb, filepath.Join(dir, name), name)
		writeTestFile(tb, filepath.Join(dir, "who"), name)
		dirs = append(dirs, dir)
	}
	return dirs
}

func writeTestFile(tb testing.TB, path, text string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		tb.Fatal(err)
	}
	defer closeAll(f)
	if _, err := f.WriteString(text); err != nil {
		tb.Fatal(err)
	}
}

// readAt reads a file below a detached mount.
func readAt(tb testing.TB, root *os.File, name string) string {
	tb.Helper()
	fd, err := unix.Openat(int(root.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		tb.Fatalf("open %s: %v", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer closeAll(f)
	var b [64]byte
	n, _ := f.Read(b[:])
	return string(b[:n])
}

func TestMountOverlay(t *testing.T) {
	requireRoot(t)
	mounts := map[string]func([]string, string, string, ...string) (*os.File, error){
		"with the layers given one by one":    MountOverlay,
		"with the layers given in one string": mountOverlayByPath,
	}
	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			dirs := layers(t, "top", `odd,na:me\`, "bottom")
			writable := layers(t, "upper", "work")
			root, err := mount(dirs, writable[0], writable[1])
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll(root)
			for name, want := range map[string]string{
				"who": "upper", "top": "top", `odd,na:me\`: `odd,na:me\`, "bottom": "bottom",
			} {
				if got := readAt(t, root, name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			fd, err := unix.Openat(int(root.Fd()), "new", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			_ = unix.Close(fd)
			if !exists(filepath.Join(writable[0], "new")) {
				t.Error("a new file is not in the upper layer")
			}
		})
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(table), t.TempDir()) {
		t.Error("a mount is left on the host")
	}
}

func TestMountOverlayWithoutUpperIsReadOnly(t *testing.T) {
	requireRoot(t)
	for _, dirs := range [][]string{layers(t, "only"), layers(t, "top", "bottom")} {
		root, err := MountOverlay(dirs, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Openat(int(root.Fd()), "new", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644); err != unix.EROFS {
			t.Errorf("%d layers: writing gives %v", len(dirs), err)
		}
		closeAll(root)
	}
}

func TestMountOverlayNamesTheLayerThatIsMissing(t *testing.T) {
	requireRoot(t)
	dirs := append(layers(t, "top"), "/nonexistent/layer")
	_, err := MountOverlay(dirs, "", "")
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/layer") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkMountOverlay(b *testing.B) {
	requireRoot(b)
	dirs, writable := layers(b, "a", "b", "c", "d", "e"), layers(b, "upper", "work")
	for b.Loop() {
		root, err := MountOverlay(dirs, writable[0], writable[1])
		if err != nil {
			b.Fatal(err)
		}
		closeAll(root)
	}
}
