package layer

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// folders are those that a layer's entries lie in: true for one that has an entry itself.
type folders map[string]bool

// see notes an entry and the folders that it lies in.
func (f folders) see(name string, isDir bool) { //nolint:revive // of the entry, not of this function
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if isDir {
		f[name] = true
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, ok := f[dir]; ok {
			return
		}
		f[dir] = false
	}
}

// implied lists those without an entry, parents first.
func (f folders) implied() []string {
	var list []string
	for dir, has := range f {
		if !has && dir != "" {
			list = append(list, dir)
		}
	}
	slices.Sort(list)
	return list
}

// Inherit gives the implied folders of the layer in dir the owner, mode and times that they have in the layers
// below, top first: in the stack it is the upper layer that counts. What none of them has is left as it is.
func Inherit(dir string, below, implied []string) error {
	if len(implied) == 0 || len(below) == 0 {
		return nil
	}
	upper, err := openRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(upper) }()
	var roots []int
	defer func() {
		for _, fd := range roots {
			_ = unix.Close(fd)
		}
	}()
	for _, b := range below {
		fd, err := openRoot(b)
		if err != nil {
			return err
		}
		roots = append(roots, fd)
	}
	for _, name := range implied {
		if err := inherit(upper, roots, name); err != nil {
			return fmt.Errorf("folder %q: %w", name, err)
		}
	}
	return nil
}

func openRoot(dir string) (int, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", dir, err)
	}
	return fd, nil
}

// lookIn opens a folder in a layer, following no link out of it, and none at the end.
func lookIn(root int, name string, flags uint64) (int, error) {
	return unix.Openat2(root, name, &unix.OpenHow{
		Flags:   flags | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// isOther tells whether there is something else than a folder, or nothing.
func isOther(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

func inherit(upper int, below []int, name string) error {
	to, err := lookIn(upper, name, unix.O_RDONLY)
	if isOther(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(to) }()
	for _, root := range below {
		from, err := lookIn(root, name, unix.O_PATH)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if isOther(err) {
			return nil // replaced there by something that is no folder
		}
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(from) }()
		return copyAttributes(to, from)
	}
	return nil
}

func copyAttributes(to, from int) error {
	var st unix.Stat_t
	if err := unix.Fstat(from, &st); err != nil {
		return err
	}
	if err := unix.Fchown(to, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	// After the owner, whose change takes the set-id bits away.
	if err := unix.Fchmod(to, st.Mode&0o7777); err != nil {
		return err
	}
	return unix.UtimesNanoAt(to, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH)
}
