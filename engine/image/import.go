package image

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image/layer"
)

// Import makes an image of one layer of a root filesystem's tar, plain or compressed, and gives it the name, if any, and
// the config.
//
// Errors: engine.ErrInvalid for what is no tar.
func (s *Store) Import(ctx context.Context, r io.Reader, req *call.ImportRequest) (engine.Image, error) {
	platform, err := platformOf(req.Platform)
	if err != nil {
		return engine.Image{}, err
	}
	var names []string
	if req.Name != "" {
		named, err := parseTag(req.Name)
		if err != nil {
			return engine.Image{}, err
		}
		names = []string{named.String()}
	}
	lease, ctx, err := s.lease(within(ctx))
	if err != nil {
		return engine.Image{}, err
	}
	blob, diffID, err := s.takeIn(ctx, r)
	var b *bundle
	if err == nil {
		if b, err = newBundle(blob, diffID, req, platform); err == nil {
			err = s.unpackHere(ctx, b, newLayerLines(func(engine.Progress) {}, "", b))
		}
		if err == nil {
			err = s.publish(ctx, lease, names, b)
		}
	}
	if err != nil {
		kept := context.WithoutCancel(ctx)
		err = errors.Join(err, s.drop(kept, lease), s.GC(kept))
		if errors.Is(err, layer.ErrRefused) {
			err = engine.Problem(engine.ErrInvalid, err)
		}
		return engine.Image{}, fmt.Errorf("import %s: %w", cmp.Or(req.Name, "an image"), err)
	}
	return s.Resolve(ctx, b.variant.image.ID, "")
}

// takeIn writes a layer's blob as it comes, and finds out its digest, its kind and its diff ID.
func (s *Store) takeIn(ctx context.Context, r io.Reader) (ocispec.Descriptor, digest.Digest, error) {
	d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer}
	in, err := s.intake(ctx, r)
	if err != nil {
		return d, "", err
	}
	defer func() { _ = in.Close() }()
	w, err := content.OpenWriter(ctx, s.content, content.WithRef("import "+rand.Text()))
	if err != nil {
		return d, "", err
	}
	defer func() { _ = w.Close() }()
	head := &beginning{}
	plain := digest.Canonical.Digester()
	stream, err := layer.Decompress(io.TeeReader(in, io.MultiWriter(w, head)))
	if err != nil {
		return d, "", err
	}
	defer func() { _ = stream.Close() }()
	if _, err := io.Copy(plain.Hash(), stream); err != nil {
		return d, "", err
	}
	switch compression.DetectCompression(head.bytes) {
	case compression.Gzip:
		d.MediaType = ocispec.MediaTypeImageLayerGzip
	case compression.Zstd:
		d.MediaType = ocispec.MediaTypeImageLayerZstd
	default:
	}
	status, err := w.Status()
	if err != nil {
		return d, "", err
	}
	d.Digest, d.Size = w.Digest(), status.Offset
	err = w.Commit(ctx, d.Size, d.Digest)
	if errdefs.IsAlreadyExists(err) {
		err = nil
	}
	return d, plain.Digest(), err
}

// beginning keeps the first bytes that are written to it.
type beginning struct{ bytes []byte }

func (b *beginning) Write(p []byte) (int, error) {
	if room := 16 - len(b.bytes); room > 0 {
		b.bytes = append(b.bytes, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// newBundle makes the documents of an image of one layer.
func newBundle(blob ocispec.Descriptor, diffID digest.Digest, req *call.ImportRequest, platform ocispec.Platform) (*bundle, error) {
	now := time.Now().UTC()
	b := &bundle{}
	b.config = configFile{
		Created: &now, Platform: platform, Config: fromVocabulary(req.Config),
		RootFS:  rootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History: []ocispec.History{{Created: &now, Comment: cmp.Or(req.Comment, "imported")}},
	}
	return b, b.write([]ocispec.Descriptor{blob})
}

func describeBytes(mediaType string, b []byte) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}
}
