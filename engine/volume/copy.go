package volume

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// copier copies a tree from descriptor to descriptor.
type copier struct {
	root  *os.File         // of the copy
	links map[inode]string // where in it the first name of a file with several is
	wrote bool             // content was written
}

type inode struct{ dev, ino uint64 }

// content copies what is in a folder; path is where it is in the copy.
func (c *copier) content(ctx context.Context, from, to *os.File, path string) error {
	names, err := from.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.wrote = true
		if err := c.entry(ctx, from, to, filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// entry copies one name. Devices and sockets are left out: a volume is no place for
// the former, and the latter are of no use without the process that listens.
func (c *copier) entry(ctx context.Context, from, to *os.File, path string) error {
	name := filepath.Base(path)
	var st unix.Stat_t
	if err := unix.Fstatat(int(from.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		id := inode{st.Dev, st.Ino}
		if first, ok := c.links[id]; ok {
			err := unix.Linkat(int(c.root.Fd()), first, int(to.Fd()), name, 0)
			return pathError("link", path, err)
		}
		if kind == unix.S_IFREG || kind == unix.S_IFLNK || kind == unix.S_IFIFO {
			c.links[id] = path
		}
	}
	switch kind {
	case unix.S_IFDIR:
		return c.folder(ctx, from, to, path)
	case unix.S_IFREG:
		return c.file(from, to, path)
	case unix.S_IFLNK:
		return symlink(from, to, path, &st)
	case unix.S_IFIFO:
		if err := unix.Mknodat(int(to.Fd()), name, unix.S_IFIFO|0o600, 0); err != nil {
			return pathError("make fifo", path, err)
		}
		return nameMeta(to, path, &st)
	default:
		return nil
	}
}

func (c *copier) folder(ctx context.Context, from, to *os.File, path string) error {
	name := filepath.Base(path)
	source, err := openIn(from, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it is only read
	if err := unix.Mkdirat(int(to.Fd()), name, 0o700); err != nil {
		return pathError("make", path, err)
	}
	dest, err := openIn(to, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dest.Close() //nolint:errcheck // syncfs tells of what went wrong
	if err := c.content(ctx, source, dest, path); err != nil {
		return err
	}
	return pathError("copy", path, copyMeta(source, dest))
}

func (c *copier) file(from, to *os.File, path string) error {
	name := filepath.Base(path)
	source, err := openIn(from, name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it is only read
	fd, err := unix.Openat(int(to.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return pathError("make", path, err)
	}
	dest := os.NewFile(uintptr(fd), path)
	err = copyBytes(source, dest)
	if err == nil {
		err = copyMeta(source, dest)
	}
	return pathError("copy", path, errors.Join(err, dest.Close()))
}

// copyBytes shares the blocks where the file system can, and lets the kernel copy otherwise.
func copyBytes(from, to *os.File) error {
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return nil
	}
	_, err := io.Copy(to, from) // copy_file_range(2)
	return err
}

func symlink(from, to *os.File, path string, st *unix.Stat_t) error {
	name := filepath.Base(path)
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(from.Fd()), name, target)
	if err != nil {
		return pathError("read link", path, err)
	}
	if err := unix.Symlinkat(string(target[:n]), int(to.Fd()), name); err != nil {
		return pathError("make link", path, err)
	}
	return nameMeta(to, path, st)
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path, Err: err}
}
