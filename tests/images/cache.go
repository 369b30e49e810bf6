package images

import (
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// ErrNeedsRoot says that the images are not there and that only root can make them.
var ErrNeedsRoot = errors.New("the test images are not made yet, and making them needs root: run 'make images' as root")

// Cache is the folder in which everything is ready.
type Cache struct {
	dir string
}

//go:embed *.go
var sources embed.FS

// Folder is where the caches lie.
func Folder() string {
	return cmp.Or(os.Getenv("TIFFIN_TEST_CACHE"), "/var/cache/tiffin-tests")
}

// Open gives the images, and makes them first when they are not there. Progress is told line by line.
func Open(ctx context.Context, progress func(string)) (*Cache, error) {
	d, err := configuredDebian(ctx)
	if err != nil {
		return nil, err
	}
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	c := &Cache{filepath.Join(Folder(), key)}
	if c.ready() {
		now := time.Now()
		_ = os.Chtimes(c.dir, now, now) // in use; only root may say so, and only root clears up
		return c, nil
	}
	if os.Geteuid() != 0 {
		return nil, ErrNeedsRoot
	}
	unlock, err := lock(Folder())
	if err != nil {
		return nil, err
	}
	defer unlock()
	if c.ready() { // somebody else was faster
		return c, nil
	}
	return c, c.fill(ctx, d, progress)
}

// Store has all the images, by names like docker.io/library/busybox:latest.
func (c *Cache) Store() *Store { return &Store{filepath.Join(c.dir, "layout")} }

// RegistryDir is the folder that a docker-registry serves; open it read-only.
func (c *Cache) RegistryDir() string { return filepath.Join(c.dir, "registry") }

func (c *Cache) ready() bool {
	_, err := os.Stat(c.dir)
	return err == nil
}

// key changes with whatever the images are made from.
func (d debian) key() (string, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, d.codename, d.sources, installScript)
	for _, tree := range []fs.FS{files, sources} {
		err := fs.WalkDir(tree, ".", func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(name, "_test.go") {
				return err
			}
			content, err := fs.ReadFile(tree, name)
			fmt.Fprintln(sum, name, len(content))
			sum.Write(content)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// lock lets one process at a time make images.
func lock(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// fill makes everything beside the cache and puts it in place at one stroke.
func (c *Cache) fill(ctx context.Context, d debian, progress func(string)) error {
	start := time.Now()
	work, err := os.MkdirTemp(Folder(), "making-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	making := &Cache{filepath.Join(work, "done")}
	store, err := NewStore(filepath.Join(making.dir, "layout"))
	if err != nil {
		return err
	}
	m := maker{debian: d, work: work, store: store, progress: progress, images: map[string]ocispec.Descriptor{}}
	if err := m.all(ctx); err != nil {
		return err
	}
	if err := store.Names(m.images); err != nil {
		return err
	}
	progress("registry")
	if err := push(ctx, making.RegistryDir(), store, m.images); err != nil {
		return err
	}
	progress(fmt.Sprintf("made %d images in %s", len(m.images), time.Since(start).Round(time.Second)))
	return errors.Join(os.Rename(making.dir, c.dir), removeUnused())
}

// push fills a registry's folder through the registry itself, and then lets it share the blobs of the layout.
func push(ctx context.Context, dir string, store *Store, images map[string]ocispec.Descriptor) (err error) {
	r, err := StartRegistry(ctx, dir, RegistryOptions{}, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close(), share(dir, store)) }()
	for _, name := range slices.Sorted(maps.Keys(images)) {
		named, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			return err
		}
		tagged, ok := named.(reference.Tagged)
		if !ok {
			return fmt.Errorf("push %s: no tag", name)
		}
		if err := r.Push(ctx, store, reference.Path(named), tagged.Tag(), images[name]); err != nil {
			return fmt.Errorf("push %s: %w", name, err)
		}
	}
	return nil
}

// share replaces the blobs of a registry's folder by hard links to the same blobs of a layout.
func share(dir string, store *Store) error {
	blobs := filepath.Join(dir, "docker", "registry", "v2", "blobs", "sha256")
	theirs, err := filepath.Glob(filepath.Join(blobs, "*", "*", "data"))
	if err != nil {
		return err
	}
	for _, data := range theirs {
		ours := filepath.Join(store.dir, "blobs", "sha256", filepath.Base(filepath.Dir(data)))
		if err := os.Remove(data); err != nil {
			return err
		}
		if err := os.Link(ours, data); err != nil {
			return err
		}
	}
	return nil
}

// removeUnused clears away what recipes of the past have made and nobody has opened for a week.
func removeUnused() error {
	entries, err := os.ReadDir(Folder())
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || time.Since(info.ModTime()) < 7*24*time.Hour {
			continue
		}
		if err := os.RemoveAll(filepath.Join(Folder(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}
