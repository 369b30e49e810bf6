package volume

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"

	"tiffin/engine"
)

func TestCheckBind(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, "")
	missing := filepath.Join(dir, "a", "b")
	cases := map[string]struct {
		mount engine.Mount
		want  string
		err   string
	}{
		"a directory":            {engine.Mount{Source: dir}, dir, ""},
		"a file":                 {engine.Mount{Source: dir + "/x/../file"}, file, ""},
		"a missing one":          {engine.Mount{Source: missing}, "", "bind source path does not exist: " + missing},
		"a relative one":         {engine.Mount{Source: "x", Target: "/t"}, "", `bind source "x" of /t is not an absolute path`},
		"below a file":           {engine.Mount{Source: file + "/x", Target: "/t"}, "", "bind source of /t: stat " + file + "/x: not a directory"},
		"a missing one, made":    {engine.Mount{Source: missing, CreateHostPath: true}, missing, ""},
		"one that is there, too": {engine.Mount{Source: file, CreateHostPath: true}, file, ""},
	}
	for _, name := range []string{
		"a directory", "a file", "a missing one", "a relative one", "below a file", "a missing one, made", "one that is there, too",
	} {
		t.Run(name, func(t *testing.T) {
			c := cases[name]
			got, err := CheckBind(c.mount)
			if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if _, err := CheckBind(engine.Mount{Source: "/no/such"}); !errors.Is(err, engine.ErrInvalid) || engine.HintOf(err) == "" {
		t.Errorf("kind and hint of %v", err)
	}
}

func TestASubpathStaysInside(t *testing.T) {
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "outside")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sub", "file"), "inside")
	write(t, filepath.Join(dir, outside, "secret"), "inside")
	for link, to := range map[string]string{"up": "../../../../" + outside, "abs": outside, "ok": "sub"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close() //nolint:errcheck // it is only read
	for _, path := range []string{"sub/file", "ok/file", "/sub/file", "../../sub/file", "up/secret", "abs/secret"} {
		f, err := OpenSubpath(root, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		content, err := pathrs.Reopen(f, os.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(content); string(text) != "inside" || err != nil {
			t.Errorf("%s leads to %q, %v", path, text, err)
		}
		if err := errors.Join(f.Close(), content.Close()); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"none", "sub/file/x", "up/none"} {
		if _, err := OpenSubpath(root, path); !errors.Is(err, engine.ErrNotFound) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
