package archive

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Owners says whose what is unpacked will be.
type Owners int

// The choices.
const (
	Callers Owners = iota // whose the process is
	Roots                 // root's
	Named                 // whom the stream names
)

// UnpackOptions say how files are made.
type UnpackOptions struct {
	Owners Owners
	// Modes are the bits of a mode that are taken from the stream; 0: all.
	Modes uint32
	// FollowParents lets a name of the stream lead through links that are there: var/run/x, where var/run is a link.
	FollowParents bool
	// Devices makes device nodes; else they are refused.
	Devices bool
}

// Unpack makes the files of a tar stream in a folder below root. A file takes the place of another one at one
// stroke; a folder is merged into the one that is there; neither takes the place of the other. No name of the
// stream leads out of the folder, or, with FollowParents, out of root.
//
// Errors: engine.ErrInvalid for what is no tar, engine.ErrConflict for a file where a folder is.
func Unpack(ctx context.Context, r io.Reader, root *os.File, folder string, o UnpackOptions) error {
	to, err := openAt(root, path.Clean("/"+folder), unix.O_DIRECTORY)
	if err != nil {
		return problem(folder, err)
	}
	defer to.Close() //nolint:errcheck // O_PATH
	if o.Modes == 0 {
		o.Modes = 0o7777
	}
	u := unpacker{o: o, root: root, folder: path.Clean("/" + folder), to: to}
	t := tar.NewReader(&interruptible{ctx, r})
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("read tar: %w", err))
		}
		if err := u.entry(h, t); err != nil {
			return err
		}
	}
}

type unpacker struct {
	o      UnpackOptions
	root   *os.File
	folder string
	to     *os.File
	// folders get their modes and times last: what is made in them would change the times, and a mode may forbid it.
	folders []*tar.Header
}

// cleanName is the name of an entry below the folder; "" for the folder itself.
func cleanName(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", engine.Problem(engine.ErrInvalid, fmt.Errorf("refused: the name %q in the tar leads out of it", name))
		}
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(h.Name)
	if err != nil || name == "" {
		return err
	}
	h.Name = name
	dir, err := u.parent(path.Dir(name))
	if err == nil {
		err = errors.Join(u.place(dir, h, content), dir.Close())
	}
	return problem(name, err)
}

// parent opens the folder that an entry is made in, and makes what of it is missing.
func (u *unpacker) parent(name string) (*os.File, error) {
	dir, err := u.open(name)
	if !errors.Is(err, unix.ENOENT) || name == "." {
		return dir, err
	}
	above, err := u.parent(path.Dir(name))
	if err != nil {
		return nil, err
	}
	defer above.Close() //nolint:errcheck // O_PATH
	if err := unix.Mkdirat(int(above.Fd()), path.Base(name), 0o755); err != nil {
		return nil, err
	}
	if err := u.own(above, path.Base(name), &tar.Header{}); err != nil {
		return nil, err
	}
	return u.open(name)
}

func (u *unpacker) open(name string) (*os.File, error) {
	dir, err := openBelow(u.to, name)
	if (errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR)) && u.o.FollowParents {
		return openAt(u.root, path.Join(u.folder, name), unix.O_DIRECTORY)
	}
	return dir, err
}

// place makes one entry in its folder.
func (u *unpacker) place(dir *os.File, h *tar.Header, content io.Reader) error {
	base := path.Base(h.Name)
	var st unix.Stat_t
	err := unix.Fstatat(int(dir.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	there, isFolder := err == nil, st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch wanted := h.Typeflag == tar.TypeDir; {
	case there && isFolder && !wanted:
		return engine.Problem(engine.ErrConflict, fmt.Errorf("cannot overwrite directory %q with non-directory", printable(h.Name)))
	case there && !isFolder && wanted:
		return engine.Problem(engine.ErrConflict, fmt.Errorf("cannot overwrite non-directory %q with directory", printable(h.Name)))
	case wanted:
		if !there {
			if err := unix.Mkdirat(int(dir.Fd()), base, 0o700); err != nil {
				return err
			}
		}
		u.folders = append(u.folders, h)
		return u.own(dir, base, h)
	case there && isMounted(dir, base):
		return unix.EBUSY
	}
	// Under a name of its own until it is complete: who looks at it meanwhile sees the old one.
	temp := ".tiffin-" + rand.Text()
	if err := u.make(dir, temp, h, content); err != nil {
		return errors.Join(err, remove(dir, temp))
	}
	if err := unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), base); err != nil {
		return errors.Join(err, remove(dir, temp))
	}
	if h.Typeflag == tar.TypeLink {
		return remove(dir, temp) // rename(2) does nothing when both were the same file
	}
	return nil
}

// isMounted says whether something is mounted on a file. rename(2) looks at the caller's own mounts only: in a container's
// it would take the mount away.
func isMounted(dir *os.File, base string) bool {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), base, unix.AT_SYMLINK_NOFOLLOW, 0, &st)
	return err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}

// remove removes what may not be there any more.
func remove(dir *os.File, name string) error {
	if err := unix.Unlinkat(int(dir.Fd()), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

// make makes anything but a folder.
func (u *unpacker) make(dir *os.File, name string, h *tar.Header, content io.Reader) error {
	fd := int(dir.Fd())
	var err error
	switch h.Typeflag {
	case tar.TypeReg:
		return u.file(dir, name, h, content)
	case tar.TypeLink:
		return u.hardLink(dir, name, h)
	case tar.TypeSymlink:
		if err := unix.Symlinkat(h.Linkname, fd, name); err != nil {
			return err
		}
		return errors.Join(u.own(dir, name, h), times(fd, name, h, unix.AT_SYMLINK_NOFOLLOW))
	case tar.TypeFifo:
		err = unix.Mknodat(fd, name, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar, tar.TypeBlock:
		if !u.o.Devices {
			return engine.Hint(engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s: a device node is not copied into a container", printable(h.Name))),
				"give the container devices by `devices:` of its service")
		}
		kind := uint32(unix.S_IFCHR)
		if h.Typeflag == tar.TypeBlock {
			kind = unix.S_IFBLK
		}
		err = unix.Mknodat(fd, name, kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	default:
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s: entries of kind %q are not known", printable(h.Name), h.Typeflag))
	}
	if err != nil {
		return err
	}
	return u.dress(dir, name, h)
}

func (u *unpacker) file(dir *os.File, name string, h *tar.Header, content io.Reader) error {
	f, err := openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil {
		err = u.own(dir, name, h)
	}
	if caps := h.PAXRecords[paxXattr+xattrCapability]; err == nil && caps != "" && u.o.Owners != Callers {
		err = unix.Fsetxattr(int(f.Fd()), xattrCapability, []byte(caps), 0)
	}
	if err == nil {
		err = unix.Fchmod(int(f.Fd()), uint32(h.Mode)&u.o.Modes)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return times(int(dir.Fd()), name, h, unix.AT_SYMLINK_NOFOLLOW)
}

// hardLink gives a file of the stream a further name; it is looked for in the folder alone.
func (u *unpacker) hardLink(dir *os.File, name string, h *tar.Header) error {
	first, err := cleanName(h.Linkname)
	if err != nil {
		return err
	}
	from, err := u.open(path.Dir(first))
	if err != nil {
		return fmt.Errorf("link to %s: %w", printable(first), err)
	}
	defer from.Close() //nolint:errcheck // O_PATH
	return unix.Linkat(int(from.Fd()), path.Base(first), int(dir.Fd()), name, 0)
}

// own gives what was made its owner.
func (u *unpacker) own(dir *os.File, name string, h *tar.Header) error {
	uid, gid := 0, 0
	switch u.o.Owners {
	case Callers:
		return nil
	case Named:
		uid, gid = h.Uid, h.Gid
	case Roots:
	}
	return unix.Fchownat(int(dir.Fd()), name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// dress gives a pipe or device its owner, mode and time. Who else may write to the folder could put a link in
// its place meanwhile, so it is held.
func (u *unpacker) dress(dir *os.File, name string, h *tar.Header) error {
	if err := u.own(dir, name, h); err != nil {
		return err
	}
	return u.mode(dir, name, h)
}

// mode gives a folder, pipe or device its mode and time.
func (u *unpacker) mode(dir *os.File, name string, h *tar.Header) error {
	f, err := openat(dir, name, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // O_PATH
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil // another has put it there
	}
	// By the descriptor: fchmodat(2) follows links, and fchmod(2) refuses O_PATH.
	if err := unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), uint32(h.Mode)&u.o.Modes); err != nil {
		return err
	}
	return times(int(f.Fd()), "", h, unix.AT_EMPTY_PATH)
}

func times(dir int, name string, h *tar.Header, flags int) error {
	at := h.AccessTime
	if at.IsZero() {
		at = time.Now()
	}
	ts := []unix.Timespec{unix.NsecToTimespec(at.UnixNano()), unix.NsecToTimespec(h.ModTime.UnixNano())}
	return unix.UtimesNanoAt(dir, name, ts, flags)
}

// finish gives the folders their modes and times, the innermost first.
func (u *unpacker) finish() error {
	for _, h := range slices.Backward(u.folders) {
		dir, err := u.open(path.Dir(h.Name))
		if err == nil {
			err = errors.Join(u.mode(dir, path.Base(h.Name), h), dir.Close())
		}
		if err != nil && !errors.Is(err, unix.ENOENT) { // another has removed it
			return problem(h.Name, err)
		}
	}
	return nil
}
