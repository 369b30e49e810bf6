package builder

import (
	"context"
	"fmt"
	"strings"

	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/labels"
	"github.com/moby/buildkit/executor"
	"github.com/moby/buildkit/snapshot"
	"github.com/moby/sys/user"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// BuildKit has names of its own for the layers of images, since it does not trust what
// others unpacked under a chain ID. Here it may: the image store checks each layer's
// digest before it gives it that name. So the names are translated, and a layer that is
// unpacked already is not unpacked again.

// layerName is the image store's name of what BuildKit calls id.
func layerName(id string) string {
	if chain, ok := snapshot.ParseLayerSnapshotID(id); ok {
		return chain.String()
	}
	return id
}

// hereType is the type of a mount that stands for a layer which need not be unpacked.
const hereType = "tiffin-here"

// layers is BuildKit's snapshotter with the image store's names.
type layers struct{ snapshot.Snapshotter }

// Mounts implements snapshot.Snapshotter.
func (l *layers) Mounts(ctx context.Context, key string) (snapshot.Mountable, error) {
	if l.isHere(ctx, key) {
		return here{}, nil
	}
	return l.Snapshotter.Mounts(ctx, layerName(key))
}

// isHere says that key is the name under which BuildKit is about to unpack a layer
// that is here: "extract-ID CHAIN".
func (l *layers) isHere(ctx context.Context, key string) bool {
	name, chain, ok := strings.Cut(key, " ")
	if !ok || !strings.HasPrefix(name, "extract-") || digest.Digest(chain).Validate() != nil {
		return false
	}
	info, err := l.Snapshotter.Stat(ctx, chain)
	return err == nil && info.Kind == snapshots.KindCommitted
}

// Prepare implements snapshot.Snapshotter.
func (l *layers) Prepare(ctx context.Context, key, parent string, opts ...snapshots.Opt) error {
	return l.Snapshotter.Prepare(ctx, layerName(key), layerName(parent), opts...)
}

// View implements snapshot.Snapshotter.
func (l *layers) View(ctx context.Context, key, parent string, opts ...snapshots.Opt) (snapshot.Mountable, error) {
	return l.Snapshotter.View(ctx, layerName(key), layerName(parent), opts...)
}

// Stat implements snapshot.Snapshotter.
func (l *layers) Stat(ctx context.Context, key string) (snapshots.Info, error) {
	return l.Snapshotter.Stat(ctx, layerName(key))
}

// Update implements snapshot.Snapshotter.
func (l *layers) Update(ctx context.Context, info snapshots.Info, fields ...string) (snapshots.Info, error) {
	info.Name = layerName(info.Name)
	return l.Snapshotter.Update(ctx, info, fields...)
}

// Usage implements snapshot.Snapshotter.
func (l *layers) Usage(ctx context.Context, key string) (snapshots.Usage, error) {
	return l.Snapshotter.Usage(ctx, layerName(key))
}

// Commit implements snapshot.Snapshotter.
func (l *layers) Commit(ctx context.Context, name, key string, opts ...snapshots.Opt) error {
	return l.Snapshotter.Commit(ctx, layerName(name), layerName(key), opts...)
}

// here is where a layer lies that need not be unpacked.
type here struct{}

var _ executor.MountableRef = here{}

// Mount implements executor.MountableRef.
func (here) Mount() ([]mount.Mount, func() error, error) {
	return []mount.Mount{{Type: hereType}}, func() error { return nil }, nil
}

// IdentityMapping implements executor.MountableRef.
func (here) IdentityMapping() *user.IdentityMapping { return nil }

// applier unpacks what is not here.
type applier struct{ diff.Applier }

// Apply implements diff.Applier.
func (a *applier) Apply(ctx context.Context, desc ocispec.Descriptor, mounts []mount.Mount, opts ...diff.ApplyOpt) (ocispec.Descriptor, error) {
	if len(mounts) != 1 || mounts[0].Type != hereType {
		return a.Applier.Apply(ctx, desc, mounts, opts...)
	}
	// The chain ID says that it was unpacked from this very content.
	id, err := digest.Parse(desc.Annotations[labels.LabelUncompressed])
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("layer %s: its uncompressed digest is not known: %w", desc.Digest, err)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: id}, nil
}

// layerLeases are leases with the image store's names.
type layerLeases struct {
	leases.Manager
	snapshotType string
}

func (l *layerLeases) translated(r leases.Resource) leases.Resource {
	if r.Type == l.snapshotType {
		r.ID = layerName(r.ID)
	}
	return r
}

// AddResource implements leases.Manager.
func (l *layerLeases) AddResource(ctx context.Context, lease leases.Lease, r leases.Resource) error {
	return l.Manager.AddResource(ctx, lease, l.translated(r))
}

// DeleteResource implements leases.Manager.
func (l *layerLeases) DeleteResource(ctx context.Context, lease leases.Lease, r leases.Resource) error {
	return l.Manager.DeleteResource(ctx, lease, l.translated(r))
}
