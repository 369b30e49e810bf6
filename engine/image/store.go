package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/errdefs"
	"github.com/containerd/log"
	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/semaphore"

	"tiffin/engine/image/layer"
	"tiffin/engine/image/registry"
)

// Config says where the store is, and where images come from.
type Config struct {
	// Root is the store's folder; it is made when it is missing. Short: the folders of layers are mount options.
	Root string
	// Mirrors are asked before a registry itself: "docker.io" → "http://127.0.0.1:5000".
	Mirrors map[string][]string
	// Insecure are registries that may speak http or have an unknown certificate: host, host:port or CIDR.
	Insecure []string
	// Idle is how long a registry may be silent; 0: 30 s.
	Idle time.Duration
	// Reserve is what stays free on the disk; the zero value is the default.
	Reserve layer.Reserve
}

// Store holds the images of one engine. Its methods may be called by many at once.
type Store struct {
	root      string
	boot      string // of the host, since when it runs
	meta      *metadata.DB
	content   content.Store
	images    images.Store
	leases    leases.Manager
	snapshots snapshots.Snapshotter
	overlay   snapshots.Snapshotter
	registry  *registry.Client
	limits    layer.Limits

	blobs  keyed               // one fetch of a blob at a time
	chains keyed               // one unpacking of a stack of layers at a time
	slots  *semaphore.Weighted // for unpacking
	builds extractions
	pulls  flights
	syncs  sync.WaitGroup

	unsynced sync.Mutex
	touched  bool // see touch; guarded by unsynced
	epoch    string

	reading sync.Mutex // see readRecords
	mu      sync.RWMutex
	records map[string]record            // by name
	local   map[digest.Digest][]*variant // by target: what of it is here; filled when asked for
	holds   map[string]string            // container → image ID
}

const (
	// namespace is the only one of the metadata's namespaces that is used.
	namespace   = "tiffin"
	snapshotter = "overlayfs"
	// emptyLayer is the rootfs of an image without layers.
	emptyLayer = "empty"
)

// Open opens the store at c.Root, or makes one. Nobody else may have it open.
//
// Errors: engine.ErrInvalid for the configuration.
func Open(ctx context.Context, c Config) (*Store, error) {
	if err := tame(); err != nil {
		return nil, err
	}
	client, err := registry.New(registry.Config{Mirrors: c.Mirrors, Insecure: c.Insecure, Idle: c.Idle})
	if err != nil {
		return nil, err
	}
	s := &Store{
		root: c.Root, registry: client, limits: layer.DefaultLimits(), slots: semaphore.NewWeighted(atOnce()),
		local: map[digest.Digest][]*variant{}, holds: map[string]string{},
	}
	if c.Reserve != (layer.Reserve{}) {
		s.limits.Reserve = c.Reserve
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the image store %s: %w", c.Root, err), s.Close())
	}
	return s, nil
}

// tame sets what the libraries let nobody set but for the whole process.
func tame() error {
	// Its importer, and BuildKit where it unpacks, use programs for gzip that they find in the PATH, unless told not to.
	for _, name := range []string{"CONTAINERD_DISABLE_PIGZ", "CONTAINERD_DISABLE_IGZIP", "MOBY_DISABLE_PIGZ"} {
		if err := os.Setenv(name, "true"); err != nil {
			return err
		}
	}
	// It warns of what is not wrong: no fs-verity, a mirror that lacks an image.
	return log.SetLevel("error") //nolint:forbidigo // containerd's own logger, not the standard one
}

func (s *Store) open(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(s.root, emptyLayer), 0o700); err != nil {
		return err
	}
	var err error
	if s.boot, err = bootID(); err != nil {
		return err
	}
	blobs, err := local.NewStore(filepath.Join(s.root, "content"))
	if err != nil {
		return err
	}
	s.overlay, err = overlay.NewSnapshotter(s.layersRoot(), overlay.WithUpperdirLabel)
	if err != nil {
		return err
	}
	db, err := bolt.Open(filepath.Join(s.root, "meta.db"), 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return err
	}
	if err := s.sweepLayers(ctx); err != nil {
		return err
	}
	s.meta = metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{snapshotter: s.overlay})
	if err := s.meta.Init(ctx); err != nil {
		return err
	}
	s.content = s.meta.ContentStore()
	s.snapshots = s.meta.Snapshotter(snapshotter)
	s.images = metadata.NewImageStore(s.meta)
	s.leases = metadata.NewLeaseManager(s.meta)
	if err := s.recover(within(ctx)); err != nil {
		return err
	}
	return s.readRecords(ctx)
}

// sweepLayers removes the folders that an engine has made which was killed before it had recorded them. They would be
// in the way of the next layers: their names are numbers.
func (s *Store) sweepLayers(ctx context.Context) error {
	c, ok := s.overlay.(snapshots.Cleaner)
	if !ok {
		return nil
	}
	err := c.Cleanup(ctx)
	if !errdefs.IsNotFound(err) {
		return err
	}
	// Nothing has ever been recorded.
	all := filepath.Join(s.layersRoot(), "snapshots")
	folders, err := os.ReadDir(all)
	for _, f := range folders {
		err = errors.Join(err, os.RemoveAll(filepath.Join(all, f.Name())))
	}
	return err
}

// Close ends the pulls that are under way, and waits for them and until what they made is on the disk.
func (s *Store) Close() error {
	s.pulls.close()
	s.syncs.Wait()
	s.registry.Close()
	var errs []error
	if s.meta != nil {
		errs = append(errs, s.untouch(), s.meta.Close())
	}
	if s.overlay != nil {
		errs = append(errs, s.overlay.Close())
	}
	return errors.Join(errs...)
}

// layersRoot holds one folder a layer, in snapshots/N/fs.
func (s *Store) layersRoot() string { return filepath.Join(s.root, "layers") }

// within puts the namespace into ctx, without which containerd's stores do nothing.
func within(ctx context.Context) context.Context { return namespaces.WithNamespace(ctx, namespace) }
