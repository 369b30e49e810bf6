package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// The folders in which content is brought together, in the volume itself:
//
//	(empty) ──▶ copying ──▶ copied ──▶ (content)
//	              │ ▲          │ ▲
//	              └─┘ start    └─┘ go on
//
// The renames are what makes each step happen at once. After a crash, a volume with
// copying in it begins again, one with copied in it goes on; one with anything else
// in it is somebody's data and left alone.
const (
	copying = ".tiffin-copying"
	copied  = ".tiffin-copied"
)

// Populate gives a new volume what the image has at path: content, owners and modes.
// root is the root of the container's file system. A volume that is not empty, and a
// path that the image has not, are left as they are.
func Populate(ctx context.Context, v engine.Volume, root *os.File, path string) error {
	if err := populate(ctx, v.Mountpoint, root, path); err != nil {
		return fmt.Errorf("copy the image's %s into volume %s: %w", path, v.Name, err)
	}
	return nil
}

func populate(ctx context.Context, dir string, root *os.File, path string) error {
	to, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing is written through it
	names, err := to.Readdirnames(-1)
	if err != nil {
		return err
	}
	from, err := openFolder(root, path)
	if from == nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it is only read
	switch {
	case slices.Contains(names, copied):
		return settle(to, from)
	case slices.Contains(names, copying):
		if err := removeIn(to, copying); err != nil {
			return err
		}
	case len(names) > 0:
		return nil
	}
	if err := stage(ctx, to, from); err != nil {
		return err
	}
	return settle(to, from)
}

// openFolder opens a directory of the image; nil when it has none there.
func openFolder(root *os.File, path string) (*os.File, error) {
	handle, err := pathrs.OpenatInRoot(root, path)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer handle.Close() //nolint:errcheck // O_PATH
	if info, err := handle.Stat(); err != nil || !info.IsDir() {
		return nil, err
	}
	return pathrs.Reopen(handle, unix.O_RDONLY|unix.O_DIRECTORY)
}

// stage copies everything into a folder of the volume, and names it copied once all of it is on disk.
func stage(ctx context.Context, to, from *os.File) error {
	if err := unix.Mkdirat(int(to.Fd()), copying, 0o700); err != nil {
		return err
	}
	into, err := openIn(to, copying, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer into.Close() //nolint:errcheck // what was written is synced
	c := copier{root: into, links: map[inode]string{}}
	if err := c.content(ctx, from, into, ""); err != nil {
		return errors.Join(err, removeIn(to, copying))
	}
	if c.wrote {
		if err := unix.Syncfs(int(into.Fd())); err != nil {
			return err
		}
	}
	return unix.Renameat(int(to.Fd()), copying, int(to.Fd()), copied)
}

// settle moves what was copied to its place and gives the volume the folder's owner and mode.
func settle(to, from *os.File) error {
	stage, err := openIn(to, copied, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer stage.Close() //nolint:errcheck // it is only read
	names, err := stage.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := unix.Renameat(int(stage.Fd()), name, int(to.Fd()), name); err != nil {
			return &os.PathError{Op: "rename", Path: name, Err: err}
		}
	}
	if err := copyMeta(from, to); err != nil {
		return err
	}
	return unix.Unlinkat(int(to.Fd()), copied, unix.AT_REMOVEDIR)
}

// openIn opens an entry of a folder, never what a symbolic link leads to.
func openIn(dir *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// removeIn removes a folder in a folder, with all it holds.
func removeIn(dir *os.File, name string) error {
	root, err := os.OpenRoot(fmt.Sprintf("/proc/self/fd/%d", dir.Fd())) // the name may be another's by now
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	return root.RemoveAll(name)
}
