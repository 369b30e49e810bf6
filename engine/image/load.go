package image

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/image/layer"
)

// Load takes in the images of an archive as docker save and others write it: an OCI layout or docker's own, plain
// or compressed. It returns the names that they have, or the ID of one without a name.
//
// Errors: engine.ErrInvalid for what is no such archive.
func (s *Store) Load(ctx context.Context, r io.Reader, report engine.Report) ([]string, error) {
	return s.LoadFor(ctx, r, "", report)
}

// LoadFor is Load for one platform of several: nothing is kept for others; "" is all.
//
// Errors: engine.ErrNotFound, too, when an image of the archive has nothing for that platform.
func (s *Store) LoadFor(ctx context.Context, r io.Reader, platform string, report engine.Report) ([]string, error) {
	if report == nil {
		report = func(engine.Progress) {}
	}
	plain, err := layer.Decompress(r)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer func() { _ = plain.Close() }()
	lease, ctx, err := s.lease(within(ctx))
	if err != nil {
		return nil, err
	}
	names, err := s.load(ctx, plain, platform, report)
	// What was not part of an image goes again.
	kept := context.WithoutCancel(ctx)
	if err = errors.Join(err, s.drop(kept, lease), s.GC(kept)); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return names, nil
}

func (s *Store) load(ctx context.Context, r io.Reader, platform string, report engine.Report) ([]string, error) {
	in, err := s.intake(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	top, err := archive.ImportIndex(ctx, &loading{s.content, rand.Text()}, in)
	if errors.Is(err, layer.ErrNoSpace) {
		return nil, engine.Problem(engine.ErrUnavailable, err)
	}
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, err)
	}
	b, err := s.localDocument(ctx, top)
	if err != nil {
		return nil, err
	}
	idx, err := parseIndex(b, top.MediaType)
	if err != nil {
		return nil, err
	}
	named := map[string][]string{}
	var order []ocispec.Descriptor
	for _, d := range idx.Manifests {
		if !images.IsIndexType(d.MediaType) && (!images.IsManifestType(d.MediaType) || isAttestation(d)) {
			continue
		}
		key := d.Digest.String()
		if _, ok := named[key]; !ok {
			order = append(order, bare(d))
		}
		named[key] = append(named[key], nameIn(d)...)
	}
	var loaded []string
	for _, target := range order {
		names := named[target.Digest.String()]
		if target, err = s.only(ctx, target, platform); err != nil {
			return nil, err
		}
		if names, err = s.take(ctx, target, names, report); err != nil {
			return nil, err
		}
		loaded = append(loaded, names...)
	}
	if len(loaded) == 0 {
		return nil, engine.Problem(engine.ErrInvalid, errors.New("there is no image in the archive"))
	}
	return loaded, nil
}

// only is the manifest for one platform of what is in the content store; "" is all of it.
func (s *Store) only(ctx context.Context, target ocispec.Descriptor, platform string) (ocispec.Descriptor, error) {
	if platform == "" {
		return target, nil
	}
	want, err := parsePlatform(platform)
	if err != nil {
		return target, err
	}
	if images.IsIndexType(target.MediaType) {
		idx, err := s.localIndex(ctx, target)
		if err != nil {
			return target, err
		}
		idx.Manifests = slices.DeleteFunc(idx.Manifests, func(d ocispec.Descriptor) bool { return !s.isComplete(ctx, d) })
		d, err := choose(idx, want, target.Digest.String(), platform)
		return bare(d), err
	}
	b, err := s.localBundle(ctx, target)
	if err != nil {
		return target, err
	}
	if !want.Match(b.variant.platform) {
		return target, engine.Problem(engine.ErrNotFound, fmt.Errorf("image %q is not made for %s, only for %s", target.Digest, platform, b.variant.image.Platform))
	}
	return target, nil
}

// nameIn is the name that an archive gives an image. In OCI layouts of others, the annotation is often but a tag,
// which says nothing without a repository.
func nameIn(d ocispec.Descriptor) []string {
	name := d.Annotations[images.AnnotationImageName]
	if name == "" {
		name = d.Annotations[ocispec.AnnotationRefName]
		if named, err := reference.ParseNormalizedNamed(name); err != nil || reference.IsNameOnly(named) {
			return nil
		}
	}
	named, err := parseTag(name)
	if err != nil {
		return nil
	}
	return []string{named.String()}
}

// take makes an image of what an archive left in the content store.
func (s *Store) take(ctx context.Context, target ocispec.Descriptor, names []string, report engine.Report) ([]string, error) {
	b, err := s.localBundle(ctx, target)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	shown := make([]string, 0, len(names))
	for _, n := range names {
		shown = append(shown, familiar(n))
	}
	if len(names) == 0 {
		shown = []string{b.variant.image.ID}
	}
	lines := newLayerLines(report, "Image "+shown[0], b)
	if err := s.findRootfs(ctx, b); err != nil {
		return nil, err
	}
	if err := s.unpackHere(ctx, b, lines); err != nil {
		return nil, err
	}
	none, ctx, err := s.lease(ctx)
	if err != nil {
		return nil, err
	}
	return shown, s.publish(ctx, none, names, b)
}

// localBundle reads the documents of an image from the content store, for the host's platform if there is a choice. The
// images for others stay as they are, to be saved and pushed again.
func (s *Store) localBundle(ctx context.Context, target ocispec.Descriptor) (*bundle, error) {
	b := &bundle{target: target, manifest: target}
	var err error
	if images.IsIndexType(target.MediaType) {
		if b.index, err = s.localDocument(ctx, target); err != nil {
			return nil, err
		}
		idx, err := parseIndex(b.index, target.MediaType)
		if err != nil {
			return nil, err
		}
		idx.Manifests = slices.DeleteFunc(idx.Manifests, func(d ocispec.Descriptor) bool { return !s.isComplete(ctx, d) })
		if b.manifest, err = choose(idx, platforms.Default(), target.Digest.String(), platforms.DefaultString()); err != nil {
			return nil, err
		}
		b.beside = slices.DeleteFunc(idx.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == b.manifest.Digest })
	}
	return b, s.readBundle(ctx, b)
}

// readBundle reads a bundle's manifest and config from the content store.
func (s *Store) readBundle(ctx context.Context, b *bundle) (err error) {
	if b.manifestB, err = s.localDocument(ctx, b.manifest); err != nil {
		return err
	}
	if err := b.readManifest(); err != nil {
		return err
	}
	if b.configB, err = s.localDocument(ctx, b.parts.Config); err != nil {
		return err
	}
	return b.readConfig()
}

// isComplete tells whether a manifest is here with all that it lists.
func (s *Store) isComplete(ctx context.Context, d ocispec.Descriptor) bool {
	_, m, err := s.localManifest(ctx, d)
	return err == nil && s.missing(ctx, m) == nil
}

// localManifest reads from the content store what an index lists, an image's manifest or an attestation's.
func (s *Store) localManifest(ctx context.Context, d ocispec.Descriptor) ([]byte, ocispec.Manifest, error) {
	b, err := s.localDocument(ctx, d)
	if err != nil {
		return nil, ocispec.Manifest{}, err
	}
	read := parseManifest
	if isAttestation(d) {
		read = parseAttestation
	}
	m, err := read(b, d.MediaType)
	return b, m, err
}

// missing is the error of the first part of a manifest that is not here.
func (s *Store) missing(ctx context.Context, m ocispec.Manifest) error {
	for _, part := range partsOf(m) {
		if _, err := s.content.Info(ctx, part.Digest); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) localDocument(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if err := checkDocument(d); err != nil {
		return nil, engine.Problem(engine.ErrInvalid, err)
	}
	return content.ReadBlob(ctx, s.content, bare(d))
}

// loading is a content store in which each archive's files are written under references of their own: another
// archive has files of the same names.
type loading struct {
	content.Store
	prefix string
}

func (l *loading) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	var o content.WriterOpts
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return nil, err
		}
	}
	return l.Store.Writer(ctx, append(opts, content.WithRef(l.prefix+" "+o.Ref))...)
}

// intake is what comes from a caller: it ends with ctx, and before it fills the disk.
type intake struct {
	ctx   context.Context //nolint:containedctx // a reader has no other way to know
	r     io.Reader
	space *layer.Space
	n     int64
}

func (s *Store) intake(ctx context.Context, r io.Reader) (*intake, error) {
	space, err := s.limits.Reserve.Watch(s.root)
	return &intake{ctx: ctx, r: r, space: space}, err
}

func (i *intake) Close() error { return i.space.Close() }

func (i *intake) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	if err := i.space.Use(i.n); err != nil {
		return 0, err
	}
	n, err := i.r.Read(p)
	i.n += int64(n)
	return n, err
}
