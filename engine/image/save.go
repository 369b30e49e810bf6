package image

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Save writes images to an archive that docker load and Load read: an OCI layout with docker's manifest.json. An
// image that is saved by name keeps the name.
//
// Errors: engine.ErrNotFound.
func (s *Store) Save(ctx context.Context, w io.Writer, refs []string) error {
	return s.SaveFor(ctx, w, refs, "")
}

// SaveFor is Save for one platform of several; "" is all.
func (s *Store) SaveFor(ctx context.Context, w io.Writer, refs []string, platform string) error {
	ctx = within(ctx)
	opts := []archive.ExportOpt{archive.WithPlatform(imagesFirst{platforms.Default()})}
	for _, ref := range refs {
		m, err := s.find(ctx, ref, "")
		if err != nil {
			return err
		}
		target, err := s.savedFor(ctx, m, platform)
		if err != nil {
			return err
		}
		var names []string
		if !m.byID && !isDigestName(m.record.name) {
			names = []string{m.record.name}
		}
		opts = append(opts, archive.WithManifest(target, names...))
	}
	if err := archive.Export(ctx, s.content, w, opts...); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// imagesFirst suits every platform; the first of an index is the one that docker's manifest.json names.
type imagesFirst struct{ host platforms.MatchComparer }

func (imagesFirst) Match(ocispec.Platform) bool { return true }

func (f imagesFirst) Less(a, b ocispec.Platform) bool {
	if unknown := a.OS == "unknown"; unknown != (b.OS == "unknown") {
		return !unknown
	}
	return f.host.Less(a, b)
}

// SentFor is what a push sends of an image, for one platform or, with "", for all.
//
// Errors: engine.ErrNotFound when it is not here for that platform.
func (s *Store) SentFor(ctx context.Context, ref, platform string) (ocispec.Descriptor, error) {
	ctx = within(ctx)
	m, err := s.find(ctx, ref, "")
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return s.savedFor(ctx, m, platform)
}

// savedFor is saved, or the manifest for one platform. That need not be unpacked.
func (s *Store) savedFor(ctx context.Context, m match, platform string) (ocispec.Descriptor, error) {
	if platform == "" {
		return s.saved(ctx, m)
	}
	return s.only(ctx, m.record.target, platform)
}

// saved is what is written of an image: its index if all of it is here, otherwise the one manifest.
func (s *Store) saved(ctx context.Context, m match) (ocispec.Descriptor, error) {
	if !images.IsIndexType(m.record.target.MediaType) {
		return m.record.target, nil
	}
	idx, err := s.localIndex(ctx, m.record.target)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if !slices.ContainsFunc(idx.Manifests, func(d ocispec.Descriptor) bool { return !s.isComplete(ctx, d) }) {
		return m.record.target, nil
	}
	return s.manifestOf(ctx, m)
}

// manifestOf is the manifest of the one variant that was found.
func (s *Store) manifestOf(ctx context.Context, m match) (ocispec.Descriptor, error) {
	if !images.IsIndexType(m.record.target.MediaType) {
		return m.record.target, nil
	}
	idx, err := s.localIndex(ctx, m.record.target)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	for _, d := range idx.Manifests {
		if d.Digest == m.variant.manifest {
			return bare(d), nil
		}
	}
	return ocispec.Descriptor{}, refuse("index", fmt.Errorf("it does not list %s any more", m.variant.manifest))
}

func (s *Store) localIndex(ctx context.Context, d ocispec.Descriptor) (ocispec.Index, error) {
	b, err := s.localDocument(ctx, d)
	if err != nil {
		return ocispec.Index{}, err
	}
	return parseIndex(b, d.MediaType)
}
