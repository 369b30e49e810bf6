package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	remoteserrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/image/registry"
)

// Versions of the OCI image specification that an artifact can be made by.
const (
	Version10 = "1.0"
	Version11 = "1.1"
)

// Pushed is a project that is in a registry.
type Pushed struct {
	named  reference.Named
	target ocispec.Descriptor
}

// Digest is that of the project's manifest.
func (p *Pushed) Digest() string { return p.target.Digest.String() }

// Push writes a project to a registry, in the form of a version of the specification; "" is the newest that the
// registry takes.
//
// Errors: as for images; engine.ErrInvalid for what Find would not read.
func (r Registry) Push(ctx context.Context, ref, version string, docs []Document) (*Pushed, error) {
	named, err := parseTarget(ref)
	if err != nil {
		return nil, err
	}
	if err := readable(docs); err != nil {
		return nil, err
	}
	client, err := registry.New(registry.Config{Insecure: r.Insecure})
	if err != nil {
		return nil, err
	}
	resolver := client.Pusher(r.Auth)
	pushed, err := pushAs(ctx, resolver, named, version, docs)
	if version == "" && refusesForm(err) {
		pushed, err = pushAs(ctx, resolver, named, Version10, docs)
	}
	if err != nil {
		return nil, registry.Push.Explain(ref, reference.Domain(named), err)
	}
	return pushed, nil
}

// parseTarget reads a reference to something that is to be made.
func parseTarget(ref string) (reference.Named, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no reference to an artifact: %w", ref, err))
	}
	if _, digested := named.(reference.Digested); digested {
		return nil, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("%q has a digest", ref)),
			"name it with a tag: the digest is made of the content")
	}
	return named, nil
}

// readable refuses what Find and Documents would refuse.
func readable(docs []Document) error {
	if len(docs) > maxDocuments {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("the project has more than %d files", maxDocuments))
	}
	for _, d := range docs {
		if len(d.Content) > registry.MaxDocument {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("a file of the project has %d bytes, more than %d", len(d.Content), registry.MaxDocument))
		}
	}
	return nil
}

func pushAs(ctx context.Context, resolver remotes.Resolver, named reference.Named, version string, docs []Document) (*Pushed, error) {
	manifest, blobs := manifestOf(version, docs, time.Now())
	target := describe(ocispec.MediaTypeImageManifest, manifest)
	to, err := resolver.Pusher(ctx, named.String()+"@"+target.Digest.String())
	for _, blob := range append(blobs, Document{MediaType: target.MediaType, Content: manifest}) {
		if err == nil {
			err = send(ctx, to, blob)
		}
	}
	return &Pushed{named, target}, err
}

// refusesForm says that a registry understood who we are, but not what we sent: it may know no artifacts.
func refusesForm(err error) bool {
	var answer remoteserrors.ErrUnexpectedStatus
	if !errors.As(err, &answer) {
		return false
	}
	switch code := answer.StatusCode; code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return false
	default:
		return code >= http.StatusBadRequest && code < http.StatusInternalServerError
	}
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
	return stream(ctx, to, describe(doc.MediaType, doc.Content), func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(doc.Content)), nil
	})
}

// stream sends what the registry does not have yet.
func stream(ctx context.Context, to remotes.Pusher, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	w, err := to.Push(ctx, d)
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	from, err := open()
	if err != nil {
		return errors.Join(err, w.Close())
	}
	_, err = io.Copy(w, from)
	if err == nil {
		err = w.Commit(ctx, d.Size, d.Digest)
	}
	if errdefs.IsAlreadyExists(err) {
		err = nil
	}
	return errors.Join(err, w.Close(), from.Close())
}
