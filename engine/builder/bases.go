package builder

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/session"
	bksolver "github.com/moby/buildkit/solver"
	"github.com/moby/buildkit/solver/pb"
	srctypes "github.com/moby/buildkit/source/types"
	"github.com/moby/buildkit/util/db"
	"github.com/moby/buildkit/util/imageutil"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// bases are the images that BuildKit finds here before it asks a registry: those of the
// engine and those that builds have fetched, of one name the newer one. The latter are in
// no list of images: what holds their documents and layers is the cache, and they are gone
// with it.
type bases struct {
	images.Store // the engine's
	content      content.Store
	records      db.Transactor
}

// basesBucket has in the cache's records what builds have fetched, a fetched by each name.
var basesBucket = []byte("tiffin.bases")

type fetched struct {
	Target ocispec.Descriptor
	At     time.Time
}

// Get implements images.Store.
func (b *bases) Get(ctx context.Context, name string) (images.Image, error) {
	img, err := b.Store.Get(ctx, name)
	if err != nil && !errdefs.IsNotFound(err) {
		return img, err
	}
	base, readErr := b.recall(name)
	if readErr != nil {
		return images.Image{}, readErr
	}
	if base == nil || err == nil && img.UpdatedAt.After(base.At) {
		return img, err
	}
	if _, gone := b.content.Info(ctx, base.Target.Digest); gone != nil {
		return img, err
	}
	return images.Image{Name: name, Target: base.Target, UpdatedAt: base.At}, nil
}

func (b *bases) has(ctx context.Context, name string) bool {
	_, err := b.Get(ctx, name)
	return err == nil
}

// recall reads what was fetched by a name; nil: nothing.
func (b *bases) recall(name string) (base *fetched, err error) {
	err = b.records.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket(basesBucket)
		if bucket == nil {
			return nil
		}
		text := bucket.Get([]byte(name))
		if text == nil {
			return nil
		}
		base = &fetched{}
		return json.Unmarshal(text, base)
	})
	return base, err
}

// remember records what a name was resolved to, unless that is known.
func (b *bases) remember(ctx context.Context, name string, d digest.Digest) error {
	if img, err := b.Get(ctx, name); err == nil && img.Target.Digest == d {
		return nil
	}
	document, err := b.content.ReaderAt(ctx, ocispec.Descriptor{Digest: d})
	if err != nil {
		return err
	}
	defer document.Close() //nolint:errcheck // only read
	mediaType, err := imageutil.DetectManifestMediaType(document)
	if err != nil {
		return err
	}
	text, err := json.Marshal(fetched{ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: document.Size()}, time.Now()})
	if err != nil {
		return err
	}
	return b.records.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists(basesBucket)
		if err != nil {
			return err
		}
		return bucket.Put([]byte(name), text)
	})
}

// baseName is what the image of a source is called; "" if that is no image, or one
// that no registry has to be asked for, as its digest is given.
func baseName(op *pb.SourceOp) string {
	ref, ok := strings.CutPrefix(op.GetIdentifier(), srctypes.DockerImageScheme+"://")
	if !ok {
		return ""
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return ""
	}
	if _, pinned := named.(reference.Digested); pinned {
		return ""
	}
	return reference.TagNameOnly(named).String()
}

// ResolveSourceMetadata implements worker.Worker. It remembers what a registry has said.
func (w *buildWorker) ResolveSourceMetadata(ctx context.Context, op *pb.SourceOp, opt sourceresolver.Opt, sm *session.Manager, job bksolver.JobContext) (
	*sourceresolver.MetaResponse, error,
) {
	resp, err := w.Worker.ResolveSourceMetadata(ctx, op, opt, sm, job)
	name := baseName(op)
	if name == "" {
		return resp, err
	}
	if err != nil && opt.ImageOpt != nil && opt.ImageOpt.ResolveMode == pb.AttrImageResolveModePreferLocal && w.bases.has(ctx, name) {
		// What is here may lack something that the registry has no longer: it may have another image by now.
		fresh := *opt.ImageOpt
		fresh.ResolveMode = pb.AttrImageResolveModeForcePull
		opt.ImageOpt = &fresh
		resp, err = w.Worker.ResolveSourceMetadata(ctx, op, opt, sm, job)
	}
	if err != nil || resp.Image == nil || resp.Image.Digest == "" {
		return resp, err
	}
	return resp, w.bases.remember(ctx, name, resp.Image.Digest)
}
