package tree

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Owner is who new files belong to.
type Owner struct{ UID, GID int }

// inside is a root filesystem that is being changed.
type inside struct {
	root  *os.File
	owner Owner

	// dir is the folder that was opened last: most entries of a stream lie beside the one before.
	dir  *os.File
	name string
}

func (in *inside) close() {
	if in.dir != nil {
		_ = in.dir.Close() // only looked through
		in.dir = nil
	}
}

// folder opens a folder, which belongs to in. With missing it makes what is not there.
func (in *inside) folder(name string, missing bool) (*os.File, error) {
	if in.dir != nil && in.name == name {
		return in.dir, nil
	}
	dir, err := in.open(name, missing)
	if err != nil {
		return nil, err
	}
	in.close()
	in.dir, in.name = dir, name
	return dir, nil
}

func (in *inside) open(name string, missing bool) (*os.File, error) { //nolint:revive // see folder
	dir, err := openIn(in.root, name, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if !missing || !errors.Is(err, unix.ENOENT) || name == "/" {
		return dir, err
	}
	parent, err := in.open(path.Dir(name), missing)
	if err != nil {
		return nil, err
	}
	defer parent.Close() //nolint:errcheck // only looked through
	if err := in.makeFolder(parent, path.Base(name), 0o755); err != nil {
		return nil, err
	}
	return openIn(parent, path.Base(name), unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
}

func (in *inside) makeFolder(parent *os.File, name string, mode uint32) error {
	fd := int(parent.Fd())
	if err := unix.Mkdirat(fd, name, 0o700); err != nil {
		return err
	}
	return errors.Join(
		unix.Fchownat(fd, name, in.owner.UID, in.owner.GID, unix.AT_SYMLINK_NOFOLLOW),
		unix.Fchmodat(fd, name, mode, 0))
}

// resolveAttempts bounds how often the kernel is asked again about a path that is renamed meanwhile.
const resolveAttempts = 32

// openIn opens a folder below another one.
func openIn(below *os.File, name string, resolve uint64) (*os.File, error) {
	var fd int
	err := error(unix.EAGAIN)
	for range resolveAttempts {
		fd, err = unix.Openat2(int(below.Fd()), name, &unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: resolve})
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// kind is what a name of a folder is, 0 for nothing.
func kind(dir *os.File, name string) (uint32, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	return st.Mode & unix.S_IFMT, err
}

// maxDepth bounds how deep a tree is removed: each level holds a descriptor.
const maxDepth = 512

// removeAll removes a name of a folder and all below it, following no link.
func removeAll(dir *os.File, name string, depth int) error {
	what, err := kind(dir, name)
	if what == 0 || err != nil {
		return err
	}
	if what != unix.S_IFDIR {
		return gone(unix.Unlinkat(int(dir.Fd()), name, 0))
	}
	if depth == 0 {
		return fmt.Errorf("%s: %w", name, unix.ENAMETOOLONG)
	}
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return gone(err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() //nolint:errcheck // only looked through
	names, err := f.Readdirnames(-1)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, n := range names {
		if err := removeAll(f, n, depth-1); err != nil {
			return err
		}
	}
	return gone(unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR))
}

// gone is err, unless that says that there is nothing any more.
func gone(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
