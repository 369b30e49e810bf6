package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/metadata/boltutil"
	"github.com/containerd/errdefs"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// lease keeps what is under way from the garbage collector.
type lease = leases.Lease

// leaseTime is how long what a failed pull has fetched is kept for another try.
const leaseTime = 24 * time.Hour

// lease puts all that is made, or found to be here, with the returned context under a new lease.
func (s *Store) lease(ctx context.Context) (lease, context.Context, error) {
	l, err := s.leases.Create(ctx, leases.WithRandomID(), leases.WithExpiration(leaseTime))
	if err != nil {
		return l, ctx, fmt.Errorf("lease: %w", err)
	}
	return l, leases.WithLease(ctx, l.ID), nil
}

// drop ends a lease.
func (s *Store) drop(ctx context.Context, l lease) error {
	err := s.leases.Delete(ctx, l)
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// publish writes the image's documents and then, in one transaction, the record of each name; only now is the
// image there. Without a name it is there by its ID.
func (s *Store) publish(ctx context.Context, l lease, b *bundle, names ...string) error {
	if err := s.writeDocuments(ctx, b); err != nil {
		return fmt.Errorf("write the image's documents: %w", err)
	}
	if len(names) == 0 {
		names = []string{dangling + b.target.Digest.String()}
	}
	err := s.meta.Update(func(tx *bolt.Tx) error {
		ctx := boltutil.WithTransaction(ctx, tx)
		for _, name := range names {
			if err := s.point(ctx, name, b.target); err != nil {
				return fmt.Errorf("name %s: %w", name, err)
			}
		}
		return errors.Join(s.mark(ctx, b.manifest), s.drop(ctx, l))
	})
	if err != nil {
		return err
	}
	s.syncLayers(ctx, b.manifest.Digest)
	return s.changed(ctx, b.target)
}

// changed reads the names again, and forgets what was known of targets.
func (s *Store) changed(ctx context.Context, targets ...ocispec.Descriptor) error {
	s.mu.Lock()
	for _, t := range targets {
		delete(s.local, t.Digest)
	}
	s.mu.Unlock()
	return s.readRecords(ctx)
}

// point makes a name point to target. An image that loses its last name by that stays, without one.
func (s *Store) point(ctx context.Context, name string, target ocispec.Descriptor) error {
	old, err := s.images.Get(ctx, name)
	switch {
	case errdefs.IsNotFound(err):
		if _, err := s.images.Create(ctx, images.Image{Name: name, Target: target}); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		// Also when it is the same: now it was looked at.
		if _, err := s.images.Update(ctx, images.Image{Name: name, Target: target}, "target"); err != nil {
			return err
		}
		if err := s.keepUnnamed(ctx, old.Target, nil); err != nil {
			return err
		}
	}
	if isDangling(name) {
		return nil
	}
	err = s.images.Delete(ctx, dangling+target.Digest.String())
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// keepUnnamed gives target a record of its own if it has no other.
func (s *Store) keepUnnamed(ctx context.Context, target ocispec.Descriptor, labels map[string]string) error {
	list, err := s.images.List(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(i images.Image) bool { return i.Target.Digest == target.Digest }) {
		return nil
	}
	_, err = s.images.Create(ctx, images.Image{Name: dangling + target.Digest.String(), Target: target, Labels: labels})
	return err
}

// writeDocuments writes config, manifest and index, each with labels that keep what it refers to.
func (s *Store) writeDocuments(ctx context.Context, b *bundle) error {
	config := map[string]string{}
	if n := len(b.variant.chains); n > 0 {
		config[labelRootfs] = b.variant.chains[n-1].String()
	}
	if err := s.writeDocument(ctx, bare(b.parts.Config), b.configB, config); err != nil {
		return err
	}
	manifest := map[string]string{"containerd.io/gc.ref.content.config": b.parts.Config.Digest.String()}
	for i, l := range b.parts.Layers {
		manifest[fmt.Sprintf("containerd.io/gc.ref.content.l.%d", i)] = l.Digest.String()
	}
	if err := s.writeDocument(ctx, bare(b.manifest), b.manifestB, manifest); err != nil {
		return err
	}
	if b.index == nil {
		return nil
	}
	// One label a platform, so that another one that is pulled later does not replace it.
	index := map[string]string{"containerd.io/gc.ref.content.m." + b.manifest.Digest.Encoded()[:12]: b.manifest.Digest.String()}
	return s.writeDocument(ctx, b.target, b.index, index)
}

func (s *Store) writeDocument(ctx context.Context, d ocispec.Descriptor, b []byte, labels map[string]string) error {
	ref := "document " + d.Digest.String()
	unlock, err := s.blobs.lock(ctx, d.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	if err := content.WriteBlob(ctx, s.content, ref, bytes.NewReader(b), d, content.WithLabels(labels)); err != nil {
		return err
	}
	info, err := s.content.Info(ctx, d.Digest)
	if err != nil {
		return err
	}
	var missing []string
	for key, value := range labels {
		if info.Labels[key] != value {
			missing = append(missing, "labels."+key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = s.content.Update(ctx, content.Info{Digest: d.Digest, Labels: maps.Clone(labels)}, missing...)
	return err
}

// GC removes what nothing refers to: blobs, layers, and what pulls left behind that nobody took up in time.
func (s *Store) GC(ctx context.Context) error {
	if _, err := s.meta.GarbageCollect(within(ctx)); err != nil {
		return errors.Join(errors.New("collect garbage"), err)
	}
	return nil
}
