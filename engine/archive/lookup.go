package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
)

// maxLinks bounds the links that a path ends in, as in the kernel.
const maxLinks = 40

// inRoot keeps a look-up below its root, whatever is changed there meanwhile.
const inRoot = unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS

// Look says what is at a path below root. When nothing is there, it says so if its folder is; with
// Follow, of what a link leads to.
//
// Errors: engine.ErrNotFound when the folder is not there either.
func Look(root *os.File, name string, follow bool) (call.FileStat, error) { //nolint:revive // as -L of docker cp
	name = path.Clean("/" + name)
	for range maxLinks {
		f, err := openAt(root, name, unix.O_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			return missing(root, name)
		}
		if err != nil {
			return call.FileStat{}, problem(name, err)
		}
		stat, err := statOf(f, name)
		link := ""
		if err == nil && stat.Mode&fs.ModeSymlink != 0 {
			link, err = readLink(f, "")
			stat.Target = link
		}
		if err = errors.Join(err, f.Close()); err != nil || link == "" || !follow {
			return stat, problem(name, err)
		}
		if !path.IsAbs(link) {
			link = path.Join(path.Dir(name), link)
		}
		name = path.Clean("/" + link)
	}
	return call.FileStat{}, problem(name, unix.ELOOP)
}

// missing is the answer about a name that is free, in a folder that is there.
func missing(root *os.File, name string) (call.FileStat, error) {
	dir, err := openAt(root, path.Dir(name), unix.O_DIRECTORY)
	if err != nil {
		return call.FileStat{}, problem(name, err)
	}
	return call.FileStat{Path: name, Missing: true}, dir.Close()
}

// openAt looks a path up below root; flags say more of what it must be.
func openAt(root *os.File, name string, flags uint64) (*os.File, error) {
	return open2(root, name, unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: inRoot})
}

// openBelow opens a folder below dir, through no link.
func openBelow(dir *os.File, name string) (*os.File, error) {
	return open2(dir, name, unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
}

func open2(dir *os.File, name string, how unix.OpenHow) (*os.File, error) {
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, &how)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), name), nil
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // something was renamed meanwhile: look again
		default:
			return nil, err
		}
	}
}

// readLink reads a link in dir, or dir itself when it is opened as one.
func readLink(dir *os.File, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func statOf(f *os.File, name string) (call.FileStat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return call.FileStat{}, err
	}
	return call.FileStat{
		Path: name, Mode: modeOf(st.Mode), Size: st.Size, Modified: time.Unix(st.Mtim.Unix()),
	}, nil
}

// modeOf is a mode of the kernel's as Go has it.
func modeOf(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for bit, has := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if mode&bit != 0 {
			m |= has
		}
	}
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFIFO:
		m |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		m |= fs.ModeSocket
	case unix.S_IFCHR:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		m |= fs.ModeDevice
	}
	return m
}

// problem gives an error of the kernel about a path its kind, and says what to do about it.
func problem(name string, err error) error {
	if err == nil {
		return nil
	}
	text := fmt.Errorf("%s: %w", printable(name), err)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return engine.Problem(engine.ErrNotFound, text)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENAMETOOLONG):
		return engine.Problem(engine.ErrInvalid, text)
	case errors.Is(err, unix.EROFS):
		return engine.Hint(engine.Problem(engine.ErrDenied, text), "what is mounted there is read-only: copy into a volume or a tmpfs that is not")
	case errors.Is(err, unix.EBUSY):
		return engine.Hint(engine.Problem(engine.ErrConflict, text), "a file is mounted there: change the one that it was mounted from")
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return engine.Problem(engine.ErrDenied, text)
	default:
		return text
	}
}

// printable keeps what a container calls its files from moving the cursor.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return fmt.Sprintf("%q", name)
	}
	return name
}
