package artifact

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
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
