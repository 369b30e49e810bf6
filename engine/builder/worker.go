package builder

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/plugins/diff/walking"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/cache/metadata"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter"
	imageexporter "github.com/moby/buildkit/exporter/containerimage"
	ociexporter "github.com/moby/buildkit/exporter/oci"
	"github.com/moby/buildkit/session"
	containerdsnapshot "github.com/moby/buildkit/snapshot/containerd"
	"github.com/moby/buildkit/snapshot/imagerefchecker"
	"github.com/moby/buildkit/source"
	"github.com/moby/buildkit/source/containerblob"
	"github.com/moby/buildkit/source/containerimage"
	"github.com/moby/buildkit/source/git"
	"github.com/moby/buildkit/source/http"
	"github.com/moby/buildkit/source/local"
	"github.com/moby/buildkit/util/archutil"
	"github.com/moby/buildkit/util/bklog"
	"github.com/moby/buildkit/util/leaseutil"
	"github.com/moby/buildkit/worker/base"
	"github.com/moby/buildkit/worker/label"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"tiffin/engine"
	"tiffin/engine/image"
)

// buildWorker is BuildKit's worker on our image store, with our executor and exporter.
type buildWorker struct {
	*base.Worker
	images *image.Store
	built  func(*engine.Image, []string)
	bases  *bases
	writer *imageexporter.ImageWriter
}

func newWorker(ctx context.Context, cfg *Config, root string) (*buildWorker, error) {
	records, err := openRecords(filepath.Join(root, "metadata.db"))
	if err != nil {
		return nil, err
	}
	w := &buildWorker{Worker: &base.Worker{WorkerOpt: workerOpt(cfg, root, records)}, images: cfg.Images, built: cfg.Built}
	w.bases = &bases{Store: w.ImageStore, content: w.ContentStore(), records: records.DB()}
	if err := w.assemble(ctx); err != nil {
		return nil, errors.Join(err, records.Close())
	}
	return w, nil
}

// openRecords opens the cache's records, and does not wait for the disk with each of them, which
// a build of nothing new would do forty times. After a power cut they go with their epoch.
func openRecords(path string) (*metadata.Store, error) {
	records, err := metadata.NewStore(path)
	if err != nil {
		return nil, err
	}
	err = records.DB().View(func(tx *bolt.Tx) error {
		tx.DB().NoSync = true
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, records.Close())
	}
	return records, nil
}

func workerOpt(cfg *Config, root string, records *metadata.Store) base.WorkerOpt {
	backing := cfg.Images.Backing()
	content := containerdsnapshot.NewContentStore(backing.Content, backing.Namespace)
	return base.WorkerOpt{
		ID: "tiffin", Root: root, MetadataStore: records, Executor: &steps{cfg.Run},
		Labels: map[string]string{
			label.Executor: "tiffin", label.Snapshotter: backing.Snapshotter,
			// Clients of dockerd look here for what --add-host NAME:host-gateway stands for.
			"org.mobyproject.buildkit.worker.moby.host-gateway-ip": engine.HostGatewayAddr,
		},
		Platforms:      supported(),
		Snapshotter:    containerdsnapshot.NewSnapshotter(backing.Snapshotter, backing.Snapshots, backing.Namespace, nil),
		ContentStore:   content,
		Applier:        backing.Applier,
		Differ:         walking.NewWalkingDiff(content),
		ImageStore:     backing.Images,
		RegistryHosts:  backing.Hosts,
		LeaseManager:   leaseutil.WithNamespace(backing.Leases, backing.Namespace),
		GarbageCollect: backing.Collect,
		MountPoolRoot:  mountsIn(cfg.Scratch),
	}
}

// assemble does what base.NewWorker does, with a cache that knows better which records
// images share.
func (w *buildWorker) assemble(ctx context.Context) (err error) {
	if err := w.endLastBuilds(ctx); err != nil {
		return err
	}
	w.CacheMgr, err = cache.NewManager(cache.ManagerOpt{
		Snapshotter: w.Snapshotter, ContentStore: w.ContentStore(), LeaseManager: w.LeaseManager(), PruneRefChecker: w.shared,
		Applier: w.Applier, Differ: w.Differ, GarbageCollect: w.WorkerOpt.GarbageCollect,
		MetadataStore: w.MetadataStore, Root: w.Root, MountPoolRoot: w.MountPoolRoot,
	})
	if err != nil {
		return err
	}
	w.writer, err = imageexporter.NewImageWriter(imageexporter.WriterOpt{
		Snapshotter: w.Snapshotter, ContentStore: w.ContentStore(), Applier: w.Applier, Differ: w.Differ,
	})
	if err != nil {
		return err
	}
	return w.addSources(ctx)
}

// endLastBuilds lets go of what an engine that was killed held for the builds under way.
func (w *buildWorker) endLastBuilds(ctx context.Context) error {
	held, err := w.LeaseManager().List(ctx, `labels."buildkit/lease.temporary"`)
	for _, l := range held {
		err = errors.Join(err, w.LeaseManager().Delete(ctx, l))
	}
	return err
}

// addSources says where files come from: images, image layouts, git, http and the caller.
func (w *buildWorker) addSources(ctx context.Context) (err error) {
	if w.SourceManager, err = source.NewManager(); err != nil {
		return err
	}
	imageOpt := containerimage.SourceOpt{
		Snapshotter: w.Snapshotter, ContentStore: w.ContentStore(), Applier: w.Applier, ImageStore: w.bases, CacheAccessor: w.CacheMgr,
		RegistryHosts: w.RegistryHosts, LeaseManager: w.LeaseManager(), ResolverType: containerimage.ResolverTypeRegistry,
	}
	layoutOpt := imageOpt
	layoutOpt.RegistryHosts, layoutOpt.ResolverType = nil, containerimage.ResolverTypeOCILayout
	var errs [5]error
	var blobs, callers source.Source
	w.ImageSource, errs[0] = containerimage.NewSource(imageOpt)
	w.OCILayoutSource, errs[1] = containerimage.NewSource(layoutOpt)
	blobs, errs[2] = containerblob.NewSource(containerblob.SourceOpt{ContentStore: w.ContentStore(), CacheAccessor: w.CacheMgr, RegistryHosts: w.RegistryHosts})
	w.HTTPSource, errs[3] = http.NewSource(http.Opt{CacheAccessor: w.CacheMgr})
	callers, errs[4] = local.NewSource(local.Opt{CacheAccessor: w.CacheMgr})
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	for _, s := range []source.Source{w.ImageSource, w.OCILayoutSource, blobs, w.HTTPSource, callers} {
		w.SourceManager.Register(s)
	}
	if err := git.Supported(); err != nil {
		bklog.G(ctx).Debugf("no git: %v", err) // who names a repository is told so
		return nil
	}
	if w.GitSource, err = git.NewSource(git.Opt{CacheAccessor: w.CacheMgr, RegistryHosts: w.RegistryHosts}); err != nil {
		return err
	}
	w.SourceManager.Register(w.GitSource)
	return nil
}

// shared tells which records of the cache hold layers of images, so that to remove them
// would free nothing.
func (w *buildWorker) shared() (cache.ExternalRefChecker, error) {
	known, err := imagerefchecker.New(imagerefchecker.Opt{ImageStore: w.ImageStore, ContentStore: w.ContentStore()})()
	return &sharing{known}, err
}

type sharing struct{ cache.ExternalRefChecker }

// Exists implements cache.ExternalRefChecker. A layer that was never exported has no
// digest; BuildKit's own checker would take it for the one below it.
func (s *sharing) Exists(key string, layers []digest.Digest) bool {
	return !slices.Contains(layers, "") && s.ExternalRefChecker.Exists(key, layers)
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

// exporterMoby is what clients of dockerd call the exporter to its image store.
const exporterMoby = "moby"

// Exporter implements worker.Worker: an image becomes one of the store's.
func (w *buildWorker) Exporter(name string, sm *session.Manager) (exporter.Exporter, error) {
	switch name {
	case client.ExporterImage, exporterMoby:
		inner, err := imageexporter.New(imageexporter.Opt{
			SessionManager: sm, ImageWriter: w.writer, RegistryHosts: w.RegistryHosts, LeaseManager: w.LeaseManager(),
		})
		return &storing{inner, w.images, w.built}, err
	case client.ExporterOCI, client.ExporterDocker:
		return ociexporter.New(ociexporter.Opt{
			SessionManager: sm, ImageWriter: w.writer, Variant: ociexporter.ExporterVariant(name), LeaseManager: w.LeaseManager(),
		})
	default:
		return w.Worker.Exporter(name, sm)
	}
}
