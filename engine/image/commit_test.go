package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// writes is a layer of files.
func writes(t *testing.T, files map[string]string) func(io.Writer) error {
	t.Helper()
	plain := tarOf(t, files)
	return func(w io.Writer) error {
		_, err := w.Write(plain)
		return err
	}
}

// documents reads an image's manifest and config.
func documents(t *testing.T, s *Store, i engine.Image) (ocispec.Manifest, configFile) {
	t.Helper()
	m, err := s.byID(t.Context(), i.ID)
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{target: m.record.target, manifest: m.record.target}
	if err := s.readBundle(within(t.Context()), b); err != nil {
		t.Fatal(err)
	}
	return b.parts, b.config
}

func TestCommit(t *testing.T) {
	r, s, base := pulled(t)
	before := lower(t, s, base.ID)
	config := engine.ImageConfig{Cmd: []string{"x"}, Labels: map[string]string{"l": "1"}, Expose: []string{"80/tcp"}}
	a := &Addition{Base: base.ID, Config: config, CreatedBy: "sleep 1", Author: "me", Comment: "why"}
	i, err := s.Commit(t.Context(), "mine/app", a, writes(t, map[string]string{".wh.a": "", "new": "new"}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a": "a", "b": "b", "new": "new"} // files does not heed that a is gone
	if d := cmp.Diff(want, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
	now := lower(t, s, i.ID)
	if d := cmp.Diff(before, now[1:]); d != "" {
		t.Errorf("it does not stand on the image's layers: %s", d)
	}
	if st, err := os.Lstat(filepath.Join(now[0], "a")); err != nil || st.Mode().Type() != os.ModeDevice|os.ModeCharDevice {
		t.Errorf("a is not gone: %v %v", st, err)
	}
	if d := cmp.Diff([]string{"mine/app:latest"}, i.Names); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(config, i.Config); d != "" {
		t.Error(d)
	}
	_, c := documents(t, s, i)
	last := c.History[len(c.History)-1]
	if c.Author != "me" || last.Author != "me" || last.Comment != "why" || last.CreatedBy != "sleep 1" || last.EmptyLayer || time.Since(*c.Created) > time.Hour {
		t.Errorf("%+v", c)
	}
	if left := marks(t, s); len(left) > 1 { // that of the image, until its layers are on the disk
		t.Errorf("leases are left: %v", left)
	}
	// Alone it is whole: saved and loaded, with the image below gone.
	if _, err := s.Remove(t.Context(), r.host()+"/app:v1", RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	to := open(t, t.TempDir())
	if _, err := to.Load(t.Context(), bytes.NewReader(save(t, s, "mine/app")), nil); err != nil {
		t.Fatal(err)
	}
	for _, store := range []*Store{s, to} {
		if d := cmp.Diff(want, files(t, store, i.ID)); d != "" {
			t.Error(d)
		}
	}
}

// The layers of a build are snapshots with keys of its own; they are not unpacked once more.
func TestCommitOnWhatWasBuilt(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	s := open(t, root)
	b := newBuild(t, s)
	base := b.adopt(b.image(img{layers: []map[string]string{{"dir/a": "a"}, {"b": "b"}}}), "built")
	b.end()
	before := lower(t, s, base.ID)
	if err := os.Chmod(filepath.Join(before[1], "dir"), 0o711); err != nil {
		t.Fatal(err)
	}
	_, layers := left(t, s)
	i, err := s.Commit(t.Context(), "", &Addition{Base: base.ID}, writes(t, map[string]string{"dir/new": "new"}))
	if err != nil {
		t.Fatal(err)
	}
	now := lower(t, s, i.ID)
	if d := cmp.Diff(before, now[1:]); d != "" {
		t.Errorf("it does not stand on the build's layers: %s", d)
	}
	if _, n := left(t, s); n != layers+1 {
		t.Errorf("%d layers were unpacked", n-layers)
	}
	if st, err := os.Stat(filepath.Join(now[0], "dir")); err != nil || st.Mode().Perm() != 0o711 {
		t.Errorf("a folder that the layer says nothing about: %v %v", st, err)
	}
	want := map[string]string{"dir/a": "a", "b": "b", "dir/new": "new"}

	t.Run("after a power cut it is unpacked from its blobs", func(t *testing.T) {
		m, err := s.byID(t.Context(), i.ID)
		if err != nil {
			t.Fatal(err)
		}
		s.syncs.Wait()
		if err := errors.Join(os.Truncate(filepath.Join(now[0], "dir/new"), 0), os.Truncate(filepath.Join(now[2], "dir/a"), 0)); err != nil {
			t.Fatal(err)
		}
		boot := s.boot
		s.boot = "another"
		if err := s.mark(within(t.Context()), m.record.target); err != nil {
			t.Fatal(err)
		}
		s.boot = boot
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, root)
		if d := cmp.Diff(want, files(t, s, i.ID)); d != "" {
			t.Error(d)
		}
	})
}

// Docker's manifests have other words for layers than those of OCI, which must not be mixed.
func TestCommitSpeaksOCI(t *testing.T) {
	r := newShelf(t)
	m := r.manifest(t, r.make(t, img{layers: []map[string]string{{"a": "a"}}}))
	m.MediaType = images.MediaTypeDockerSchema2Manifest
	m.Config.MediaType, m.Layers[0].MediaType = images.MediaTypeDockerSchema2Config, images.MediaTypeDockerSchema2LayerGzip
	r.tag("app:v1", r.putJSON(t, m.MediaType, m))
	s := open(t, t.TempDir())
	base, err := s.Pull(t.Context(), r.host()+"/app:v1", PullOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, err := s.Commit(t.Context(), "", &Addition{Base: base.ID}, writes(t, map[string]string{"b": "b"}))
	if err != nil {
		t.Fatal(err)
	}
	parts, _ := documents(t, s, i)
	types := []string{parts.MediaType, parts.Config.MediaType, parts.Layers[0].MediaType, parts.Layers[1].MediaType}
	want := []string{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageLayerGzip, ocispec.MediaTypeImageLayer}
	if d := cmp.Diff(want, types); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"a": "a", "b": "b"}, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
}

func TestCommitOfAnEmptyLayer(t *testing.T) {
	_, s, base := pulled(t)
	i, err := s.Commit(t.Context(), "", &Addition{Base: base.ID}, writes(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	parts, c := documents(t, s, i)
	if len(parts.Layers) != 2 || len(c.RootFS.DiffIDs) != 2 || !c.History[len(c.History)-1].EmptyLayer || i.ID == base.ID {
		t.Errorf("%+v %+v", parts, c)
	}
	if d := cmp.Diff(map[string]string{"a": "a", "b": "b"}, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
}

// An image of a further platform lies beside it in the index; what stands on the one has nothing of the index.
func TestCommitOnOneOfAnIndex(t *testing.T) {
	r := newShelf(t)
	r.index(t, "multi:v1", r.make(t, img{layers: []map[string]string{{"arch": "amd64"}}}), r.make(t, img{arch: "arm64", layers: []map[string]string{{"arch": "arm64"}}}))
	s := open(t, t.TempDir())
	base, err := s.Pull(t.Context(), r.host()+"/multi:v1", PullOptions{Platform: "linux/arm64"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, err := s.Commit(t.Context(), "", &Addition{Base: base.ID}, writes(t, map[string]string{"b": "b"}))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"arch": "arm64", "b": "b"}, files(t, s, i.ID)); d != "" || i.Platform != "linux/arm64" {
		t.Errorf("%s %s", i.Platform, d)
	}
}

// What goes wrong leaves nothing behind, and the name where it was.
func TestCommitThatFails(t *testing.T) {
	_, s, base := pulled(t)
	if err := s.Tag(t.Context(), base.ID, "mine"); err != nil {
		t.Fatal(err)
	}
	s.syncs.Wait()
	blobs, layers := left(t, s)
	broken := errors.New("broken")
	plain := tarOf(t, map[string]string{"a": "a"})
	ctx, cancel := context.WithCancelCause(t.Context())
	for name, c := range map[string]struct {
		ctx   context.Context //nolint:containedctx // one call's
		id    string
		write func(io.Writer) error
		want  error
	}{
		"the writer, at once":      {t.Context(), base.ID, func(io.Writer) error { return broken }, broken},
		"the writer, midway":       {t.Context(), base.ID, func(w io.Writer) error { _, err := w.Write(plain[:700]); return errors.Join(err, broken) }, broken},
		"the writer, when all was": {t.Context(), base.ID, func(w io.Writer) error { _, err := w.Write(plain); return errors.Join(err, broken) }, broken},
		"the caller goes away": {ctx, base.ID, func(w io.Writer) error {
			_, err := w.Write(plain[:700])
			cancel(broken)
			for err == nil {
				_, err = w.Write(plain)
			}
			return err
		}, context.Canceled},
		"no tar":                    {t.Context(), base.ID, func(w io.Writer) error { _, err := w.Write(bytes.Repeat([]byte("x"), 4096)); return err }, engine.ErrInvalid},
		"an image that is not here": {t.Context(), "sha256:" + string(bytes.Repeat([]byte("0"), 64)), writes(t, nil), engine.ErrNotFound},
	} {
		if _, err := s.Commit(c.ctx, "mine", &Addition{Base: c.id}, c.write); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if b, l := left(t, s); b != blobs || l != layers {
			t.Errorf("%s: %d blobs and %d layers more", name, b-blobs, l-layers)
		}
		if left := marks(t, s); left != nil {
			t.Errorf("%s: leases are left: %v", name, left)
		}
		if i, err := s.Resolve(t.Context(), "mine", ""); err != nil || i.ID != base.ID {
			t.Errorf("%s: the name: %v %v", name, i.ID, err)
		}
	}
	if _, err := s.Commit(t.Context(), "UPPER", &Addition{Base: base.ID}, writes(t, nil)); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a name that is none: %v", err)
	}
}

// The image below is removed while the layer is written: it stays until the new one stands on it.
func TestCommitHoldsItsBase(t *testing.T) {
	r, s, base := pulled(t)
	layer := writes(t, map[string]string{"new": "new"})
	i, err := s.Commit(t.Context(), "", &Addition{Base: base.ID}, func(w io.Writer) error {
		_, err := s.Remove(t.Context(), r.host()+"/app:v1", RemoveOptions{Force: true})
		return errors.Join(err, s.GC(t.Context()), layer(w))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"a": "a", "b": "b", "new": "new"}, files(t, s, i.ID)); d != "" {
		t.Error(d)
	}
	parts, _ := documents(t, s, i)
	for _, d := range parts.Layers {
		if b, err := content.ReadBlob(within(t.Context()), s.content, d); err != nil || int64(len(b)) != d.Size {
			t.Errorf("%s: %v", d.Digest, err)
		}
	}
}
