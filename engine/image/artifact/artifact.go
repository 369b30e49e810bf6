package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image/registry"
)

// The media types of a Compose project, which are docker compose's.
const (
	TypeProject = "application/vnd.docker.compose.project"
	TypeFile    = "application/vnd.docker.compose.file+yaml"
	TypeEnvFile = "application/vnd.docker.compose.envfile"
	// typeConfig stands in the place of the artifact type where a registry knows OCI 1.0 alone.
	typeConfig = "application/vnd.docker.compose.config.empty.v1+json"
)

// maxDocuments bounds what one artifact may consist of.
const maxDocuments = 100

// Document is one file of an artifact.
type Document struct {
	MediaType   string
	Annotations map[string]string
	Content     []byte
}

// Registry is where artifacts are.
type Registry struct {
	// Insecure registries may speak http, as for images; loopback may anyway.
	Insecure []string
	// Auth finds the credentials for a registry; nil: none.
	Auth func(registry string) (call.RegistryAuth, error)
}

// Found is an artifact whose documents were not read yet.
type Found struct {
	Digest   string
	ref      string
	domain   string
	manifest ocispec.Manifest
	fetcher  remotes.Fetcher
}

// Find asks the registry for a project.
//
// Errors: as for images; engine.ErrInvalid for what is no Compose project.
func (r Registry) Find(ctx context.Context, ref string) (*Found, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no reference to an artifact: %w", ref, err))
	}
	client, err := registry.New(registry.Config{Insecure: r.Insecure})
	if err != nil {
		return nil, err
	}
	f := &Found{ref: ref, domain: reference.Domain(named)}
	resolver := client.Resolver(r.Auth)
	name, target, err := resolver.Resolve(ctx, named.String())
	if err != nil {
		return nil, f.explain(err)
	}
	if f.fetcher, err = resolver.Fetcher(ctx, name); err != nil {
		return nil, f.explain(err)
	}
	text, err := f.read(ctx, target)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(text, &f.manifest)
	if err != nil || (f.manifest.ArtifactType != TypeProject && f.manifest.Config.MediaType != typeConfig) {
		return nil, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("%s is no Compose project", ref)),
			"projects come to a registry with `tiffin publish` or `docker compose publish`")
	}
	if len(f.manifest.Layers) > maxDocuments {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s has more than %d files", ref, maxDocuments))
	}
	f.Digest = target.Digest.Encoded()
	return f, nil
}

// Documents reads all files of the artifact.
func (f *Found) Documents(ctx context.Context) ([]Document, error) {
	out := make([]Document, 0, len(f.manifest.Layers))
	for _, l := range f.manifest.Layers {
		text, err := f.read(ctx, l)
		if err != nil {
			return nil, err
		}
		out = append(out, Document{l.MediaType, l.Annotations, text})
	}
	return out, nil
}

func (f *Found) read(ctx context.Context, d ocispec.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > registry.MaxDocument || d.Digest.Validate() != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s has a file of %d bytes", f.ref, d.Size))
	}
	body, err := f.fetcher.Fetch(ctx, d)
	if err != nil {
		return nil, f.explain(err)
	}
	text, err := io.ReadAll(io.LimitReader(body, d.Size+1))
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, f.explain(err)
	}
	if digest.FromBytes(text) != d.Digest {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: what came is not what its digest %s promises", f.ref, d.Digest))
	}
	return text, nil
}

func (f *Found) explain(err error) error { return registry.Pull.Explain(f.ref, f.domain, err) }

// Versions of the OCI image specification that an artifact can be made by.
const (
	Version10 = "1.0"
	Version11 = "1.1"
)

// Push writes a project to a registry, in the form of a version of the specification; "" is the newest.
func (r Registry) Push(ctx context.Context, ref, version string, docs []Document) error {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no reference to an artifact: %w", ref, err))
	}
	client, err := registry.New(registry.Config{Insecure: r.Insecure})
	if err != nil {
		return err
	}
	manifest, blobs := manifestOf(version, docs, time.Now())
	target := describe(ocispec.MediaTypeImageManifest, manifest)
	to, err := client.Pusher(r.Auth).Pusher(ctx, named.String()+"@"+target.Digest.String())
	for _, blob := range append(blobs, Document{MediaType: target.MediaType, Content: manifest}) {
		if err == nil {
			err = send(ctx, to, blob)
		}
	}
	if err != nil {
		return registry.Push.Explain(ref, reference.Domain(named), err)
	}
	return nil
}

// manifestOf makes the manifest, and lists what has to be in the registry before it.
func manifestOf(version string, docs []Document, now time.Time) (manifest []byte, blobs []Document) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: TypeProject,
		Config:      ocispec.DescriptorEmptyJSON,
		Annotations: map[string]string{ocispec.AnnotationCreated: now.UTC().Format(time.RFC3339)},
	}
	config := Document{MediaType: ocispec.MediaTypeEmptyJSON, Content: []byte("{}")}
	if version == Version10 {
		config.MediaType = typeConfig
		m.ArtifactType, m.Config = "", describe(typeConfig, config.Content)
	}
	for _, doc := range docs {
		d := describe(doc.MediaType, doc.Content)
		d.Annotations = doc.Annotations
		m.Layers = append(m.Layers, d)
	}
	manifest, _ = json.Marshal(m) // it has nothing that cannot be
	return manifest, append([]Document{config}, docs...)
}

func describe(mediaType string, content []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
}

func send(ctx context.Context, to remotes.Pusher, doc Document) error {
	d := describe(doc.MediaType, doc.Content)
	w, err := to.Push(ctx, d)
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(w, bytes.NewReader(doc.Content))
	if err == nil {
		err = w.Commit(ctx, d.Size, d.Digest)
	}
	if errdefs.IsAlreadyExists(err) {
		err = nil
	}
	return errors.Join(err, w.Close())
}
