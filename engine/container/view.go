package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/ocispec"
	enginert "tiffin/engine/runtime"
	"tiffin/engine/stub"
	"tiffin/engine/volume"
)

// Access says what is done with a container's files.
type Access int

// The ways.
const (
	Reading Access = iota
	Writing
)

// errStarted says that a container was started before its files were looked at as those of a stopped one.
var errStarted = errors.New("it was started meanwhile")

// Files calls use with the root of the container's files: as its first process sees them, or, when none runs, with its
// volumes and binds mounted for the purpose. While a stopped container is written to, it is not started.
func (c *Container) Files(ctx context.Context, access Access, use func(root *os.File) error) error {
	for {
		if r := c.running(); r != nil {
			root, err := r.openRoot()
			if err == nil {
				return errors.Join(use(root), root.Close())
			}
			if !errors.Is(err, engine.ErrConflict) || c.running() == r {
				return err
			}
		}
		var err error
		if access == Reading {
			err = c.stoppedFiles(ctx, access, use)
		} else {
			err = c.whileStopped(ctx, func() error {
				c.still.Lock() // watch writes, too: the layer is never mounted twice to be written to
				defer c.still.Unlock()
				return c.stoppedFiles(ctx, access, use)
			})
		}
		if !errors.Is(err, errStarted) {
			return err
		}
	}
}

// whileStopped calls do in the container's goroutine, if it does not run. It returns only after do has, whatever ctx.
func (c *Container) whileStopped(ctx context.Context, do func() error) error {
	return c.Super.Do(context.WithoutCancel(ctx), func(context.Context) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case c.running() != nil:
			return errStarted
		default:
			return do()
		}
	})
}

// RootFiles calls use with the root of the image's and the container's own files, without what is mounted in it.
func (c *Container) RootFiles(ctx context.Context, use func(root *os.File) error) error {
	root, err := c.stack(ctx, Reading)
	if err != nil {
		return err
	}
	return errors.Join(use(root), root.Close())
}

// upper is the folder of the container's writable layer; it is missing when it was never started.
func (c *Container) upper() string { return filepath.Join(c.rooms.Data, c.ID, "upper") }

// stack stacks the image's layers and the container's own. To read them, the container's own is one more of the lower
// ones: the kernel wants nobody else to have it as the upper one, should the container start meanwhile.
func (c *Container) stack(ctx context.Context, access Access) (*os.File, error) {
	record := c.Snapshot()
	layers, err := c.rooms.Images.Rootfs(ctx, record.ImageID)
	if err != nil {
		return nil, err
	}
	upper, work := c.upper(), filepath.Join(filepath.Dir(c.upper()), "work")
	if access == Reading {
		if _, err := os.Stat(upper); err == nil {
			layers.Lower = append([]string{upper}, layers.Lower...)
		}
		return enginert.MountOverlay(layers.Lower, "", "")
	}
	if err := makeUpper(upper, work); err != nil {
		return nil, err
	}
	return enginert.MountOverlay(layers.Lower, upper, work)
}

// makeUpper makes the folders of a writable layer that are not there. A new one has the marker in it; an old one has
// what the container has made of it.
func makeUpper(upper, work string) error {
	if err := os.MkdirAll(work, 0o755); err != nil { //nolint:gosec // the folder above the root is closed
		return err
	}
	err := os.Mkdir(upper, 0o755) //nolint:gosec // it is the container's / for all its users
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(upper, ocispec.Marker), nil, 0o755) //nolint:gosec,forbidigo // all may see it, as Docker's; it is empty
}

// stoppedFiles is Files of a container without a process.
func (c *Container) stoppedFiles(ctx context.Context, access Access, use func(root *os.File) error) error {
	record := c.Snapshot()
	// A user of the volumes beside the container, which may start and end meanwhile.
	user := c.ID + "/" + rand.Text()
	for _, v := range c.rooms.volumes(&record) {
		if err := c.rooms.Mounts.Use(ctx, v, user); err != nil {
			return err
		}
		defer func() {
			if err := c.rooms.Mounts.Leave(v, user); err != nil {
				c.rooms.Log.Warn("volume not unmounted", "volume", v.Name, "err", err)
			}
		}()
	}
	root, err := c.stack(ctx, access)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	if record.Spec.ReadOnly && access == Writing {
		if err := unix.MountSetattr(int(root.Fd()), "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make the root read-only: %w", err)
		}
	}
	at, err := os.MkdirTemp(c.rooms.Run, "files")
	if err != nil {
		return err
	}
	defer os.Remove(at) //nolint:errcheck // it is empty, and goes with the run root
	return inOwnMounts(func() error {
		if err := unix.MoveMount(int(root.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("attach the root: %w", err)
		}
		if err := mountStorage(root, record.Mounts, access); err != nil {
			return err
		}
		return use(root)
	})
}

// inOwnMounts calls do on a thread with mounts of its own, which end with it. They are nobody else's to see.
func inOwnMounts(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, "")
		}
		if err != nil {
			done <- fmt.Errorf("make mounts of its own: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}

// mountStorage mounts volumes and binds below root, the outermost first.
func mountStorage(root *os.File, points []engine.MountPoint, access Access) error {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b engine.MountPoint) int { return len(a.Destination) - len(b.Destination) })
	for i := range points {
		p := &points[i]
		if p.Type != engine.MountVolume && p.Type != engine.MountBind {
			continue
		}
		if err := mountPart(root, p, access); err != nil {
			return fmt.Errorf("mount %s: %w", p.Destination, err)
		}
	}
	return nil
}

func mountPart(root *os.File, p *engine.MountPoint, access Access) error {
	source, err := openSource(p)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it is mounted
	isDir, err := isFolder(source)
	if err != nil {
		return err
	}
	if access == Writing {
		if err := makeMountPoint(root, p.Destination, isDir); err != nil {
			return err
		}
	}
	fd, err := unix.Openat2(int(root.Fd()), p.Destination, &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ENOENT) {
		return nil // it was never started, and only read: there is nothing to be seen yet
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // O_PATH
	if p.ReadOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(int(source.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
			return fmt.Errorf("make it read-only: %w", err)
		}
	}
	return unix.MoveMount(int(source.Fd()), "", fd, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
}

// openSource clones what is mounted.
func openSource(p *engine.MountPoint) (*os.File, error) {
	if p.Type == engine.MountBind {
		if _, err := volume.CheckBind(p.Spec); err != nil { // it may have gone since create
			return nil, err
		}
	}
	f, err := os.OpenFile(p.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only looked through
	if p.Type == engine.MountVolume && p.Spec.Subpath != "" {
		return cloneBelow(f, p.Spec.Subpath)
	}
	return cloneOf(f)
}

// makeMountPoint makes what is missing of a mount point, as a start does.
func makeMountPoint(root *os.File, target string, isDir bool) error { //nolint:revive // of what kind
	if isDir {
		return ignoring(stub.Folder(root, target, stub.Owner{}), unix.EROFS)
	}
	return ignoring(stub.File(root, target), unix.EROFS)
}
