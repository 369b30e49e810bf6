package image

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image/layer"
	"tiffin/engine/image/registry"
)

// PullOptions say what to pull of an image, and as whom.
type PullOptions struct {
	// Platform is os/arch[/variant]; "" is the host's own.
	Platform string
	// Auth finds the credentials for a registry by its name in images; nil: none.
	Auth func(registry string) (call.RegistryAuth, error)
}

// downloads is how many layers of one image come at once.
const downloads = 4

// Pull fetches the image that ref names from its registry, unpacks it and gives it the name. Callers who want the
// same at the same time share one pull; it ends when each of them has given up. What was fetched by then is used
// by the next one.
//
// Errors: engine.ErrNotFound, ErrDenied, ErrUnavailable, ErrInvalid; with hints.
func (s *Store) Pull(ctx context.Context, ref string, o PullOptions, report engine.Report) (engine.Image, error) {
	named, err := parseName(ref)
	if err != nil {
		return engine.Image{}, err
	}
	want, err := parsePlatform(o.Platform)
	if err != nil {
		return engine.Image{}, err
	}
	if report == nil {
		report = func(engine.Progress) {}
	}
	p := &pull{
		store: s, ref: ref, named: named, platform: o.Platform, want: want,
		remote: s.registry.Resolver(o.Auth), line: "Image " + ref,
	}
	return s.pulls.do(ctx, named.String()+" "+o.Platform, report, p.run)
}

// pull is one image on its way here.
type pull struct {
	store    *Store
	ref      string // as the user wrote it
	named    reference.Named
	platform string
	want     platforms.MatchComparer
	remote   remotes.Resolver
	line     string // of progress

	fetcher remotes.Fetcher
	report  engine.Report
}

func (p *pull) run(ctx context.Context, report engine.Report) (engine.Image, error) {
	p.report = report
	report(engine.Progress{ID: p.line, Status: engine.Working, Text: "Pulling"})
	image, err := p.pull(within(ctx))
	if err != nil {
		report(engine.Progress{ID: p.line, Status: engine.Failed, Text: "Error", Details: err.Error()})
		return engine.Image{}, err
	}
	report(engine.Progress{ID: p.line, Status: engine.Done, Text: "Pulled"})
	return image, nil
}

func (p *pull) pull(ctx context.Context) (engine.Image, error) {
	target, err := p.resolve(ctx)
	if err != nil {
		return engine.Image{}, p.explain(err)
	}
	lease, ctx, err := p.store.lease(ctx)
	if err != nil {
		return engine.Image{}, err
	}
	b, err := p.bundle(ctx, target)
	if err == nil {
		err = p.layers(ctx, b)
	}
	if err != nil {
		return engine.Image{}, p.failed(ctx, lease, err)
	}
	if err := p.store.publish(ctx, lease, []string{p.named.String()}, b); err != nil {
		return engine.Image{}, p.failed(ctx, lease, err)
	}
	m, err := p.store.find(ctx, p.named.String(), p.platform)
	if err != nil {
		return engine.Image{}, err
	}
	return p.store.describe(m), nil
}

// resolve asks the registry what the name points to.
func (p *pull) resolve(ctx context.Context) (ocispec.Descriptor, error) {
	name, target, err := p.remote.Resolve(ctx, p.named.String())
	if err != nil {
		return target, err
	}
	if err := checkTarget(target); err != nil {
		return target, err
	}
	p.fetcher, err = p.remote.Fetcher(ctx, name)
	return bare(target), err
}

// bundle is all that an image consists of, for one platform.
type bundle struct {
	target    ocispec.Descriptor
	index     []byte // when the target is one
	manifest  ocispec.Descriptor
	manifestB []byte
	beside    []ocispec.Descriptor // attestations, and images for others, that the index keeps
	parts     ocispec.Manifest
	config    configFile
	configB   []byte
	variant   *variant
	// top is the snapshot that has the root filesystem, where that is known before anything is unpacked.
	top string
	// again says that the folders of its layers are not to be trusted, and are made anew.
	again bool
}

// rootfs is the snapshot that has the root filesystem; "" for an image without layers.
func (b *bundle) rootfs() string {
	if n := len(b.variant.chains); b.top == "" && n > 0 {
		return layerKey(b.variant.chains[n-1])
	}
	return b.top
}

// bundle fetches the documents of the image and checks them.
func (p *pull) bundle(ctx context.Context, target ocispec.Descriptor) (*bundle, error) {
	b := &bundle{target: target, manifest: target}
	var err error
	if images.IsIndexType(target.MediaType) {
		if b.index, err = p.document(ctx, target); err != nil {
			return nil, err
		}
		idx, err := parseIndex(b.index, target.MediaType)
		if err != nil {
			return nil, err
		}
		if b.manifest, err = choose(idx, p.want, p.ref, p.wanted()); err != nil {
			return nil, err
		}
	}
	if b.manifestB, err = p.document(ctx, b.manifest); err != nil {
		return nil, err
	}
	if err := b.readManifest(); err != nil {
		return nil, err
	}
	if b.configB, err = p.document(ctx, bare(b.parts.Config)); err != nil {
		return nil, err
	}
	if err := b.readConfig(); err != nil {
		return nil, err
	}
	if p.platform != "" && !p.want.Match(b.variant.platform) {
		return nil, engine.Problem(engine.ErrNotFound,
			fmt.Errorf("image %q is not made for %s, only for %s", p.ref, p.platform, b.variant.image.Platform))
	}
	return b, nil
}

func (b *bundle) readManifest() (err error) {
	b.parts, err = parseManifest(b.manifestB, b.manifest.MediaType)
	return err
}

func (b *bundle) readConfig() (err error) {
	if b.config, err = parseConfig(b.configB, len(b.parts.Layers)); err != nil {
		return err
	}
	b.variant = newVariant(b.manifest.Digest, b.parts, b.config)
	return nil
}

func (p *pull) wanted() string {
	if p.platform != "" {
		return p.platform
	}
	return platforms.DefaultString()
}

// document reads an index, a manifest or a config, from here or from the registry.
func (p *pull) document(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if b, err := content.ReadBlob(ctx, p.store.content, bare(d)); err == nil {
		return b, nil
	}
	b, err := p.fetchDocument(ctx, d)
	if errors.Is(err, errDigest) || registry.Temporary(err) {
		b, err = p.fetchDocument(ctx, d) // once more: it may have been damaged on the way
	}
	return b, err
}

// layers fetches the layers, several at a time, and unpacks each as soon as it is here.
func (p *pull) layers(ctx context.Context, b *bundle) error {
	lines := newLayerLines(p.report, p.line, b)
	if err := p.store.findRootfs(ctx, b); err != nil {
		return err
	}
	if err := p.store.tellHere(ctx, b, lines); err != nil {
		return err
	}
	if err := p.store.room(ctx, b.parts.Layers); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(downloads + 1)
	come := make([]chan struct{}, len(b.parts.Layers))
	fetched := make([]<-chan struct{}, len(come))
	for i := range come {
		come[i] = make(chan struct{})
		fetched[i] = come[i]
	}
	g.Go(func() error {
		return p.store.unpackAll(ctx, b, lines, fetched)
	})
	for i, d := range b.parts.Layers {
		g.Go(func() error {
			if err := p.fetchLayer(ctx, d, lines[i]); err != nil {
				return err
			}
			close(come[i])
			return nil
		})
	}
	return g.Wait()
}

// room makes sure that the blobs that are not here yet fit on the disk.
func (s *Store) room(ctx context.Context, layers []ocispec.Descriptor) error {
	need := int64(0)
	seen := map[digest.Digest]bool{}
	for _, d := range layers {
		if _, err := s.content.Info(ctx, d.Digest); err == nil || seen[d.Digest] {
			continue
		}
		seen[d.Digest] = true
		if d.Size > math.MaxInt64-need {
			return refuse("manifest", fmt.Errorf("its layers have more than %d bytes", int64(math.MaxInt64)))
		}
		need += d.Size
	}
	return s.limits.Reserve.Check(s.root, need)
}

// failed says what became of the pull. When the disk is full, what was fetched is given back at once; otherwise
// the lease keeps it for the next try.
func (p *pull) failed(ctx context.Context, lease lease, err error) error {
	if errors.Is(err, layer.ErrNoSpace) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(engine.Problem(engine.ErrUnavailable, fmt.Errorf("pull %q: %w", p.ref, err)),
			p.store.drop(ctx, lease), p.store.GC(ctx))
		return engine.Hint(err, "free some space, for example with: tiffin rmi")
	}
	return p.explain(err)
}

func (p *pull) explain(err error) error {
	if kindOf(err) != nil {
		return err
	}
	if errors.Is(err, errDigest) || errors.Is(err, layer.ErrRefused) {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("pull %q: %w", p.ref, err))
	}
	return registry.Pull.Explain(p.ref, reference.Domain(p.named), err)
}

// kindOf is the kind of an error that has been explained already.
func kindOf(err error) error {
	for _, kind := range engine.Kinds() {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return nil
}
