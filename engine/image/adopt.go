package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
)

// Adopt makes an image of what a build has left in the store: its documents and layer blobs, which a lease of the
// build's holds until Adopt returns, and its root filesystem as a snapshot. tops has the key of that snapshot by the
// digest of the manifest; containers will stand on its folders, and nothing is copied. A manifest with layers that
// tops lacks is unpacked from its blobs. The image gets the names, or stays without one; who had one of them before
// loses it, as with a pull.
//
// Errors: engine.ErrInvalid for names, for documents that a pull would refuse too, and for what is not complete.
func (s *Store) Adopt(
	ctx context.Context, target ocispec.Descriptor, names []string, tops map[digest.Digest]string,
) (engine.Image, error) {
	var tags []string
	for _, n := range names {
		named, err := parseTag(n)
		if err != nil {
			return engine.Image{}, err
		}
		tags = append(tags, named.String())
	}
	// A lease of our own: the build's may end at any time.
	lease, ctx, err := s.lease(within(ctx))
	if err != nil {
		return engine.Image{}, err
	}
	variants, err := s.built(ctx, bare(target), tops)
	if err == nil {
		err = s.publish(ctx, lease, tags, variants...)
	}
	if errdefs.IsNotFound(err) && kindOf(err) == nil {
		err = engine.Problem(engine.ErrInvalid, err) // something that the documents list
	}
	if err != nil {
		err = errors.Join(err, s.drop(context.WithoutCancel(ctx), lease))
		return engine.Image{}, fmt.Errorf("take in the image that was built: %w", err)
	}
	return s.Resolve(ctx, target.Digest.String(), "")
}

// built reads and checks all that a build made, and puts it under the context's lease.
func (s *Store) built(ctx context.Context, target ocispec.Descriptor, tops map[digest.Digest]string) ([]*bundle, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	b, err := s.localDocument(ctx, target)
	if err != nil {
		return nil, err
	}
	whole := bundle{target: target, manifest: target}
	manifests := []ocispec.Descriptor{target}
	if images.IsIndexType(target.MediaType) {
		idx, err := parseIndex(b, target.MediaType)
		if err != nil {
			return nil, err
		}
		whole.index = b
		whole.beside = attestationsOf(idx)
		manifests = withoutAttestations(idx)
	}
	if err := s.holdBuild(ctx, target, manifests, tops); err != nil {
		return nil, err
	}
	var variants []*bundle
	for _, d := range manifests {
		v := whole
		v.manifest = bare(d)
		if err := s.builtVariant(ctx, &v, tops[d.Digest]); err != nil {
			return nil, err
		}
		variants = append(variants, &v)
	}
	if len(variants) == 0 {
		return nil, refuse("index", fmt.Errorf("%w: it lists none", errNoImage))
	}
	return variants, nil
}

// holdBuild puts the documents, with all that they keep, and the root filesystems under the context's lease. What of
// it is not here is found out when it is read.
func (s *Store) holdBuild(
	ctx context.Context, target ocispec.Descriptor, manifests []ocispec.Descriptor, tops map[digest.Digest]string,
) error {
	held := []leases.Resource{{ID: target.Digest.String(), Type: heldContent}}
	for _, d := range manifests {
		held = append(held, leases.Resource{ID: d.Digest.String(), Type: heldContent})
		if top := tops[d.Digest]; top != "" {
			held = append(held, leases.Resource{ID: top, Type: heldSnapshot})
		}
	}
	return s.hold(ctx, held...)
}

// builtVariant reads one image, whose root filesystem is the snapshot top.
func (s *Store) builtVariant(ctx context.Context, b *bundle, top string) error {
	if !images.IsManifestType(b.manifest.MediaType) {
		return refuse("index", fmt.Errorf("%w: it lists %q", errNoImage, b.manifest.MediaType))
	}
	if err := s.readBundle(ctx, b); err != nil {
		return err
	}
	if err := s.missing(ctx, b.parts); err != nil {
		return refuse("manifest", fmt.Errorf("it is not complete: %w", err))
	}
	if err := s.findRootfs(ctx, b); err != nil || b.top != "" {
		return err
	}
	if top == "" {
		return s.unpackHere(ctx, b, newLayerLines(func(engine.Progress) {}, "", b))
	}
	there, err := s.isCommitted(ctx, top)
	if err == nil && !there {
		err = engine.Problem(engine.ErrInvalid, fmt.Errorf("its snapshot %q is not here, or not committed", top))
	}
	b.top = top
	return err
}

// attestationsOf lists what of an index is no image.
func attestationsOf(idx ocispec.Index) []ocispec.Descriptor {
	return slices.DeleteFunc(slices.Clone(idx.Manifests), func(d ocispec.Descriptor) bool { return !isAttestation(d) })
}

// keepBeside puts what an index lists beside an image under the context's lease, and makes each keep what it consists of.
func (s *Store) keepBeside(ctx context.Context, list []ocispec.Descriptor) error {
	for _, d := range list {
		b, m, err := s.localManifest(ctx, d)
		if err != nil {
			return err
		}
		if err := s.writeDocument(ctx, bare(d), b, keepParts(m)); err != nil {
			return err
		}
		if err := s.missing(ctx, m); err != nil {
			return refuse("index", fmt.Errorf("what it lists is not complete: %w", err))
		}
	}
	return nil
}
