package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine/image/registry"
)

// errDigest is the kind of what arrived complete, but is not what was asked for.
var errDigest = errors.New("the registry sent something else")

const (
	// tries is how often a layer is asked for again without a byte more having come.
	tries     = 5
	firstWait = 200 * time.Millisecond
)

// fetchDocument reads a small blob from the registry into memory, and verifies it.
func (p *pull) fetchDocument(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	rc, err := p.fetcher.Fetch(ctx, bare(d))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rc.Close() }()
	b, err := io.ReadAll(io.LimitReader(rc, d.Size+1))
	if errdefs.IsFailedPrecondition(err) {
		return nil, fmt.Errorf("%w: more than the %d bytes of %s", errDigest, d.Size, d.Digest)
	}
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != d.Size || d.Digest.Algorithm().FromBytes(b) != d.Digest {
		return nil, fmt.Errorf("%w: %d bytes that are not %s", errDigest, len(b), d.Digest)
	}
	return b, nil
}

// fetchLayer brings a layer's blob here, verified. What has come of it before is used.
func (p *pull) fetchLayer(ctx context.Context, d ocispec.Descriptor, line *layerLine) error {
	unlock, err := p.store.blobs.lock(ctx, d.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	m := &metered{Fetcher: p.fetcher, line: line}
	damaged := false
	for n := 0; ; {
		before := m.most
		err := remotes.Fetch(ctx, p.store.content, m, d)
		switch {
		case err == nil, errdefs.IsAlreadyExists(err):
			line.say(textDownloaded)
			return nil
		case errdefs.IsFailedPrecondition(err) && !damaged:
			damaged = true
			if err := p.discard(ctx, d); err != nil {
				return err
			}
			line.say(textAgain)
			continue
		case errdefs.IsFailedPrecondition(err):
			return errors.Join(fmt.Errorf("%w, twice, for the layer %s: %w", errDigest, d.Digest, err), p.discard(ctx, d))
		case !registry.Temporary(err):
			return err
		}
		if n++; m.most > before {
			n = 1
		}
		if n > tries {
			return err
		}
		line.say(textAgain)
		if err := wait(ctx, firstWait<<(n-1)); err != nil {
			return err
		}
	}
}

// discard removes what has come of a blob.
func (p *pull) discard(ctx context.Context, d ocispec.Descriptor) error {
	err := p.store.content.Abort(ctx, remotes.MakeRefKey(ctx, d))
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// metered reports what a fetcher's readers read.
type metered struct {
	remotes.Fetcher
	line *layerLine
	most int64 // how far any of them has come
}

func (m *metered) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	rc, err := m.Fetcher.Fetch(ctx, d)
	if err != nil {
		return nil, err
	}
	return &meteredReader{ReadCloser: rc, m: m}, nil
}

// meteredReader is a seeker as the fetcher's reader is: that is how a download goes on where it was cut off.
type meteredReader struct {
	io.ReadCloser
	m  *metered
	at int64
}

func (r *meteredReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.at += int64(n)
	r.m.most = max(r.m.most, r.at)
	if n > 0 {
		r.m.line.bytes(textDownloading, r.at)
	}
	if err == nil && r.at == r.m.line.total {
		r.m.line.say(textVerifying)
	}
	return n, err
}

func (r *meteredReader) Seek(offset int64, whence int) (int64, error) {
	s, ok := r.ReadCloser.(io.Seeker)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	at, err := s.Seek(offset, whence)
	r.at = at
	return at, err
}
