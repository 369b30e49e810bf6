package build

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/tests/harness"
)

// canary is what must be seen nowhere but outside.
const canary = "canary-6c1f3a"

// outside is a folder of the host that builds try to reach, and the rest of the host that they must leave as it is.
type outside struct {
	dir    string
	before map[string]string
	left   harness.Snapshot
}

// newOutside makes the folder: a file to read, a folder and a file to remove, a Dockerfile to build.
func newOutside(t *testing.T, b *builder) *outside {
	t.Helper()
	o := &outside{dir: filepath.Join(t.TempDir(), "outside"), left: b.Snapshot(t)}
	for name, content := range map[string]string{
		"secret": canary, "etc/passwd": "root:x:0:0:" + canary + ":/:/bin/sh\n", "Dockerfile": "FROM busybox\nRUN echo " + canary + "\n",
	} {
		write(t, filepath.Join(o.dir, name), content)
	}
	write(t, filepath.Join(o.dir, "b/file"), "")
	if err := os.MkdirAll(filepath.Join(o.dir, "b/c"), 0o755); err != nil {
		t.Fatal(err)
	}
	o.before = o.look(t, b)
	return o
}

// look describes the folder file by file, and names what lies in places that a build might reach.
func (o *outside) look(t *testing.T, b *builder) map[string]string {
	t.Helper()
	seen := map[string]string{}
	err := filepath.WalkDir(o.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		seen[path] = fmt.Sprintf("mode %o owner %d:%d size %d links %d time %v", st.Mode, st.Uid, st.Gid, st.Size, st.Nlink, st.Mtim)
		if d.IsDir() {
			return nil
		}
		content, err := os.ReadFile(path)
		seen[path] += " " + string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/", "/etc", b.Data, filepath.Dir(o.dir)} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			seen[filepath.Join(dir, e.Name())] += " is there"
		}
	}
	return seen
}

// untouched fails the test when something outside changed, or something of the build was left.
func (o *outside) untouched(t *testing.T, b *builder) {
	t.Helper()
	if diff := cmp.Diff(o.before, o.look(t, b)); diff != "" {
		t.Errorf("outside changed (-was +is):\n%s", diff)
	}
	b.NothingLeft(t, o.left)
}

// unseen fails the test when the canary is in what a build said, or in the image that came of it.
func (o *outside) unseen(t *testing.T, b *builder, r outcome, name string) {
	t.Helper()
	if strings.Contains(r.log, canary) || r.err != nil && strings.Contains(r.err.Error(), canary) {
		t.Errorf("the build has seen what is outside: %v\n%s", r.err, r.log)
	}
	if r.err != nil {
		return
	}
	img, err := b.saved(t, name)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range img.layers {
		if strings.Contains(string(l), canary) {
			t.Errorf("layer %d has what is outside", i)
		}
	}
}

// tryTo builds what may succeed or be refused, as long as the outside is neither seen nor changed.
func (o *outside) tryTo(t *testing.T, b *builder, ord *order) outcome {
	t.Helper()
	r := b.build(t.Context(), ord)
	o.unseen(t, b, r, ord.name)
	o.untouched(t, b)
	return r
}

// folder makes a context: files by name; a content that begins with "->" is a link.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if target, ok := strings.CutPrefix(content, "->"); ok {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(target, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		write(t, filepath.Join(dir, name), content)
	}
	return dir
}
