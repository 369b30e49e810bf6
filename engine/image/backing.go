package image

import (
	"context"
	"fmt"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/gc"
	"github.com/containerd/errdefs"
)

// Backing is what builds stand on: the store's own parts. Whoever uses them puts Namespace into the context of
// each call (Images does it itself), and holds what it makes by a lease of Leases, or Collect takes it.
type Backing struct {
	Namespace string
	// Epoch is another one when all that builds held was let go of, after a power cut: what they know of an earlier
	// one is about nothing.
	Epoch       string
	Snapshotter string // its name, as the labels that keep a snapshot have it
	Content     content.Store
	Snapshots   snapshots.Snapshotter
	// Images finds local images by their normalized names. It is for reading: the one way in is Adopt.
	Images images.Store
	Leases leases.Manager
	// Collect removes what neither an image nor a lease needs.
	Collect func(context.Context) (gc.Stats, error)
	// Applier unpacks layers with all the guards that pulled ones meet.
	Applier diff.Applier
	// Hosts are those that a pull asks, for a resolver that brings an authorizer of its own; the registry itself may
	// be pushed to.
	Hosts docker.RegistryHosts
}

// Backing shares the store's parts with builds. They end with the store.
func (s *Store) Backing() Backing {
	return Backing{
		Namespace: namespace, Epoch: s.epoch, Snapshotter: snapshotter,
		Content: s.content, Snapshots: &preparing{s.snapshots, s}, Images: localImages{s.images}, Leases: s.leases,
		Collect: s.meta.GarbageCollect, Applier: &applier{s}, Hosts: s.registry.Hosts,
	}
}

// localImages are the records, to be read. A record that is written behind the store's back would not be in its
// index, and its layers not on the disk when the power goes.
type localImages struct{ all images.Store }

var errAdoptOnly = fmt.Errorf("the image store takes images by Adopt only: %w", errdefs.ErrNotImplemented)

// Get finds a record by its whole name: docker.io/library/nginx:alpine.
func (l localImages) Get(ctx context.Context, name string) (images.Image, error) {
	return l.all.Get(within(ctx), name)
}

// List lists all records, also of images that have lost their names.
func (l localImages) List(ctx context.Context, filters ...string) ([]images.Image, error) {
	return l.all.List(within(ctx), filters...)
}

// Create refuses.
func (localImages) Create(context.Context, images.Image) (images.Image, error) {
	return images.Image{}, errAdoptOnly
}

// Update refuses.
func (localImages) Update(context.Context, images.Image, ...string) (images.Image, error) {
	return images.Image{}, errAdoptOnly
}

// Delete refuses.
func (localImages) Delete(context.Context, string, ...images.DeleteOpt) error { return errAdoptOnly }
