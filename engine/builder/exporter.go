package builder

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/exporter"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/util/progress"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/image"
)

// storing is BuildKit's image exporter, whose images become the store's.
type storing struct {
	exporter.Exporter
	images *image.Store
	built  func(*engine.Image, []string)
}

// Resolve implements exporter.Exporter. Layers that are for this host only are not
// compressed: their archives are read by nobody unless the image is saved.
func (e *storing) Resolve(ctx context.Context, id int, attrs map[string]string) (exporter.ExporterInstance, error) {
	inner := maps.Clone(attrs)
	if inner == nil {
		inner = map[string]string{}
	}
	if inner["compression"] == "" && !isTrue(inner, exptypes.OptKeyPush) {
		inner["compression"] = "uncompressed"
	}
	instance, err := e.Exporter.Resolve(ctx, id, inner)
	if err != nil {
		return nil, err
	}
	return &storingInstance{
		ExporterInstance: instance, images: e.images, built: e.built, names: splitNames(attrs[string(exptypes.OptKeyName)]),
		keep: !isFalse(attrs, exptypes.OptKeyStore), rewrites: isTrue(attrs, exptypes.OptKeyRewriteTimestamp),
	}, nil
}

func isTrue(attrs map[string]string, key exptypes.ImageExporterOptKey) bool {
	v, ok := attrs[string(key)]
	return ok && (v == "" || v == "true" || v == "1")
}

func isFalse(attrs map[string]string, key exptypes.ImageExporterOptKey) bool {
	v := attrs[string(key)]
	return v == "false" || v == "0"
}

func splitNames(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

type storingInstance struct {
	exporter.ExporterInstance
	images *image.Store
	built  func(*engine.Image, []string)
	names  []string
	keep   bool
	// rewrites says that the image's layers have other times than what was built: it is
	// unpacked from them.
	rewrites bool
}

// Export implements exporter.ExporterInstance: once BuildKit has written the image's
// documents, the store takes it in where it lies. Until then nothing has its name.
//
//nolint:revive // BuildKit's interface has so many results
func (e *storingInstance) Export(ctx context.Context, src *exporter.Source, info exporter.ExportBuildInfo) (
	resp map[string]string, finalize exporter.FinalizeFunc, held exporter.DescriptorReference, err error,
) {
	resp, finalize, held, err = e.ExporterInstance.Export(ctx, src, info)
	if err != nil || !e.keep {
		return resp, finalize, held, err
	}
	if err := e.adopt(ctx, src, resp, info.SessionID); err != nil {
		return nil, nil, nil, errors.Join(err, held.Release())
	}
	return resp, finalize, held, nil
}

func (e *storingInstance) adopt(ctx context.Context, src *exporter.Source, resp map[string]string, sessionID string) (err error) {
	target, err := descriptor(resp)
	if err != nil {
		return err
	}
	done := progress.OneOff(ctx, "naming to "+naming(e.names))
	defer func() { _ = done(err) }()
	var tops map[digest.Digest]string
	if !e.rewrites {
		if tops, err = e.tops(ctx, src, target, sessionID); err != nil {
			return err
		}
	}
	img, err := e.images.Adopt(ctx, target, e.names, tops)
	if err == nil && e.built != nil {
		e.built(&img, e.names)
	}
	return err
}

func naming(names []string) string {
	if len(names) == 0 {
		return "nothing but its ID"
	}
	return strings.Join(names, ", ")
}

// descriptor is what the exporter says that it has written.
func descriptor(resp map[string]string) (ocispec.Descriptor, error) {
	var d ocispec.Descriptor
	text, err := base64.StdEncoding.DecodeString(resp[exptypes.ExporterImageDescriptorKey])
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if err != nil {
		return d, fmt.Errorf("descriptor of the image: %w", err)
	}
	return d, nil
}

// snapshotKey is where BuildKit's records have the name of a result's snapshot; without
// it, it is that of the record.
const snapshotKey = "cache.snapshot"

// tops finds the snapshot with the root filesystem of each manifest.
func (e *storingInstance) tops(ctx context.Context, src *exporter.Source, target ocispec.Descriptor, sessionID string) (map[digest.Digest]string, error) {
	platforms, err := exptypes.ParsePlatforms(src.Metadata)
	if err != nil {
		return nil, err
	}
	manifests := []ocispec.Descriptor{target}
	if images.IsIndexType(target.MediaType) {
		if manifests, err = e.manifests(ctx, target); err != nil {
			return nil, err
		}
	}
	tops := map[digest.Digest]string{}
	for i, p := range platforms.Platforms {
		// Those of platforms come first, in their order, and then what testifies to them.
		if i >= len(manifests) {
			return nil, fmt.Errorf("the index has %d manifests for %d platforms", len(manifests), len(platforms.Platforms))
		}
		ref, ok := src.FindRef(p.ID)
		if !ok || ref == nil {
			continue // FROM scratch, and nothing on it
		}
		if tops[manifests[i].Digest], err = snapshotOf(ctx, ref, sessionID); err != nil {
			return nil, err
		}
	}
	return tops, nil
}

func (e *storingInstance) manifests(ctx context.Context, target ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	backing := e.images.Backing()
	var index ocispec.Index
	text, err := content.ReadBlob(namespaces.WithNamespace(ctx, backing.Namespace), backing.Content, target)
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	return index.Manifests, err
}

// snapshotOf is the name of a result's snapshot, which is there afterwards: BuildKit
// unpacks and merges only what somebody needs.
func snapshotOf(ctx context.Context, ref cache.ImmutableRef, sessionID string) (string, error) {
	if err := ref.Finalize(ctx); err != nil {
		return "", err
	}
	if err := ref.Extract(ctx, session.NewGroup(sessionID)); err != nil {
		return "", err
	}
	if id := ref.GetString(snapshotKey); id != "" {
		return id, nil
	}
	return ref.ID(), nil
}
