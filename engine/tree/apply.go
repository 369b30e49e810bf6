package tree

import (
	"archive/tar"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Apply makes the changes of a stream below root, a folder or a mount. New files belong to owner. allow is asked
// about each path first; it may be nil.
//
// Errors: engine.ErrInvalid for what is no such stream.
func Apply(root *os.File, owner Owner, stream io.Reader, allow func(name string) error) error {
	in := &inside{root: root, owner: owner}
	defer in.close()
	archive := tar.NewReader(stream)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("read changes: %w", err))
		}
		name := path.Clean("/" + h.Name)
		if name == "/" {
			continue // there always is one, and it stays
		}
		if allow != nil {
			if err := allow(name); err != nil {
				return err
			}
		}
		if err := in.change(name, h, archive); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func (in *inside) change(name string, h *tar.Header, content io.Reader) error {
	if h.PAXRecords[removedRecord] != "" {
		return in.remove(name)
	}
	parent, err := in.folder(path.Dir(name), true)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return in.putFolder(parent, name, h)
	case tar.TypeReg:
		return in.putFile(parent, path.Base(name), h, content)
	case tar.TypeSymlink:
		return in.putLink(parent, path.Base(name), h)
	default:
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("a change of kind %q", h.Typeflag))
	}
}

func (in *inside) remove(name string) error {
	parent, err := in.folder(path.Dir(name), false)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer in.close() // it may have been among what is removed
	return removeAll(parent, path.Base(name), maxDepth)
}

// putFolder makes a folder where there is none. One that is there stays as it is, and so does a link to one.
func (in *inside) putFolder(parent *os.File, name string, h *tar.Header) error {
	there, err := openIn(in.root, name, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
	if err == nil {
		return there.Close()
	}
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
		return err
	}
	base := path.Base(name)
	if err := removeAll(parent, base, maxDepth); err != nil { // a file, or a link that leads nowhere
		return err
	}
	return in.makeFolder(parent, base, modeOf(h))
}

func modeOf(h *tar.Header) uint32 { return uint32(h.Mode) & 0o7777 }

func (in *inside) putFile(parent *os.File, name string, h *tar.Header, content io.Reader) error {
	dir, temporary := int(parent.Fd()), ".tiffin-"+rand.Text()
	fd, err := unix.Openat(dir, temporary, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() //nolint:errcheck // its errors were seen
	_, err = io.Copy(f, content)
	if err == nil {
		// The owner first: a change of owner takes bits away.
		err = errors.Join(f.Chown(in.owner.UID, in.owner.GID), unix.Fchmod(fd, modeOf(h)), setTime(fd, h))
	}
	if err == nil {
		err = in.moveInto(parent, temporary, name)
		if errors.Is(err, unix.EBUSY) {
			err = errors.Join(overwrite(parent, name, f), unix.Unlinkat(dir, temporary, 0))
		}
	}
	if err != nil {
		return errors.Join(err, gone(unix.Unlinkat(dir, temporary, 0)))
	}
	return nil
}

func (in *inside) putLink(parent *os.File, name string, h *tar.Header) error {
	dir, temporary := int(parent.Fd()), ".tiffin-"+rand.Text()
	if err := unix.Symlinkat(h.Linkname, dir, temporary); err != nil {
		return err
	}
	err := unix.Fchownat(dir, temporary, in.owner.UID, in.owner.GID, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = in.moveInto(parent, temporary, name)
	}
	if err != nil {
		return errors.Join(err, gone(unix.Unlinkat(dir, temporary, 0)))
	}
	return nil
}

// moveInto puts what was made under another name in its place, and a folder there out of the way.
func (in *inside) moveInto(parent *os.File, temporary, name string) error {
	dir := int(parent.Fd())
	err := unix.Renameat(dir, temporary, dir, name)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	if err := removeAll(parent, name, maxDepth); err != nil {
		return err
	}
	return unix.Renameat(dir, temporary, dir, name)
}

// overwrite writes into a file that something is mounted on: it cannot be replaced.
func overwrite(parent *os.File, name string, content *os.File) error {
	if what, err := kind(parent, name); what != unix.S_IFREG || err != nil {
		return errors.Join(err, unix.EBUSY)
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_WRONLY|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := content.Seek(0, io.SeekStart); err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

func setTime(fd int, h *tar.Header) error {
	if h.ModTime.IsZero() {
		return nil
	}
	at, err := unix.TimeToTimespec(h.ModTime)
	if err != nil {
		return nil //nolint:nilerr // a time that the kernel does not know
	}
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{{Nsec: unix.UTIME_OMIT}, at}, unix.AT_EMPTY_PATH)
}
