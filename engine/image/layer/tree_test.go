package layer

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func needRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal("needs root")
	}
	tb.Skip("needs root")
}

// pack makes a tar of the entries. A header's Size is set from its content.
func pack(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		if h.Format == 0 {
			h.Format = tar.FormatPAX
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		h.Size = int64(len(e.content))
		if err := w.WriteHeader(&h); err != nil {
			tb.Fatalf("write %q: %v", h.Name, err)
		}
		if _, err := w.Write([]byte(e.content)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

type entry struct {
	tar.Header
	content string
}

func file(name, content string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg}, content}
}

func dir(name string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}
}

func symlink(name, to string) entry {
	return entry{tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}, ""}
}

func hardlink(name, to string) entry {
	return entry{tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeLink}, ""}
}

func with(e entry, change func(*tar.Header)) entry {
	change(&e.Header)
	return e
}

// listing is a folder as text, a line for each file: what a golden test can compare.
func listing(tb testing.TB, root string) string {
	tb.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		var line strings.Builder
		fmt.Fprintf(&line, "%s %s %d:%d", info.Mode(), escaped(rel), st.Uid, st.Gid)
		switch {
		case info.Mode().IsRegular():
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&line, " %.20q", content)
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			line.WriteString(" -> " + to)
		case info.Mode()&fs.ModeCharDevice != 0:
			fmt.Fprintf(&line, " %d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
		}
		for _, name := range attributes(path) {
			line.WriteString(" " + name)
		}
		lines = append(lines, line.String())
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// escaped keeps a name on one line.
func escaped(name string) string {
	q := strconv.Quote(name)
	return q[1 : len(q)-1]
}

func attributes(path string) []string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil || n == 0 {
		return nil
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00")
	slices.Sort(names)
	return names
}

// house is a folder with two layers, 1 (something below) and 2 (to be filled), and things outside.
type house struct{ root, base string }

func newHouse(tb testing.TB) house {
	tb.Helper()
	h := house{root: tb.TempDir()}
	h.base = filepath.Join(h.root, "layers")
	for _, d := range []string{"layers/1/fs/etc", "layers/2/fs", "outside"} {
		if err := os.MkdirAll(filepath.Join(h.root, d), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"outside/secret": "secret", "layers/1/fs/etc/passwd": "root", "layers/secret": "in the base",
	} {
		if err := os.WriteFile(filepath.Join(h.root, name), []byte(content), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(h.base, "1/fs/etc"), 0o751|fs.ModeSticky); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chown(filepath.Join(h.base, "1/fs/etc"), 7, 8); err != nil {
		tb.Fatal(err)
	}
	return h
}

func (h house) target() string { return filepath.Join(h.base, "2/fs") }

// outside is everything but the layer that is being filled.
func (h house) outside(tb testing.TB) string {
	tb.Helper()
	var lines []string
	for l := range strings.SplitSeq(listing(tb, h.root), "\n") {
		if !strings.Contains(l, " layers/2/fs") {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

func (h house) layer(tb testing.TB) string {
	tb.Helper()
	return listing(tb, filepath.Join(h.base, "2/fs"))
}
