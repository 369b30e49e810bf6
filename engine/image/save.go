package image

import (
	"context"
	"fmt"
	"io"

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
	ctx = within(ctx)
	opts := []archive.ExportOpt{archive.WithPlatform(imagesFirst{platforms.Default()})}
	for _, ref := range refs {
		m, err := s.find(ctx, ref, "")
		if err != nil {
			return err
		}
		target, err := s.saved(ctx, m)
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

// saved is what is written of an image: its index if all of it is here, otherwise the one manifest.
func (s *Store) saved(ctx context.Context, m match) (ocispec.Descriptor, error) {
	if !images.IsIndexType(m.record.target.MediaType) {
		return m.record.target, nil
	}
	b, err := s.localDocument(ctx, m.record.target)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	idx, err := parseIndex(b, m.record.target.MediaType)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	complete := true
	var manifest ocispec.Descriptor
	for _, d := range idx.Manifests {
		if d.Digest == m.variant.manifest {
			manifest = bare(d)
		}
		complete = complete && s.isComplete(ctx, d)
	}
	if complete {
		return m.record.target, nil
	}
	return manifest, nil
}
