package artifact

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/distribution/reference"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/image/registry"
)

// maxChildren bounds the manifests of an index, and the blobs of a manifest.
const maxChildren = 1000

// Resolve asks the registry of an image for its digest.
//
// Errors: as for images.
func (r Registry) Resolve(ctx context.Context, image string) (digest string, err error) {
	found, err := r.image(ctx, image)
	if err != nil {
		return "", err
	}
	return found.target.Digest.String(), nil
}

// image is one in its registry.
type image struct {
	ref     string
	named   reference.Named
	target  ocispec.Descriptor
	fetcher remotes.Fetcher
}

func (r Registry) image(ctx context.Context, ref string) (*image, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid image name %q: %w", ref, err))
	}
	client, err := registry.New(registry.Config{Insecure: r.Insecure})
	if err != nil {
		return nil, err
	}
	out := &image{ref: ref, named: named}
	resolver := client.Resolver(r.Auth)
	name, target, err := resolver.Resolve(ctx, named.String())
	if err == nil {
		out.target = target
		out.fetcher, err = resolver.Fetcher(ctx, name)
	}
	if err != nil {
		return nil, out.explain(err)
	}
	return out, nil
}

func (i *image) explain(err error) error {
	return registry.Pull.Explain(i.ref, reference.Domain(i.named), err)
}

// PushImages puts copies of images, for all platforms, beside a project, and an index of them that refers to it.
//
// Errors: as for images.
func (r Registry) PushImages(ctx context.Context, project *Pushed, refs []string, annotations map[string]string) error {
	client, err := registry.New(registry.Config{Insecure: r.Insecure})
	if err != nil {
		return err
	}
	domain := reference.Domain(project.named)
	resolver := client.Pusher(r.Auth)
	to, err := resolver.Pusher(ctx, project.named.Name()) // without a tag: each thing goes by its digest
	if err != nil {
		return registry.Push.Explain(project.named.String(), domain, err)
	}
	subject := project.target
	subject.ArtifactType = TypeProject
	index := ocispec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, ArtifactType: TypeProject,
		Manifests: []ocispec.Descriptor{}, Subject: &subject, Annotations: annotations,
	}
	for _, ref := range refs {
		from, err := r.image(ctx, ref)
		if err != nil {
			return err
		}
		if err := from.copyTo(ctx, to, from.target); err != nil {
			return registry.Push.Explain(project.named.String(), domain, fmt.Errorf("copy image %s: %w", ref, err))
		}
		index.Manifests = append(index.Manifests, from.target)
	}
	text, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("write the index of images: %w", err)
	}
	return registry.Push.Explain(project.named.String(), domain, send(ctx, to, Document{MediaType: index.MediaType, Content: text}))
}

// copyTo copies a thing after what it consists of: a registry takes no manifest whose parts it does not have.
func (i *image) copyTo(ctx context.Context, to remotes.Pusher, d ocispec.Descriptor) error {
	if !images.IsManifestType(d.MediaType) && !images.IsIndexType(d.MediaType) {
		// A blob of the same registry is not sent: the registry is told where it is.
		there := d
		there.Annotations = map[string]string{labels.LabelDistributionSource + "." + reference.Domain(i.named): reference.Path(i.named)}
		return stream(ctx, to, there, func() (io.ReadCloser, error) { return i.fetcher.Fetch(ctx, d) })
	}
	text, err := (&Found{ref: i.ref, domain: reference.Domain(i.named), fetcher: i.fetcher}).read(ctx, d)
	if err != nil {
		return err
	}
	children, err := childrenOf(text)
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := i.copyTo(ctx, to, child); err != nil {
			return err
		}
	}
	return send(ctx, to, Document{MediaType: d.MediaType, Content: text})
}

// childrenOf lists what a manifest or an index consists of. Foreign layers lie elsewhere for good.
func childrenOf(text []byte) ([]ocispec.Descriptor, error) {
	var parts struct {
		Config    *ocispec.Descriptor  `json:"config"`
		Layers    []ocispec.Descriptor `json:"layers"`
		Manifests []ocispec.Descriptor `json:"manifests"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("its manifest cannot be read: %w", err))
	}
	var out []ocispec.Descriptor
	if parts.Config != nil {
		out = append(out, *parts.Config)
	}
	for _, d := range append(parts.Layers, parts.Manifests...) {
		if !images.IsNonDistributable(d.MediaType) {
			out = append(out, d)
		}
	}
	if len(out) > maxChildren {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("its manifest has more than %d parts", maxChildren))
	}
	return out, nil
}
