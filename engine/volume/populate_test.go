package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// listing prints a tree: modes, owners, links, content, attributes. Two names of one file have the same letter.
func listing(tb testing.TB, dir string) string {
	tb.Helper()
	var lines []string
	files := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		var line strings.Builder
		fmt.Fprintf(&line, "%s %06o %d:%d", name, st.Mode, st.Uid, st.Gid)
		if name != "." {
			fmt.Fprintf(&line, " @%d", st.Mtim.Sec)
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			to, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&line, " -> %s", to)
		case unix.S_IFREG:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&line, " %q", content)
			if st.Nlink > 1 {
				if files[st.Ino] == "" {
					files[st.Ino] = name
				}
				fmt.Fprintf(&line, " same as %s", files[st.Ino])
			}
		}
		for _, attr := range []string{"security.capability", "user.note", "trusted.overlay.opaque", "user.overlay.origin"} {
			value := make([]byte, 64)
			if n, err := unix.Lgetxattr(path, attr, value); err == nil {
				fmt.Fprintf(&line, " %s=%x", attr, value[:n])
			}
		}
		lines = append(lines, line.String())
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// testImage is a tree with all kinds of files at /srv/data.
func testImage(tb testing.TB) *os.File {
	tb.Helper()
	root := tb.TempDir()
	data := filepath.Join(root, "srv", "data")
	write(tb, filepath.Join(data, "one"), "first")
	write(tb, filepath.Join(data, "deep", "er", "two"), strings.Repeat("second", 100))
	write(tb, filepath.Join(data, "caps"), "")
	cap2 := []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	steps := []error{
		os.Link(filepath.Join(data, "one"), filepath.Join(data, "deep", "one-too")),
		os.Symlink("/etc/passwd", filepath.Join(data, "link")),
		os.Lchown(filepath.Join(data, "link"), 5, 6),
		unix.Mkfifo(filepath.Join(data, "fifo"), 0o640),
		unix.Mknod(filepath.Join(data, "device"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		os.Chown(filepath.Join(data, "one"), 1000, 1001),
		os.Chmod(filepath.Join(data, "one"), 0o751|os.ModeSetuid),
		os.Chmod(filepath.Join(data, "deep", "er"), 0o700|os.ModeSticky),
		unix.Setxattr(filepath.Join(data, "caps"), "security.capability", cap2, 0),
		unix.Setxattr(filepath.Join(data, "caps"), "user.note", []byte("hi"), 0),
		unix.Setxattr(filepath.Join(data, "deep"), "trusted.overlay.opaque", []byte("y"), 0),
		unix.Setxattr(filepath.Join(data, "deep"), "user.overlay.origin", []byte("y"), 0),
		os.Chown(data, 70, 71),
		os.Chmod(data, 0o750),
	}
	if err := errors.Join(steps...); err != nil {
		tb.Fatal(err)
	}
	err := filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		ts := []unix.Timespec{{Sec: 1e9}, {Sec: 1e9}}
		return errors.Join(err, unix.UtimesNanoAt(unix.AT_FDCWD, path, ts, unix.AT_SYMLINK_NOFOLLOW))
	})
	if err != nil {
		tb.Fatal(err)
	}
	return detach(tb, root)
}

// detach returns a mount of the folder that is attached nowhere, as the root of a container is.
func detach(tb testing.TB, dir string) *os.File {
	tb.Helper()
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	root := os.NewFile(uintptr(fd), dir)
	tb.Cleanup(func() {
		if err := root.Close(); err != nil {
			tb.Error(err)
		}
	})
	return root
}

const copiedListing = `. 040750 70:71
caps 100644 0:0 @1000000000 "" security.capability=0100000200040000000000000000000000000000 user.note=6869
deep 040755 0:0 @1000000000
deep/er 041700 0:0 @1000000000
deep/er/two 100644 0:0 @1000000000 %q
deep/one-too 104751 1000:1001 @1000000000 "first" same as deep/one-too
fifo 010640 0:0 @1000000000
link 120777 5:6 @1000000000 -> /etc/passwd
one 104751 1000:1001 @1000000000 "first" same as deep/one-too`

func wantListing() string { return fmt.Sprintf(copiedListing, strings.Repeat("second", 100)) }

func TestANewVolumeGetsWhatTheImageHas(t *testing.T) {
	requireRoot(t)
	root := testImage(t)
	v := create(t, testStore(t), engine.VolumeSpec{Name: "v"})
	for range 2 {
		if err := Populate(t.Context(), v, root, "/srv/data"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wantListing(), listing(t, v.Mountpoint)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

func TestAnEmptyFolderGivesItsOwnerAndMode(t *testing.T) {
	requireRoot(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "var", "lib", "pg")
	if err := errors.Join(os.MkdirAll(data, 0o700), os.Chown(data, 999, 999), os.Chmod(data, 0o777|os.ModeSticky)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/var/lib/pg", filepath.Join(dir, "pgdata")); err != nil {
		t.Fatal(err)
	}
	v := create(t, testStore(t), engine.VolumeSpec{Name: "v"})
	if err := Populate(t.Context(), v, detach(t, dir), "/pgdata"); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, v.Mountpoint); got != ". 041777 999:999" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsNoFolderInTheImageGivesNothing(t *testing.T) {
	requireRoot(t)
	root := testImage(t)
	outside := t.TempDir()
	write(t, filepath.Join(outside, "secret"), "x")
	if err := os.Symlink("../../.."+outside, filepath.Join(root.Name(), "out")); err != nil {
		t.Fatal(err)
	}
	v := create(t, testStore(t), engine.VolumeSpec{Name: "v"})
	for _, path := range []string{"/none", "/srv/data/one", "/srv/data/one/x", "/out", "../../" + outside} {
		if err := Populate(t.Context(), v, root, path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if got := listing(t, v.Mountpoint); got != ". 040755 0:0" {
			t.Errorf("%s: got %s", path, got)
		}
	}
}

func TestSomebodysDataIsLeftAlone(t *testing.T) {
	requireRoot(t)
	root := testImage(t)
	v := create(t, testStore(t), engine.VolumeSpec{Name: "v"})
	write(t, filepath.Join(v.Mountpoint, "mine"), "x")
	before := listing(t, v.Mountpoint)
	if err := Populate(t.Context(), v, root, "/srv/data"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, listing(t, v.Mountpoint)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestACopyThatWasInterruptedIsFinished(t *testing.T) {
	requireRoot(t)
	root := testImage(t)
	cases := map[string]func(t *testing.T, dir string){
		"while it copied": func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, copying, "one"), "fir")
			write(t, filepath.Join(dir, copying, "leftover", "x"), "")
		},
		"after it had copied": func(t *testing.T, dir string) {
			t.Helper()
			copyTo(t, root, dir)
		},
		"while it moved": func(t *testing.T, dir string) {
			t.Helper()
			copyTo(t, root, dir)
			for _, name := range []string{"one", "deep"} {
				if err := os.Rename(filepath.Join(dir, copied, name), filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
	for name, interrupt := range cases {
		t.Run(name, func(t *testing.T) {
			v := create(t, testStore(t), engine.VolumeSpec{Name: "v"})
			interrupt(t, v.Mountpoint)
			if err := Populate(t.Context(), v, root, "/srv/data"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wantListing(), listing(t, v.Mountpoint)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// copyTo does the first half of Populate.
func copyTo(t *testing.T, root *os.File, dir string) {
	t.Helper()
	to, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	from, err := openFolder(root, "/srv/data")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stage(t.Context(), to, from), to.Close(), from.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestACopyThatIsCalledOffLeavesTheVolumeEmpty(t *testing.T) {
	requireRoot(t)
	root := testImage(t)
	v := create(t, testStore(t), engine.VolumeSpec{Name: "v"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Populate(ctx, v, root, "/srv/data"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := listing(t, v.Mountpoint); got != ". 040755 0:0" {
		t.Errorf("got %s", got)
	}
}

func TestFilesOfAContainer(t *testing.T) {
	privateMounts(t)
	dir := filepath.Join(t.TempDir(), "files")
	f, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []engine.FileMount{
		{Kind: engine.FileSecret, Name: "key", Target: "/run/secrets/key", Content: []byte("s3cret"), UID: 5, GID: 6, Mode: 0o400},
		{Kind: engine.FileConfig, Name: "conf", Target: "/conf", Content: nil, Mode: 0o444},
	}
	var former *os.File
	for range 2 {
		paths, err := f.Write("id", list)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Stat_t
		var statfs unix.Statfs_t
		key := paths["/run/secrets/key"]
		if err := errors.Join(unix.Stat(key, &st), unix.Statfs(key, &statfs)); err != nil {
			t.Fatal(err)
		}
		if content, err := os.ReadFile(key); string(content) != "s3cret" || err != nil {
			t.Errorf("got %q, %v", content, err)
		}
		if st.Mode != unix.S_IFREG|0o400 || st.Uid != 5 || st.Gid != 6 || statfs.Type != unix.TMPFS_MAGIC {
			t.Errorf("got %+v on %x", st, statfs.Type)
		}
		if info, err := os.Stat(paths["/conf"]); err != nil || info.Mode() != 0o444 || info.Size() != 0 {
			t.Errorf("conf: %v, %v", info, err)
		}
		if former != nil {
			if info, err := former.Stat(); err != nil || info.Size() != 6 {
				t.Errorf("what is in use was changed: %v, %v", info, err)
			}
			continue
		}
		if former, err = os.Open(key); err != nil {
			t.Fatal(err)
		}
		defer former.Close() //nolint:errcheck // it is only read
	}
	if info, err := os.Stat(dir); err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again, err := OpenFiles(dir) // of the next engine
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Remove("id"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if there, err := isMountpoint(dir); there || err != nil {
		t.Errorf("still mounted: %v", err)
	}
}

func TestFilesOnTmpfsNeedNoMount(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "tiffin-test-") //nolint:usetesting // t.TempDir need not be on tmpfs
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	f, err := OpenFiles(filepath.Join(dir, "files"))
	if err != nil {
		t.Fatal(err)
	}
	if f.mounted {
		t.Error("a tmpfs was mounted on tmpfs")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkPopulate(b *testing.B) {
	requireRoot(b)
	image := b.TempDir()
	for i := range 1000 {
		write(b, filepath.Join(image, "data", fmt.Sprint(i%10), fmt.Sprint(i)), strings.Repeat("x", 4000))
	}
	root, s := detach(b, image), testStore(b)
	n := 0
	for b.Loop() {
		n++
		v := create(b, s, engine.VolumeSpec{Name: fmt.Sprintf("v%d", n)})
		if err := Populate(b.Context(), v, root, "/data"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(1000*n)/b.Elapsed().Seconds(), "files/s")
}
