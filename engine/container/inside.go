package container

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/ocispec"
)

// maxAccounts bounds passwd and group files: they are the image's, or the container's.
const maxAccounts = 16 << 20

// readInside reads a regular file below root. No link leads out of root, and a pipe or
// device in its place is refused rather than waited for. A missing file is nil.
func readInside(root *os.File, path string) ([]byte, error) {
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxAccounts {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s is no regular file of at most %d MiB", path, maxAccounts>>20))
	}
	return io.ReadAll(io.LimitReader(f, maxAccounts))
}

// lookUp finds a user in the files below root.
func lookUp(root *os.File, spec string, groups []string) (ocispec.Identity, error) {
	passwd, err := readInside(root, "etc/passwd")
	if err != nil {
		return ocispec.Identity{}, err
	}
	group, err := readInside(root, "etc/group")
	if err != nil {
		return ocispec.Identity{}, err
	}
	return ocispec.Lookup(spec, bytes.NewReader(passwd), bytes.NewReader(group), groups)
}
