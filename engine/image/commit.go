package image

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/image/layer"
)

// Addition is what an image has more than the one that it stands on: a layer, and another config.
type Addition struct {
	// Base is the ID of the image below.
	Base   string
	Config engine.ImageConfig
	// CreatedBy is what made the layer, as the history has it.
	CreatedBy, Author, Comment string
}

// Commit makes an image of another one and a layer, which write writes as a tar, and gives it the name, if any. An empty
// layer is left out.
//
// Errors: engine.ErrNotFound for the base, ErrInvalid for the name, ErrUnavailable for a full disk.
func (s *Store) Commit(ctx context.Context, name string, a *Addition, write func(io.Writer) error) (engine.Image, error) {
	var names []string
	if name != "" {
		named, err := parseTag(name)
		if err != nil {
			return engine.Image{}, err
		}
		names = append(names, named.String())
	}
	lease, ctx, err := s.lease(within(ctx))
	if err != nil {
		return engine.Image{}, err
	}
	b, err := s.add(ctx, a, write)
	if err == nil {
		err = s.publish(ctx, lease, names, b)
	}
	if err != nil {
		kept := context.WithoutCancel(ctx)
		return engine.Image{}, explainLayer(errors.Join(err, s.drop(kept, lease), s.GC(kept)))
	}
	return s.Resolve(ctx, b.variant.image.ID, "")
}

// add makes the documents and the root filesystem of the image.
func (s *Store) add(ctx context.Context, a *Addition, write func(io.Writer) error) (*bundle, error) {
	base, err := s.base(ctx, a.Base)
	if err != nil {
		return nil, err
	}
	blob, diffID, err := s.takeWritten(ctx, write)
	if err != nil {
		return nil, err
	}
	b, err := newAddition(base, a, blob, diffID)
	if err != nil {
		return nil, err
	}
	return b, s.unpackAddition(ctx, b, base.rootfs())
}

// base reads an image, and puts all of it under the context's lease.
func (s *Store) base(ctx context.Context, id string) (*bundle, error) {
	m, err := s.byID(ctx, id)
	if err != nil {
		return nil, err
	}
	manifest, err := s.manifestOf(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := s.hold(ctx, leases.Resource{ID: manifest.Digest.String(), Type: heldContent}); err != nil {
		return nil, err
	}
	b := &bundle{target: manifest, manifest: manifest}
	if err := s.readBundle(ctx, b); err != nil {
		return nil, err
	}
	if err := s.missing(ctx, b.parts); err != nil {
		return nil, fmt.Errorf("image %s is not complete: %w", id, err)
	}
	return b, s.findRootfs(ctx, b)
}

// takeWritten is takeIn of what is written.
func (s *Store) takeWritten(ctx context.Context, write func(io.Writer) error) (ocispec.Descriptor, digest.Digest, error) {
	r, w := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := write(w)
		_ = w.CloseWithError(err) // it returns nil
		wrote <- err
	}()
	blob, diffID, err := s.takeIn(ctx, r)
	_ = r.CloseWithError(errNotTaken) // as above
	if failed := <-wrote; failed != nil && !errors.Is(failed, errNotTaken) {
		err = failed // what was read ended with it
	}
	return blob, diffID, err
}

var errNotTaken = errors.New("the layer was not taken in")

// emptyTar is the diff ID of a layer without files.
var emptyTar = digest.FromBytes(make([]byte, 1024))

// newAddition makes the documents of an image that has one layer more than base.
func newAddition(base *bundle, a *Addition, blob ocispec.Descriptor, diffID digest.Digest) (*bundle, error) {
	now := time.Now().UTC()
	b := &bundle{config: base.config}
	b.config.Created, b.config.Author, b.config.Config = &now, a.Author, fromVocabulary(a.Config)
	b.config.RootFS = rootFS{Type: "layers", DiffIDs: slices.Clone(base.config.RootFS.DiffIDs)}
	layers := make([]ocispec.Descriptor, 0, len(base.parts.Layers)+1)
	for _, d := range base.parts.Layers {
		d.MediaType = ociType(d.MediaType)
		layers = append(layers, d)
	}
	step := ocispec.History{Created: &now, CreatedBy: a.CreatedBy, Author: a.Author, Comment: a.Comment, EmptyLayer: diffID == emptyTar}
	if step.EmptyLayer {
		b.top = base.rootfs()
	} else {
		layers = append(layers, blob)
		b.config.RootFS.DiffIDs = append(b.config.RootFS.DiffIDs, diffID)
	}
	b.config.History = append(slices.Clone(base.config.History), step)
	return b, b.write(layers)
}

// ociType is a layer's media type in an OCI manifest: docker has other words for the same.
func ociType(mediaType string) string {
	switch mediaType {
	case images.MediaTypeDockerSchema2Layer:
		return ocispec.MediaTypeImageLayer
	case images.MediaTypeDockerSchema2LayerGzip:
		return ocispec.MediaTypeImageLayerGzip
	case images.MediaTypeDockerSchema2LayerZstd:
		return ocispec.MediaTypeImageLayerZstd
	default:
		return mediaType
	}
}

// unpackAddition makes the root filesystem of an image whose layers but the last are in the snapshot below. They are not
// unpacked once more, although a build may have made them, under other keys than their chain IDs.
func (s *Store) unpackAddition(ctx context.Context, b *bundle, below string) error {
	last := len(b.parts.Layers) - 1
	lines := newLayerLines(func(engine.Progress) {}, "", b)
	if b.top != "" || last < 0 {
		return nil
	}
	if below == "" || below == layerKey(b.variant.chains[max(last-1, 0)]) {
		return s.unpackHere(ctx, b, lines)
	}
	f, err := s.extract(ctx, b, last, lines[last])
	if f == nil || err != nil {
		return err // or it is there
	}
	key, stack := "commit "+rand.Text(), &variant{}
	err = s.readLayers(ctx, stack, below)
	if err == nil {
		err = layer.Inherit(f.dir, stack.lower, f.implied)
	}
	if err == nil {
		err = s.snapshots.Commit(ctx, key, f.key, snapshots.WithParent(below))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("stack the layer: %w", err), s.abandon(ctx, f))
	}
	f.unlock()
	b.top = key
	return nil
}

// write makes the documents of what the config and the layers say.
func (b *bundle) write(layers []ocispec.Descriptor) (err error) {
	if b.configB, err = json.Marshal(b.config); err != nil {
		return err
	}
	b.parts = ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: describeBytes(ocispec.MediaTypeImageConfig, b.configB), Layers: layers,
	}
	if b.manifestB, err = json.Marshal(b.parts); err != nil {
		return err
	}
	if len(layers) > maxLayers {
		return engine.Hint(engine.Problem(engine.ErrUnsupported, fmt.Errorf("it would have %d layers, at most %d can be stacked", len(layers), maxLayers)),
			"make one layer of all: tiffin export, tiffin import")
	}
	b.manifest = describeBytes(ocispec.MediaTypeImageManifest, b.manifestB)
	b.target = b.manifest
	b.variant = newVariant(b.manifest.Digest, b.parts, b.config)
	return nil
}
