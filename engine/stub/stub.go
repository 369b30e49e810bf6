// Package stub makes the mount points that a root filesystem lacks.
//
// They are made before a job, and taken away after it: they are not part of what it built.
// The folder that one is made in is held open meanwhile, so that nothing which the job puts
// in its place is removed instead (CVE-2024-23652), and keeps its times.
package stub

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Point is a place where something will be mounted.
type Point struct {
	Target string // absolute
	IsDir  bool
}

// Stubs are the mount points that were made.
type Stubs struct{ made []stub }

type stub struct {
	parent *os.File // the folder that was there
	names  []string // what was made in it, one below the other
}

// Make makes the mount points that root lacks. One below another is left to the
// runtime, which will find it in what is mounted there. What was made before an error is
// returned, too.
func Make(root *os.File, points []Point) (*Stubs, error) {
	s := &Stubs{}
	for _, p := range points {
		below := func(o Point) bool { return strings.HasPrefix(path.Clean(p.Target), path.Clean(o.Target)+"/") }
		if slices.ContainsFunc(points, below) {
			continue
		}
		if err := s.make(root, p); err != nil {
			return s, fmt.Errorf("mount point %s: %w", p.Target, err)
		}
	}
	return s, nil
}

func (s *Stubs) make(root *os.File, p Point) error {
	parent, names, err := locate(root, p.Target)
	if err != nil || len(names) == 0 {
		return err
	}
	s.made = append(s.made, stub{parent, names})
	return keepingTimes(parent, func() error {
		if !p.IsDir {
			return makeFile(parent, names)
		}
		return makeFolders(parent, names, Owner{})
	})
}

// Sweep removes what was made and is as it was, and with all the folders above it that
// were made for it.
func (s *Stubs) Sweep(all bool) error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, st := range slices.Backward(s.made) {
		errs = append(errs, keepingTimes(st.parent, func() error { return st.remove(all) }), st.parent.Close())
	}
	s.made = nil
	return errors.Join(errs...)
}

func (st *stub) remove(all bool) error { //nolint:revive // see Sweep
	for n := len(st.names); n > 0; n-- {
		gone, err := removeEmpty(st.parent, st.names[:n])
		if err != nil || !gone || !all {
			return err
		}
	}
	return nil
}

// removeEmpty removes an empty folder or file. It says whether nothing is left there.
func removeEmpty(parent *os.File, names []string) (gone bool, err error) {
	dir, err := openBeneath(parent, names[:len(names)-1])
	if err != nil {
		return false, nil // the job has put something else there: that stays
	}
	defer unix.Close(dir) //nolint:errcheck // only looked through
	name := names[len(names)-1]
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return errors.Is(err, unix.ENOENT), nil
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0:
		err = unix.Unlinkat(dir, name, 0)
	default:
		return false, nil
	}
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EROFS) {
		return false, nil
	}
	return err == nil, err
}

// openBeneath opens a folder below dir, through no link.
func openBeneath(dir *os.File, names []string) (int, error) {
	return unix.Openat2(int(dir.Fd()), path.Join(append([]string{"."}, names...)...), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
}

// keepingTimes does something in a folder whose times stay as they are.
func keepingTimes(dir *os.File, do func() error) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	err := do()
	times := []unix.Timespec{st.Atim, st.Mtim}
	return errors.Join(err, unix.UtimesNanoAt(int(dir.Fd()), "", times, unix.AT_EMPTY_PATH))
}

// maxLinks bounds the links that a path leads through, as in the kernel.
const maxLinks = 40

// locate finds the deepest folder of a path that is there, and the names that are
// missing below it: none when all is. No link leads out of root.
func locate(root *os.File, target string) (*os.File, []string, error) {
	for range maxLinks {
		names := strings.Split(strings.Trim(path.Clean("/"+target), "/"), "/")
		dir, deep, err := deepest(root, names)
		if err != nil {
			return nil, nil, err
		}
		if deep == len(names) {
			return nil, nil, dir.Close()
		}
		link, err := readLink(dir, names[deep])
		if errors.Is(err, unix.ENOENT) {
			return dir, names[deep:], nil
		}
		closed := dir.Close()
		switch {
		case errors.Is(err, unix.EINVAL): // it is there, and neither a folder nor a link
			return nil, nil, closed
		case err != nil, closed != nil:
			return nil, nil, errors.Join(err, closed)
		}
		// It leads to what is not there: that is what a mount on it makes.
		if !path.IsAbs(link) {
			link = path.Join("/", path.Join(names[:deep]...), link)
		}
		target = path.Join(append([]string{link}, names[deep+1:]...)...)
	}
	return nil, nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s: %w", target, unix.ELOOP))
}

// deepest opens the deepest folder of a path that is there, and says how many of the
// names lead to it.
func deepest(root *os.File, names []string) (*os.File, int, error) {
	for deep := len(names); ; deep-- {
		fd, err := openInside(root, names[:deep])
		if err == nil {
			return os.NewFile(uintptr(fd), "/"+path.Join(names[:deep]...)), deep, nil
		}
		// Only the last name may be of something else than a folder.
		missing := errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) && deep == len(names)
		if !missing || deep == 0 {
			return nil, 0, err
		}
	}
}

// openInside opens a folder of a root filesystem.
func openInside(root *os.File, names []string) (int, error) {
	return unix.Openat2(int(root.Fd()), path.Join(append([]string{"/"}, names...)...), &unix.OpenHow{
		Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

func readLink(dir *os.File, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// Owner is who a folder is made for; the zero value is root.
type Owner struct{ UID, GID int }

// makeFolders makes folders one below the other.
func makeFolders(parent *os.File, names []string, o Owner) error {
	for i, name := range names {
		dir, err := openBeneath(parent, names[:i])
		if err != nil {
			return err
		}
		err = unix.Mkdirat(dir, name, 0o755)
		if err == nil {
			err = unix.Fchownat(dir, name, o.UID, o.GID, unix.AT_SYMLINK_NOFOLLOW)
		}
		if err = errors.Join(err, unix.Close(dir)); err != nil {
			return err
		}
	}
	return nil
}

// makeFile makes an empty file, and the folders above it.
func makeFile(parent *os.File, names []string) error {
	last := len(names) - 1
	if err := makeFolders(parent, names[:last], Owner{}); err != nil {
		return err
	}
	dir, err := openBeneath(parent, names[:last])
	if err != nil {
		return err
	}
	fd, err := unix.Openat(dir, names[last], unix.O_CREAT|unix.O_EXCL|unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if err == nil {
		err = unix.Close(fd)
	}
	return errors.Join(err, unix.Close(dir))
}

// File makes an empty file of a root filesystem, and the folders above it, if it is missing.
func File(root *os.File, target string) error {
	parent, names, err := locate(root, target)
	if err != nil || len(names) == 0 {
		return err
	}
	return errors.Join(makeFile(parent, names), parent.Close())
}

// Folder makes a folder of a root filesystem, and those above it, if they are missing.
func Folder(root *os.File, dir string, o Owner) error {
	parent, names, err := locate(root, dir)
	if err != nil || len(names) == 0 {
		return err
	}
	return errors.Join(makeFolders(parent, names, o), parent.Close())
}
