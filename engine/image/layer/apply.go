package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/opencontainers/go-digest"
)

// Source is the blob of a layer, whose own digest has been verified.
type Source struct {
	Blob io.Reader
	// Size is the length of the blob as it is stored, in bytes.
	Size int64
}

// Target is where a layer goes. Dir and Parents are relative to Base, which holds nothing but layers.
type Target struct {
	Base string
	Dir  string
	// Parents are the layers below, top first: a folder that the layer leaves out has their owner and mode.
	Parents []string
}

// Result is what was unpacked.
type Result struct {
	// DiffID is the digest of the uncompressed stream.
	DiffID digest.Digest
	// Size is the length of the uncompressed stream in bytes.
	Size int64
}

// Apply unpacks src into dst, with whiteouts in overlayfs' form. What it made is of no use when it fails, or when
// the DiffID is not the expected one. It needs CAP_SYS_ADMIN.
//
// Errors: ErrRefused for a layer that is over a limit or not well-formed, ErrNoSpace when it would use the reserve.
func Apply(ctx context.Context, src Source, dst Target, limits Limits) (Result, error) {
	space, err := limits.Reserve.Watch(filepath.Join(dst.Base, dst.Dir))
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = space.Close() }()
	plain, err := Decompress(src.Blob)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = plain.Close() }()
	ahead := readAhead(plain)
	defer ahead.Close()

	hash := digest.Canonical.Digester()
	g := &guard{limits: limits, compressed: src.Size, space: space}
	counted := &meter{r: io.TeeReader(ahead, hash.Hash()), seen: g.stream}
	err = confined(dst.Base, dst.Dir, func() error {
		return unpack(ctx, counted, g, dst)
	})
	if err == nil {
		// The archive may end before the stream does; the digest covers all of it.
		_, err = io.Copy(io.Discard, counted)
	}
	if err != nil {
		return Result{}, fmt.Errorf("unpack the layer: %w", blame(err))
	}
	return Result{DiffID: hash.Digest(), Size: counted.n}, nil
}

// blame gives an error its kind: what neither the host nor the caller did is the layer's fault.
func blame(err error) error {
	var host syscall.Errno
	if errors.As(err, &host) || errors.Is(err, ErrNoSpace) || errors.Is(err, ErrRefused) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

// unpack runs where Base is the root.
func unpack(ctx context.Context, r io.Reader, g *guard, dst Target) error {
	parents := make([]string, len(dst.Parents))
	for i, p := range dst.Parents {
		parents[i] = filepath.Join("/", p)
	}
	_, err := archive.Apply(ctx, filepath.Join("/", dst.Dir), r,
		archive.WithFilter(g.entry),
		archive.WithConvertWhiteout(archive.OverlayConvertWhiteout),
		archive.WithParents(parents))
	return err
}

// meter counts what is read, and lets seen end the reading.
type meter struct {
	r    io.Reader
	n    int64
	seen func(total int64) error
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	if err == nil {
		err = m.seen(m.n)
	}
	return n, err
}
