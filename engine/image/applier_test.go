package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	containerd "github.com/containerd/containerd/v2/core/diff/apply"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// packed is a tar of entries; a regular file has its name for content.
func packed(t *testing.T, entries ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range entries {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(h.Name))
		}
		h.Format = tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(h.Name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree is a folder as text, a line for each file.
func tree(t *testing.T, root string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st, _ := info.Sys().(*syscall.Stat_t)
		rel, _ := filepath.Rel(root, path)
		line := fmt.Sprintf("%s %s %d:%d links=%d rdev=%d", info.Mode(), rel, st.Uid, st.Gid, st.Nlink, st.Rdev)
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %q %s", b, info.ModTime().UTC())
		case info.Mode()&fs.ModeSymlink != 0:
			to, _ := os.Readlink(path)
			line += " -> " + to
		}
		buf := make([]byte, 1024)
		if n, err := unix.Llistxattr(path, buf); err == nil {
			line += fmt.Sprintf(" %q", buf[:n])
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// active prepares a snapshot on a parent, and returns its folder too.
func (b *build) active(parent string) ([]mount.Mount, string) {
	b.Helper()
	mounts, err := b.store.snapshots.Prepare(b.ctx, "active "+rand.Text(), parent)
	b.must(err)
	dir, _, err := b.store.foldersOf(mounts)
	b.must(err)
	return mounts, dir
}

// below is a layer with folders that others leave out.
func (b *build) below() string {
	b.Helper()
	key := b.snapshot("", map[string]string{"tmp/old": "old", "etc/gone": "gone", "opt/hidden": "hidden"})
	b.must(os.Chmod(filepath.Join(b.dirs[key], "tmp"), fs.ModeSticky|0o777))
	b.must(os.Chown(filepath.Join(b.dirs[key], "etc"), 7, 8))
	return key
}

var when = time.Date(2020, 2, 2, 2, 2, 2, 0, time.UTC)

var ordinary = []tar.Header{
	{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: when},
	{Name: "bin/sh", Typeflag: tar.TypeReg, Mode: 0o4755, ModTime: when, Uid: 1, Gid: 2},
	{Name: "bin/ash", Typeflag: tar.TypeLink, Linkname: "bin/sh", Mode: 0o755},
	{Name: "bin/link", Typeflag: tar.TypeSymlink, Linkname: "../etc/x", Mode: 0o777},
	{Name: "tmp/new", Typeflag: tar.TypeReg, Mode: 0o600, ModTime: when},
	{Name: "etc/.wh.gone", Typeflag: tar.TypeReg, Mode: 0o600},
	{Name: "opt/.wh..wh..opq", Typeflag: tar.TypeReg, Mode: 0o600},
	{Name: "run/fifo", Typeflag: tar.TypeFifo, Mode: 0o644, ModTime: when},
	{Name: "file", Typeflag: tar.TypeReg, Mode: 0o644, ModTime: when, PAXRecords: map[string]string{"SCHILY.xattr.user.note": "n"}},
}

func TestTheApplierMakesWhatContainerdsMakes(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	// In a first layer there is nothing to white out: theirs looks for it, ours notes it.
	first := slices.DeleteFunc(slices.Clone(ordinary), func(h tar.Header) bool { return strings.Contains(h.Name, ".wh.") })
	theirs := containerd.NewFileSystemApplier(s.content)
	ours := s.Backing().Applier
	for on, c := range map[string]struct {
		parent string
		plain  []byte
	}{"an empty root": {"", packed(t, first...)}, "another layer": {b.below(), packed(t, ordinary...)}} {
		for mediaType, data := range map[string][]byte{
			ocispec.MediaTypeImageLayer: c.plain, ocispec.MediaTypeImageLayerGzip: gzipped(t, c.plain),
			ocispec.MediaTypeImageLayerZstd: z.EncodeAll(c.plain, nil), images.MediaTypeDockerSchema2LayerGzip: gzipped(t, c.plain),
		} {
			t.Run(mediaType+" on "+on, func(t *testing.T) {
				d := b.blob(mediaType, data)
				want, wantDir := b.applied(theirs, d, c.parent)
				var told []int64
				got, gotDir := b.applied(ours, d, c.parent,
					diff.WithSyncFs(true), diff.WithProgress(func(_ ocispec.Descriptor, n int64) { told = append(told, n) }))
				if d := cmp.Diff(want, got); d != "" || got.Digest != digest.FromBytes(c.plain) {
					t.Error(d, got)
				}
				if d := cmp.Diff(tree(t, wantDir), tree(t, gotDir)); d != "" {
					t.Error(d)
				}
				if len(told) < 2 || told[0] != 0 || told[len(told)-1] != d.Size || !slices.IsSorted(told) {
					t.Errorf("it told of %v of %d", told, d.Size)
				}
			})
		}
	}
}

func (b *build) applied(a diff.Applier, d ocispec.Descriptor, parent string, opts ...diff.ApplyOpt) (ocispec.Descriptor, string) {
	b.Helper()
	mounts, dir := b.active(parent)
	got, err := a.Apply(b.ctx, d, mounts, opts...)
	b.must(err)
	return got, dir
}

func TestTheApplierHasTheGuardsOfAPull(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	a := s.Backing().Applier
	d := b.blob(ocispec.MediaTypeImageLayerGzip, gzipped(t, packed(t,
		tar.Header{Name: "disk", Typeflag: tar.TypeBlock, Devmajor: 8, Mode: 0o666},
		tar.Header{Name: "white", Typeflag: tar.TypeChar, Mode: 0o666},
		tar.Header{Name: "etc/f", Typeflag: tar.TypeReg, Mode: 0o644, ModTime: when, PAXRecords: map[string]string{
			"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.user.note": "n",
		}},
	)))
	_, dir := b.applied(a, d, b.below())
	got := tree(t, dir)
	for what, want := range map[string]bool{"disk": false, "white": false, "trusted": false, "user.note": true, " etc 7:8 ": true} {
		if strings.Contains(got, what) != want {
			t.Errorf("%q is %v in %s", what, !want, got)
		}
	}
	t.Run("a layer that is refused", func(t *testing.T) {
		mounts, _ := b.active("")
		d := b.blob(ocispec.MediaTypeImageLayer, packed(t, tar.Header{Name: "f", Typeflag: tar.TypeReg, Uid: 1 << 31}))
		if _, err := a.Apply(b.ctx, d, mounts); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a bomb", func(t *testing.T) {
		old := s.limits
		defer func() { s.limits = old }()
		s.limits.Expanded = 1 << 20
		mounts, _ := b.active("")
		d := b.blob(ocispec.MediaTypeImageLayerGzip, gzipped(t, tarOf(t, map[string]string{"zeros": string(make([]byte, 2<<20))})))
		if _, err := a.Apply(b.ctx, d, mounts); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what is compressed, and says that it is not", func(t *testing.T) {
		mounts, _ := b.active("")
		d := b.blob(ocispec.MediaTypeImageLayer, gzipped(t, packed(t, ordinary...)))
		if _, err := a.Apply(b.ctx, d, mounts); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what is no layer", func(t *testing.T) {
		mounts, _ := b.active("")
		if _, err := a.Apply(b.ctx, b.blob("application/vnd.in-toto+json", []byte("{}")), mounts); !errdefs.IsNotImplemented(err) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a blob that is not here", func(t *testing.T) {
		mounts, _ := b.active("")
		gone := describeBytes(ocispec.MediaTypeImageLayer, []byte("gone"))
		if _, err := a.Apply(context.WithoutCancel(t.Context()), gone, mounts); !errdefs.IsNotFound(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheApplierWritesToLayersOnly(t *testing.T) {
	s := open(t, t.TempDir())
	b := newBuild(t, s)
	d := b.blob(ocispec.MediaTypeImageLayer, packed(t, ordinary...))
	if _, err := content.ReadBlob(b.ctx, s.content, d); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "fs")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	_, dir := b.active("")
	rw := []string{"rw", "rbind"}
	for name, mounts := range map[string][]mount.Mount{
		"none":                     nil,
		"two":                      {{Type: "bind", Source: dir, Options: rw}, {Type: "bind", Source: dir, Options: rw}},
		"a bind that is read only": {{Type: "bind", Source: dir, Options: []string{"ro", "rbind"}}},
		"an overlay that is":       {{Type: "overlay", Options: []string{"lowerdir=" + dir + ":" + dir}}},
		"another kind":             {{Type: "tmpfs", Source: dir}},
		"a folder elsewhere":       {{Type: "bind", Source: outside, Options: rw}},
		"a layer's parent":         {{Type: "bind", Source: filepath.Dir(dir), Options: rw}},
		"a path that climbs":       {{Type: "bind", Source: s.layersRoot() + "/snapshots/../fs", Options: rw}},
		"the layers' own folder":   {{Type: "bind", Source: s.layersRoot() + "/snapshots/fs", Options: rw}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Backing().Applier.Apply(b.ctx, d, mounts); err == nil {
				t.Error("it was applied")
			}
		})
	}
	for _, d := range []string{outside, dir} {
		if list, err := os.ReadDir(d); err != nil || len(list) > 0 {
			t.Errorf("%s: %v %v", d, list, err)
		}
	}
}
