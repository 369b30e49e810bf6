package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// changesOf lists changes as docker diff prints them.
func changesOf(t *testing.T, l *Layer) []string {
	t.Helper()
	list, err := Changes(t.Context(), l)
	must(t, err)
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprintf("%c %s", "CAD"[c.Kind], c.Path))
	}
	return out
}

func TestChanges(t *testing.T) {
	t.Parallel()
	image := in(t, "dir/a", "dir/b", "dir/sub/c", "file", "was-dir/x", "was-file")
	for name, c := range map[string]struct {
		change  func(dir string)
		options []string
		want    []string
	}{
		"nothing":          {func(string) {}, nil, nil},
		"added":            {in(t, "new/n"), nil, []string{"A /new", "A /new/n"}},
		"an empty folder":  {in(t, "new/"), nil, []string{"A /new"}},
		"in a folder":      {in(t, "dir/sub/d"), nil, []string{"C /dir", "C /dir/sub", "A /dir/sub/d"}},
		"a file deleted":   {func(d string) { must(t, os.Remove(d+"/dir/a")) }, nil, []string{"C /dir", "D /dir/a"}},
		"a folder deleted": {func(d string) { must(t, os.RemoveAll(d+"/dir")) }, nil, []string{"D /dir"}},
		"made and deleted": {func(d string) { in(t, "tmp")(d); must(t, os.Remove(d+"/tmp")) }, nil, nil},
		"a folder made again": {
			func(d string) { must(t, os.RemoveAll(d+"/dir")); in(t, "dir/new", "dir/b", "dir/sub/")(d) }, nil,
			[]string{"C /dir", "D /dir/a", "C /dir/b", "A /dir/new", "C /dir/sub", "D /dir/sub/c"},
		},
		"a folder made again, and empty": {
			func(d string) { must(t, os.RemoveAll(d+"/was-dir")); in(t, "was-dir/")(d) }, nil, []string{"C /was-dir", "D /was-dir/x"},
		},
		"a file for a folder, a folder for a file": {
			func(d string) {
				must(t, os.RemoveAll(d+"/was-dir"), os.Remove(d+"/was-file"))
				in(t, "was-dir", "was-file/in")(d)
			}, nil,
			[]string{"C /was-dir", "C /was-file", "A /was-file/in"},
		},
		"the mode of a folder": {func(d string) { must(t, unix.Chmod(d+"/dir/sub", 0o1700)) }, nil, []string{"C /dir", "C /dir/sub"}},
		"the mode of a file":   {func(d string) { must(t, os.Chmod(d+"/dir/sub/c", 0o600)) }, nil, []string{"C /dir", "C /dir/sub", "C /dir/sub/c"}},
		"attributes without content": {
			func(d string) { must(t, os.Chmod(d+"/file", 0o600)) },
			[]string{"metacopy=on"},
			[]string{"C /file"},
		},
		"what no layer can have": {
			func(d string) { in(t, ".wh.x")(d); must(t, unix.Mknod(d+"/sock", unix.S_IFSOCK|0o600, 0)) }, nil,
			[]string{"A /.wh.x", "A /sock"},
		},
		"a folder moved": {func(d string) { must(t, os.Rename(d+"/dir", d+"/moved")) }, []string{"redirect_dir=on"}, []string{
			"D /dir", "A /moved", "A /moved/a", "A /moved/b", "A /moved/sub", "A /moved/sub/c",
		}},
		"a folder moved over one of the image": {
			func(d string) { must(t, os.RemoveAll(d+"/was-dir"), os.Rename(d+"/dir", d+"/was-dir")) },
			[]string{"redirect_dir=on"},
			[]string{"D /dir", "C /was-dir", "A /was-dir/a", "A /was-dir/b", "A /was-dir/sub", "A /was-dir/sub/c", "D /was-dir/x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, changesOf(t, stack(t, image, c.change, c.options...))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChangesHaveNoMountPoints(t *testing.T) {
	t.Parallel()
	l := stack(t, in(t, "etc/passwd", "run/"), func(d string) {
		in(t, "proc/", "vol/deep/er/", "full/in", "used/vol/")(d)
		must(t, os.WriteFile(d+"/etc/hosts", nil, 0o644), os.WriteFile(d+"/used/x", nil, 0o644))
	})
	l.MountPoints = []string{"/proc", "/etc/hosts", "/vol/deep/er", "/full", "/used/vol"}
	if diff := cmp.Diff([]string{"A /full", "A /full/in", "A /used", "A /used/x"}, changesOf(t, l)); diff != "" {
		t.Error(diff)
	}
}

func TestChangesOfNothing(t *testing.T) {
	t.Parallel()
	if got, err := Changes(t.Context(), &Layer{}); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/a/b", 0o755), os.WriteFile(dir+"/a/b/f", []byte(strings.Repeat("x", 1000)), 0o600),
		os.Link(dir+"/a/b/f", dir+"/g"), os.WriteFile(dir+"/h", []byte("12"), 0o600))
	outside := filepath.Join(t.TempDir(), "big")
	must(t, os.MkdirAll(outside, 0o755), os.WriteFile(outside+"/f", make([]byte, 5000), 0o600), os.Symlink(outside, dir+"/l"))
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close() //nolint:errcheck // only read
	got, err := Usage(t.Context(), f)
	if want := int64(1002 + len(outside)); got != want || err != nil {
		t.Errorf("%d, want %d: %v", got, want, err)
	}
}

func TestChangesAndUsageEndWithTheirContext(t *testing.T) {
	t.Parallel()
	l := stack(t, in(t), in(t, "a"))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if _, err := Changes(ctx, l); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	again, err := os.Open(l.Upper.Name())
	must(t, err)
	defer again.Close() //nolint:errcheck // only read
	if _, err := Usage(ctx, again); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}
