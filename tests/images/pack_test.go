package images

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestPackFolder(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(os.MkdirAll(at("etc/opaque"), 0o755))
	must(os.WriteFile(at("etc/a"), []byte("text"), 0o640))
	must(os.Chown(at("etc/a"), 12, 34))
	must(os.Chtimes(at("etc/a"), epoch, epoch.Add(-time.Hour)))
	must(os.Link(at("etc/a"), at("etc/b")))
	must(os.Symlink("a", at("etc/s")))
	must(os.WriteFile(at("etc/passwd-"), nil, 0o600))
	must(os.MkdirAll(at("usr/share/doc/x/y"), 0o755))
	must(os.WriteFile(at("etc/opaque/new"), nil, 0o644))
	must(unix.Mknod(at("etc/gone"), unix.S_IFCHR, 0))
	if err := unix.Setxattr(at("etc/opaque"), "trusted.overlay.opaque", []byte("y"), 0); err != nil {
		t.Skipf("this filesystem keeps no trusted attributes: %v", err)
	}

	var packed bytes.Buffer
	must(packFolder(&packed, dir))

	want := []string{
		"drwxr-xr-x 0:0 etc/",
		"-rw-r----- 12:34 etc/a = text (an hour old)",
		"-rw-r----- 12:34 etc/b => etc/a (an hour old)",
		"-rw------- 0:0 etc/.wh.gone = ",
		"drwxr-xr-x 0:0 etc/opaque/",
		"-rw------- 0:0 etc/opaque/.wh..wh..opq = ",
		"-rw-r--r-- 0:0 etc/opaque/new = ",
		"Lrwxrwxrwx 0:0 etc/s -> a",
		"drwxr-xr-x 0:0 usr/",
		"drwxr-xr-x 0:0 usr/share/",
		"drwxr-xr-x 0:0 usr/share/doc/",
	}
	if diff := cmp.Diff(want, list(t, &packed)); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func list(t *testing.T, r io.Reader) []string {
	t.Helper()
	var lines []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		var line strings.Builder
		fmt.Fprintf(&line, "%s %d:%d %s", h.FileInfo().Mode(), h.Uid, h.Gid, h.Name)
		switch h.Typeflag {
		case tar.TypeReg:
			content, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&line, " = %s", content)
		case tar.TypeLink:
			line.WriteString(" => " + h.Linkname)
		case tar.TypeSymlink:
			line.WriteString(" -> " + h.Linkname)
		}
		if h.ModTime.Equal(epoch.Add(-time.Hour)) {
			line.WriteString(" (an hour old)")
		} else if !h.ModTime.Equal(epoch) {
			fmt.Fprintf(&line, " (of %s)", h.ModTime)
		}
		lines = append(lines, line.String())
	}
}

func TestIsLeftOut(t *testing.T) {
	cases := map[string]bool{
		"tmp":                   false,
		"tmp/x":                 true,
		"tmp/x/y":               true,
		"etc/passwd":            false,
		"etc/passwd-":           true,
		"etc/cron.d/x-":         false,
		"usr/share/doc":         false,
		"usr/share/doc/a/b/c":   true,
		"usr/share/docs/a":      false,
		"var/log/a.log":         true,
		"var/log/nginx/a.log":   false,
		"var/lib/dpkg/status":   false,
		"etc/machine-id":        true,
		"etc/apt/sources.list":  true,
		"etc/apt/apt.conf.d/01": false,
	}
	for name, want := range cases {
		if got := isLeftOut(name); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}
