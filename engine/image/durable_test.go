package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine/image/layer"
)

func marks(t *testing.T, s *Store) []string {
	t.Helper()
	list, err := s.leases.List(within(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range list {
		ids = append(ids, l.ID)
	}
	return ids
}

func TestAfterAPowerCutLayersAreUnpackedAgain(t *testing.T) {
	r := newShelf(t)
	r.push(t, "old:v1", img{layers: []map[string]string{{"base": "base"}}})
	target := r.push(t, "app:v1", img{layers: []map[string]string{{"base": "base"}, {"a": "a"}, {"b": "b"}}})
	root := t.TempDir()
	s := open(t, root)
	for _, n := range []string{"/old:v1", "/app:v1"} {
		if _, err := s.Pull(t.Context(), r.host()+n, PullOptions{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	s.syncs.Wait()
	if left := marks(t, s); left != nil {
		t.Errorf("marks are left: %v", left)
	}
	i, err := s.Resolve(t.Context(), r.host()+"/app:v1", "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Rootfs(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	// As if the files of the layers had not been written when the power went.
	for n, name := range []string{"b", "a"} {
		if err := os.Truncate(filepath.Join(l.Lower[n], name), 0); err != nil {
			t.Fatal(err)
		}
	}
	ctx, boot := within(t.Context()), s.boot
	s.boot = "another"
	if err := s.mark(ctx, target); err != nil {
		t.Fatal(err)
	}
	s.boot = boot
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, root)
	if d := cmp.Diff(map[string]string{"base": "base", "a": "a", "b": "b"}, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
	s.syncs.Wait()
	if left := marks(t, s); left != nil {
		t.Errorf("marks are left: %v", left)
	}

	t.Run("a mark of an image that was removed goes", func(t *testing.T) {
		if err := s.mark(ctx, target); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Remove(t.Context(), r.host()+"/app:v1", RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.leases.Create(ctx, leases.WithID(markPrefix+"sha256:"+strings.Repeat("0", 64)), leases.WithLabels(map[string]string{
			labelBoot: "another", labelSize: "7", labelType: target.MediaType,
		})); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, root)
		s.syncs.Wait()
		if left := marks(t, s); left != nil {
			t.Errorf("marks are left: %v", left)
		}
	})
}

// A folder is made before it is recorded, and its name is the next number: one that an engine left behind which was
// killed in between must not be in the way.
func TestAFolderThatWasNeverRecordedIsNotInTheWay(t *testing.T) {
	r := newShelf(t)
	r.push(t, "old:v1", img{layers: []map[string]string{{"base": "base"}}})
	r.push(t, "app:v1", img{layers: []map[string]string{{"base": "base"}, {"a": "a"}}})
	for first, recorded := range map[int]bool{1: false, 2: true} {
		s := open(t, t.TempDir())
		if recorded {
			if _, err := s.Pull(t.Context(), r.host()+"/old:v1", PullOptions{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			dir := filepath.Join(s.layersRoot(), "snapshots", strconv.Itoa(n+first))
			if err := os.MkdirAll(filepath.Join(dir, "fs", "half"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		s = open(t, s.root)
		for name, want := range map[string]map[string]string{"/old:v1": {"base": "base"}, "/app:v1": {"base": "base", "a": "a"}} {
			i, err := s.Pull(t.Context(), r.host()+name, PullOptions{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, files(t, s, i.ID)); d != "" {
				t.Errorf("%s: want -, got +\n%s", name, d)
			}
		}
	}
}

// TestAFullDisk runs itself in a mount namespace of its own, on a disk of a few megabytes.
func TestAFullDisk(t *testing.T) {
	needRoot(t)
	const inside = "TIFFIN_TEST_DISK"
	if os.Getenv(inside) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAFullDisk$")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=120m"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(root, unix.MNT_DETACH) }()
	// The reserve is more than what is written between two looks at the disk. Without it the records find no
	// room either, for taking back what did not fit.
	s, err := Open(t.Context(), Config{Root: root, Reserve: layer.Reserve{Bytes: 70 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r := newShelf(t)
	// It compresses well: the blob fits, what it holds does not.
	r.push(t, "bomb:v1", img{layers: []map[string]string{{"zeros": string(make([]byte, 90<<20))}}})
	r.push(t, "app:v1", img{layers: []map[string]string{{"a": "a"}}})
	_, err = s.Pull(t.Context(), r.host()+"/bomb:v1", PullOptions{}, nil)
	if err == nil || !strings.Contains(err.Error(), "space") {
		t.Errorf("got %v", err)
	}
	if blobs, layers := left(t, s); blobs+layers > 0 {
		t.Errorf("%d blobs and %d layers are left", blobs, layers)
	}
	if _, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
