package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/image/layer"
)

// applier unpacks layers into snapshots that others have prepared. It does what a pull does, and nothing is mounted
// for it: what an overlay's upper folder lacks is known from its lower ones.
type applier struct{ store *Store }

// Apply unpacks the layer's blob, which is in the content store, into the folder that the mounts of an active
// snapshot write to. It returns the descriptor of the uncompressed layer; whether that is the promised one is the
// caller's to compare, before the snapshot is committed.
//
// Errors: engine.ErrInvalid for a layer that is refused, ErrUnavailable for a full disk.
func (a *applier) Apply(
	ctx context.Context, desc ocispec.Descriptor, mounts []mount.Mount, opts ...diff.ApplyOpt,
) (ocispec.Descriptor, error) {
	ctx = within(ctx)
	var config diff.ApplyConfig
	for _, o := range opts {
		if err := o(ctx, desc, &config); err != nil {
			return ocispec.Descriptor{}, err
		}
	}
	got, err := a.apply(ctx, desc, mounts, config)
	if err != nil {
		return ocispec.Descriptor{}, explainLayer(fmt.Errorf("layer %s: %w", desc.Digest, err))
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: got.DiffID, Size: got.Size}, nil
}

func (a *applier) apply(
	ctx context.Context, desc ocispec.Descriptor, mounts []mount.Mount, config diff.ApplyConfig,
) (layer.Result, error) {
	compression, err := images.DiffCompression(ctx, desc.MediaType)
	if err != nil {
		return layer.Result{}, err
	}
	if err := checkDescriptor(desc); err != nil {
		return layer.Result{}, engine.Problem(engine.ErrInvalid, err)
	}
	dir, below, err := a.store.foldersOf(mounts)
	if err != nil {
		return layer.Result{}, err
	}
	if got, ok := a.store.unpacked(ctx, desc, dir); ok {
		return got, nil
	}
	if err := a.store.slots.Acquire(ctx, 1); err != nil {
		return layer.Result{}, err
	}
	defer a.store.slots.Release(1)
	blob, err := a.store.content.ReaderAt(ctx, desc)
	if err != nil {
		return layer.Result{}, err
	}
	defer func() { _ = blob.Close() }()
	src := layer.Source{Blob: content.NewReader(blob), Size: blob.Size(), Plain: compression == ""}
	if config.Progress != nil {
		src.Blob = &progressing{r: src.Blob, tell: config.Progress}
	}
	got, err := layer.Apply(ctx, src, dir, a.store.limits)
	if err != nil {
		return got, err
	}
	if err := layer.Inherit(dir, below, got.Implied); err != nil {
		return got, err
	}
	if err := a.store.labelPlain(ctx, desc.Digest, got); err != nil {
		return got, err
	}
	if config.Progress != nil {
		config.Progress(blob.Size())
	}
	if config.SyncFs {
		return got, syncDisk(dir)
	}
	return got, nil
}

// foldersOf finds in the mounts of an active snapshot the folder of its own, and those of the layers below it, top
// first. It must be one of ours: its parent becomes the root of a thread.
func (s *Store) foldersOf(mounts []mount.Mount) (dir string, below []string, err error) {
	if len(mounts) != 1 {
		return "", nil, fmt.Errorf("%d mounts: %w", len(mounts), errdefs.ErrNotImplemented)
	}
	switch m := mounts[0]; m.Type {
	case "bind":
		dir = m.Source
	case "overlay":
		for _, o := range m.Options {
			if upper, ok := strings.CutPrefix(o, "upperdir="); ok {
				dir = upper
			} else if lower, ok := strings.CutPrefix(o, "lowerdir="); ok {
				below = strings.Split(lower, ":")
			}
		}
	default:
		return "", nil, fmt.Errorf("a mount of type %q: %w", m.Type, errdefs.ErrNotImplemented)
	}
	if mounts[0].ReadOnly() || dir == "" {
		return "", nil, fmt.Errorf("a snapshot that cannot be written: %w", errdefs.ErrFailedPrecondition)
	}
	all, id, name := splitFolder(dir)
	if all != filepath.Join(s.layersRoot(), "snapshots") || id == ".." || name != "fs" {
		return "", nil, fmt.Errorf("%s is no layer's folder: %w", dir, errdefs.ErrInvalidArgument)
	}
	return dir, below, nil
}

// splitFolder takes a layer's folder apart: the folder of all of them, its number, and its name in there.
func splitFolder(dir string) (all, id, name string) {
	one := filepath.Dir(dir)
	return filepath.Dir(one), filepath.Base(one), filepath.Base(dir)
}

// explainLayer gives the error of a layer its kind.
func explainLayer(err error) error {
	switch {
	case kindOf(err) != nil:
		return err
	case errors.Is(err, layer.ErrRefused):
		return engine.Problem(engine.ErrInvalid, err)
	case errors.Is(err, layer.ErrNoSpace), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return engine.Hint(engine.Problem(engine.ErrUnavailable, err), "free some space, for example with: tiffin rmi")
	default:
		return err
	}
}

// progressing tells how many bytes of a blob have been read.
type progressing struct {
	r    io.Reader
	tell func(int64)
	n    int64
}

func (p *progressing) Read(b []byte) (int, error) {
	p.tell(p.n)
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}
