package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

func rootOf(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func archiveOf(t *testing.T, entries ...tar.Header) io.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		h.Mode = 0o755
		if h.Typeflag == tar.TypeReg {
			h.Size = 4
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			_, _ = w.Write([]byte("evil"))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// Whatever a stream says, and whatever links there are, nothing outside of the root is read or written.
func TestNothingLeadsOut(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]tar.Header{
		"a name with dots":          {{Typeflag: tar.TypeReg, Name: "../../outside/victim"}},
		"a link of the stream":      {{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "OUT"}, {Typeflag: tar.TypeReg, Name: "l/victim"}},
		"a link with dots":          {{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../../outside"}, {Typeflag: tar.TypeReg, Name: "l/victim"}},
		"a link that was there":     {{Typeflag: tar.TypeReg, Name: "there/victim"}},
		"a folder over that link":   {{Typeflag: tar.TypeDir, Name: "there"}, {Typeflag: tar.TypeReg, Name: "there/victim"}},
		"a hard link to outside":    {{Typeflag: tar.TypeLink, Name: "h", Linkname: "../../outside/victim"}, {Typeflag: tar.TypeReg, Name: "h"}},
		"a hard link through links": {{Typeflag: tar.TypeLink, Name: "h", Linkname: "there/victim"}},
		"a file over a link":        {{Typeflag: tar.TypeReg, Name: "victim"}},
	} {
		for _, follow := range []bool{false, true} {
			base := t.TempDir()
			outside, root := filepath.Join(base, "outside"), filepath.Join(base, "root")
			victim := filepath.Join(outside, "victim")
			err := errors.Join(os.Mkdir(outside, 0o700), os.MkdirAll(filepath.Join(root, "to"), 0o700),
				os.WriteFile(victim, []byte("mine"), 0o600), os.Symlink(outside, filepath.Join(root, "to/there")),
				os.Symlink(victim, filepath.Join(root, "to/victim")))
			if err != nil {
				t.Fatal(err)
			}
			for i := range entries {
				entries[i].Linkname = strings.ReplaceAll(entries[i].Linkname, "OUT", outside)
			}
			got := Unpack(t.Context(), archiveOf(t, entries...), rootOf(t, root), "/to", UnpackOptions{FollowParents: follow})
			text, err := os.ReadFile(victim)
			var st unix.Stat_t
			if err := unix.Stat(victim, &st); err != nil || st.Nlink != 1 || st.Mode&0o777 != 0o600 {
				t.Errorf("%s: the file outside was touched: %v %o", name, err, st.Mode)
			}
			if err != nil || string(text) != "mine" {
				t.Errorf("%s: the file outside is %q %v (%v)", name, text, err, got)
			}
			if left, _ := os.ReadDir(outside); len(left) != 1 {
				t.Errorf("%s: %v was made outside", name, left)
			}
		}
	}
}

// A folder on the way is exchanged for a link to the outside all the time (CVE-2018-15664).
func TestAParentThatIsExchanged(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	outside, root := filepath.Join(base, "outside"), filepath.Join(base, "root")
	dir, link := filepath.Join(root, "dir"), filepath.Join(root, "link")
	if err := errors.Join(os.Mkdir(outside, 0o700), os.MkdirAll(dir, 0o700), os.Symlink(outside, link),
		os.WriteFile(filepath.Join(outside, "f"), []byte("secret"), 0o600), os.WriteFile(filepath.Join(dir, "f"), []byte("inside"), 0o600)); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
			}
		}
	}()
	for range 2000 {
		var out bytes.Buffer
		_ = Pack(t.Context(), &out, rootOf(t, root), "/dir/f", PackOptions{Name: "f"})
		_ = Unpack(t.Context(), archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "dir/g"}), rootOf(t, root), "/", UnpackOptions{FollowParents: true})
		if strings.Contains(out.String(), "secret") {
			t.Fatal("a file outside was read")
		}
	}
	close(stop)
	<-done
	if left, _ := os.ReadDir(outside); len(left) != 1 {
		t.Errorf("made outside: %v", left)
	}
}

func TestThereAndBack(t *testing.T) {
	t.Parallel()
	from, to := t.TempDir(), t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(from, "d/e"), 0o700), os.WriteFile(filepath.Join(from, "d/f"), []byte("text"), 0o640),
		os.Link(filepath.Join(from, "d/f"), filepath.Join(from, "d/g")), os.Symlink("f", filepath.Join(from, "d/l")),
		unix.Mkfifo(filepath.Join(from, "d/p"), 0o600), os.Chmod(filepath.Join(from, "d/e"), 0o500)); err != nil {
		t.Fatal(err)
	}
	pack := func(dir, name string) string {
		var b bytes.Buffer
		if err := Pack(t.Context(), &b, rootOf(t, dir), name, PackOptions{Name: "d"}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := pack(from, "/d")
	for range 2 { // over itself, too
		if err := Unpack(t.Context(), strings.NewReader(want), rootOf(t, to), "/", UnpackOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := pack(to, "/d"); got != want {
		t.Error("what was unpacked is packed otherwise")
	}
	err := Unpack(t.Context(), archiveOf(t, tar.Header{Typeflag: tar.TypeReg, Name: "d"}), rootOf(t, to), "/", UnpackOptions{})
	if !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a file over a folder: %v", err)
	}
}
