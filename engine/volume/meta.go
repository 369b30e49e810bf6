package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// copyMeta gives to what from has beside content. The order counts: a new owner clears
// setuid bits and file capabilities.
func copyMeta(from, to *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return err
	}
	fd := int(to.Fd())
	if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	if err := copyXattrs(int(from.Fd()), fd); err != nil {
		return err
	}
	return unix.UtimesNanoAt(fd, "", times(&st), unix.AT_EMPTY_PATH)
}

// nameMeta does the same for what cannot be opened, such as a symbolic link.
func nameMeta(dir *os.File, path string, st *unix.Stat_t) error {
	name, fd := filepath.Base(path), int(dir.Fd())
	if err := unix.Fchownat(fd, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return pathError("set owner of", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		// We have just made it, in a folder that is ours alone: it is no link.
		if err := unix.Fchmodat(fd, name, st.Mode&0o7777, 0); err != nil {
			return pathError("set mode of", path, err)
		}
	}
	return pathError("set times of", path, unix.UtimesNanoAt(fd, name, times(st), unix.AT_SYMLINK_NOFOLLOW))
}

func times(st *unix.Stat_t) []unix.Timespec { return []unix.Timespec{st.Atim, st.Mtim} }

// copyXattrs copies file capabilities, access lists and what users have set; what is
// the image store's own (trusted., user.overlay.) or the host's (SELinux) stays behind.
func copyXattrs(from, to int) error {
	names, err := xattr(func(b []byte) (int, error) { return unix.Flistxattr(from, b) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(string(names), "\x00") {
		wanted := name == "security.capability" || strings.HasPrefix(name, "system.posix_acl_") || strings.HasPrefix(name, "user.")
		if !wanted || strings.HasPrefix(name, "user.overlay.") {
			continue
		}
		value, err := xattr(func(b []byte) (int, error) { return unix.Fgetxattr(from, name, b) })
		if err != nil {
			return err
		}
		if err := unix.Fsetxattr(to, name, value, 0); err != nil && !errors.Is(err, unix.ENOTSUP) {
			return err
		}
	}
	return nil
}

// xattr calls get with a buffer that is large enough.
func xattr(get func([]byte) (int, error)) ([]byte, error) {
	for {
		size, err := get(nil)
		if err != nil || size == 0 {
			return nil, err
		}
		b := make([]byte, size)
		n, err := get(b)
		if !errors.Is(err, unix.ERANGE) {
			return b[:max(n, 0)], err
		}
	}
}
