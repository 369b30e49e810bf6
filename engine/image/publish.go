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
	"github.com/opencontainers/go-digest"
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
// image there. Without a name it is there by its ID. The variants have one target.
func (s *Store) publish(ctx context.Context, l lease, names []string, variants ...*bundle) error {
	target := variants[0].target
	for _, b := range variants {
		if err := s.writeDocuments(ctx, b); err != nil {
			return fmt.Errorf("write the image's documents: %w", err)
		}
	}
	if err := s.keepBeside(ctx, variants[0].beside); err != nil {
		return fmt.Errorf("keep what is beside the image: %w", err)
	}
	if len(names) == 0 {
		names = []string{dangling + target.Digest.String()}
	}
	err := s.meta.Update(func(tx *bolt.Tx) error {
		ctx := boltutil.WithTransaction(ctx, tx)
		for _, name := range names {
			if err := s.point(ctx, name, target); err != nil {
				return fmt.Errorf("name %s: %w", name, err)
			}
		}
		for _, b := range variants {
			if err := s.mark(ctx, b.manifest); err != nil {
				return err
			}
		}
		return s.drop(ctx, l)
	})
	if err != nil {
		return err
	}
	manifests := make([]digest.Digest, 0, len(variants))
	for _, b := range variants {
		manifests = append(manifests, b.manifest.Digest)
	}
	s.syncLayers(ctx, manifests...)
	return s.changed(ctx, target)
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
	if err := s.writeConfig(ctx, b); err != nil {
		return err
	}
	if err := s.writeDocument(ctx, bare(b.manifest), b.manifestB, keepParts(b.parts)); err != nil {
		return err
	}
	if b.index == nil {
		return nil
	}
	// One label a platform, so that another one that is pulled later does not replace it.
	index := map[string]string{}
	for _, d := range append([]ocispec.Descriptor{b.manifest}, b.beside...) {
		index[labelContent+"m."+d.Digest.Encoded()[:12]] = d.Digest.String()
	}
	return s.writeDocument(ctx, b.target, b.index, index)
}

// keepParts are the labels by which a manifest keeps what it consists of.
func keepParts(m ocispec.Manifest) map[string]string {
	labels := map[string]string{labelContent + "config": m.Config.Digest.String()}
	for i, l := range m.Layers {
		labels[fmt.Sprintf("%sl.%d", labelContent, i)] = l.Digest.String()
	}
	return labels
}

// writeConfig writes the config, and says which snapshot has its root filesystem; unless that is said, and true: the
// image may have come by another way meanwhile.
func (s *Store) writeConfig(ctx context.Context, b *bundle) error {
	d := bare(b.parts.Config)
	unlock, err := s.blobs.lock(ctx, d.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.putDocument(ctx, d, b.configB, nil); err != nil {
		return err
	}
	top, err := s.rootfsOf(ctx, d.Digest)
	if err != nil || top != "" || b.rootfs() == "" {
		return err
	}
	return s.label(ctx, d.Digest, map[string]string{labelRootfs: b.rootfs()})
}

func (s *Store) writeDocument(ctx context.Context, d ocispec.Descriptor, b []byte, labels map[string]string) error {
	unlock, err := s.blobs.lock(ctx, d.Digest.String())
	if err != nil {
		return err
	}
	defer unlock()
	return s.putDocument(ctx, d, b, labels)
}

// putDocument is writeDocument for a caller who has the digest's lock.
func (s *Store) putDocument(ctx context.Context, d ocispec.Descriptor, b []byte, labels map[string]string) error {
	ref := "document " + d.Digest.String()
	if err := content.WriteBlob(ctx, s.content, ref, bytes.NewReader(b), d, content.WithLabels(labels)); err != nil {
		return err
	}
	return s.label(ctx, d.Digest, labels)
}

// label gives a blob the labels that it has not.
func (s *Store) label(ctx context.Context, d digest.Digest, labels map[string]string) error {
	info, err := s.content.Info(ctx, d)
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
	_, err = s.content.Update(ctx, content.Info{Digest: d, Labels: maps.Clone(labels)}, missing...)
	return err
}

// GC removes what nothing refers to: blobs, layers, and what pulls left behind that nobody took up in time.
func (s *Store) GC(ctx context.Context) error {
	if _, err := s.meta.GarbageCollect(within(ctx)); err != nil {
		return errors.Join(errors.New("collect garbage"), err)
	}
	return nil
}
