package image

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine/image/layer"
)

// A build unpacks the layers that it stands on itself: it prepares a snapshot, has the applier fill it, and commits
// it under the layer's name. When that name is taken, it takes what is there. So for a layer that is unpacked
// already, the applier need not do anything; it has but to know what the folder is going to be.

// extractions are the folders that builds have prepared for layers. The zero value is ready.
type extractions struct {
	mu    sync.Mutex
	chain map[string]digest.Digest // by folder
}

func (e *extractions) note(dir string, chain digest.Digest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.chain == nil {
		e.chain = map[string]digest.Digest{}
	}
	e.chain[dir] = chain
}

func (e *extractions) take(dir string) (digest.Digest, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	chain, ok := e.chain[dir]
	delete(e.chain, dir)
	return chain, ok
}

// preparing are the snapshots as builds see them.
type preparing struct {
	snapshots.Snapshotter
	store *Store
}

// Prepare notes for which layer a snapshot is, where its key says so: "extract-ID CHAIN".
func (p *preparing) Prepare(ctx context.Context, key, parent string, opts ...snapshots.Opt) ([]mount.Mount, error) {
	if err := p.store.touch(); err != nil {
		return nil, err
	}
	mounts, err := p.Snapshotter.Prepare(ctx, key, parent, opts...)
	if err != nil {
		return nil, err
	}
	if _, chain, ok := strings.Cut(key, " "); ok && strings.HasPrefix(key, "extract-") {
		if dir, _, err := p.store.foldersOf(mounts); err == nil && checkDigest(digest.Digest(chain)) == nil {
			p.store.builds.note(dir, digest.Digest(chain))
		}
	}
	return mounts, nil
}

// unpacked tells whether the layer that a folder was prepared for is here already, under the name that the folder
// would get. What its blob holds is known from when that was unpacked.
func (s *Store) unpacked(ctx context.Context, d ocispec.Descriptor, dir string) (layer.Result, bool) {
	chain, ok := s.builds.take(dir)
	if !ok {
		return layer.Result{}, false
	}
	info, err := s.content.Info(ctx, d.Digest)
	if err != nil {
		return layer.Result{}, false
	}
	var got layer.Result
	if _, err := fmt.Sscanf(info.Labels[labelPlain], "%s %d", &got.DiffID, &got.Size); err != nil {
		return layer.Result{}, false
	}
	there, err := s.isCommitted(ctx, layerKey(chain))
	return got, err == nil && there
}

// labelPlain remembers what a blob holds.
func (s *Store) labelPlain(ctx context.Context, blob digest.Digest, got layer.Result) error {
	return s.label(ctx, blob, map[string]string{labelPlain: fmt.Sprintf("%s %d", got.DiffID, got.Size)})
}
