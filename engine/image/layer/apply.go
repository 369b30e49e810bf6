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
	// Plain says that the blob is a tar, whatever it begins like; otherwise what it begins like counts.
	Plain bool
}

func (s Source) open() (io.ReadCloser, error) {
	if s.Plain {
		return io.NopCloser(s.Blob), nil
	}
	return Decompress(s.Blob)
}

// Result is what was unpacked.
type Result struct {
	// DiffID is the digest of the uncompressed stream.
	DiffID digest.Digest
	// Size is the length of the uncompressed stream in bytes.
	Size int64
	// Implied are folders that entries lie in, but that the layer says nothing about, parents first: see Inherit.
	Implied []string
}

// Apply unpacks src into the folder dir, with whiteouts in overlayfs' form; dir/.. must be as private as dir. What
// it made is of no use when it fails, or when the DiffID is not the expected one. It needs CAP_SYS_CHROOT and,
// for opaque folders, CAP_SYS_ADMIN.
//
// Errors: ErrRefused for a layer that is over a limit or not well-formed, ErrNoSpace when it would use the reserve.
func Apply(ctx context.Context, src Source, dir string, limits Limits) (Result, error) {
	space, err := limits.Reserve.Watch(dir)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = space.Close() }()
	plain, err := src.open()
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = plain.Close() }()
	ahead := readAhead(plain)
	defer ahead.Close()

	hash := digest.Canonical.Digester()
	g := newGuard(limits, src.Size, space)
	counted := &meter{r: io.TeeReader(ahead, hash.Hash()), seen: g.stream}
	err = confined(filepath.Dir(dir), func() error {
		_, err := archive.Apply(ctx, filepath.Join("/", filepath.Base(dir)), counted,
			archive.WithFilter(g.entry), archive.WithConvertWhiteout(archive.OverlayConvertWhiteout))
		return err
	})
	if err == nil {
		// The archive may end before the stream does; the digest covers all of it.
		_, err = io.Copy(io.Discard, counted)
	}
	if err != nil {
		return Result{}, fmt.Errorf("unpack the layer: %w", blame(err))
	}
	return Result{DiffID: hash.Digest(), Size: counted.n, Implied: g.folders.implied()}, nil
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
