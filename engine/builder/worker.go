package builder

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter"
	imageexporter "github.com/moby/buildkit/exporter/containerimage"
	"github.com/moby/buildkit/session"
	containerdsnapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/util/archutil"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/moby/buildkit/worker/base"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine/image"
)

// buildWorker is BuildKit's worker on our image store, with our executor and exporter.
type buildWorker struct {
	*base.Worker
	images *image.Store
	writer *imageexporter.ImageWriter
}

func newWorker(ctx context.Context, cfg *Config) (*buildWorker, error) {
	backing := cfg.Images.Backing()
	records, err := metadata.NewStore(filepath.Join(cfg.Root, "metadata.db"))
	if err != nil {
		return nil, err
	}
	content := containerdsnapshot.NewContentStore(backing.Content, backing.Namespace)
	snapshotter := &layers{containerdsnapshot.NewSnapshotter(backing.Snapshotter, backing.Snapshots, backing.Namespace, nil)}
	held := &layerLeases{Manager: backing.Leases, snapshotType: "snapshots/" + backing.Snapshotter}
	opt := base.WorkerOpt{
		ID: "tiffin", Root: cfg.Root, MetadataStore: records, Executor: &steps{cfg.Run},
		Labels:         map[string]string{"org.mobyproject.buildkit.worker.executor": "tiffin", "org.mobyproject.buildkit.worker.snapshotter": backing.Snapshotter},
		Platforms:      supported(),
		Snapshotter:    snapshotter,
		ContentStore:   content,
		Applier:        &applier{backing.Applier},
		Differ:         walking.NewWalkingDiff(content),
		ImageStore:     backing.Images,
		RegistryHosts:  backing.Hosts,
		LeaseManager:   leaseutil.WithNamespace(held, backing.Namespace),
		GarbageCollect: backing.Collect,
		MountPoolRoot:  mountsIn(cfg.Scratch),
	}
	w, err := base.NewWorker(ctx, opt)
	if err != nil {
		return nil, err
	}
	writer, err := imageexporter.NewImageWriter(imageexporter.WriterOpt{
		Snapshotter: opt.Snapshotter, ContentStore: content, Applier: opt.Applier, Differ: opt.Differ,
	})
	return &buildWorker{Worker: w, images: cfg.Images, writer: writer}, err
}

// supported lists the platforms that steps can run for, the host's own first: the
// others are those that binfmt_misc(5) has an interpreter for.
func supported() []ocispec.Platform {
	own := platforms.Normalize(platforms.DefaultSpec())
	list := []ocispec.Platform{own}
	for _, p := range archutil.SupportedPlatforms(true) {
		if !slices.ContainsFunc(list, func(o ocispec.Platform) bool { return platforms.Only(o).Match(p) }) {
			list = append(list, p)
		}
	}
	return list
}

// Exporter implements worker.Worker: an image becomes one of the store's.
func (w *buildWorker) Exporter(name string, sm *session.Manager) (exporter.Exporter, error) {
	if name != client.ExporterImage {
		return w.Worker.Exporter(name, sm)
	}
	inner, err := imageexporter.New(imageexporter.Opt{
		SessionManager: sm, ImageWriter: w.writer, RegistryHosts: w.RegistryHosts, LeaseManager: w.LeaseManager(),
	})
	return &storing{inner, w.images}, err
}
