package runtime

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// cloneTree returns a detached clone of the mount at path, with the options of a bind mount applied. From here on the
// path is not used again: what is renamed or relinked behind it no longer matters.
func cloneTree(path string, m mountOptions) (*os.File, error) {
	flags := uint(unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if !m.shallow {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, flags)
	if err != nil {
		return nil, &fs.PathError{Op: "open mount source", Path: path, Err: err}
	}
	tree := os.NewFile(uintptr(fd), path)
	if err := applyOptions(tree, m); err != nil {
		closeAll(tree)
		return nil, err
	}
	return tree, nil
}

// applyOptions sets the attributes and the propagation of a detached tree. A tree that says nothing of its propagation
// becomes private, or mounts made on the host later would appear in the container.
func applyOptions(tree *os.File, m mountOptions) error {
	propagation := m.propagation
	if propagation == 0 {
		propagation = unix.MS_PRIVATE
	}
	changes := []struct {
		attr      unix.MountAttr
		recursive bool
	}{
		{unix.MountAttr{Propagation: propagation}, !m.alone},
		{unix.MountAttr{Attr_set: m.deep.set, Attr_clr: m.deep.clear}, true},
		{unix.MountAttr{Attr_set: m.attrs.set, Attr_clr: m.attrs.clear}, false},
	}
	for _, c := range changes {
		if c.attr == (unix.MountAttr{}) {
			continue
		}
		flags := uint(unix.AT_EMPTY_PATH)
		if c.recursive {
			flags |= unix.AT_RECURSIVE
		}
		if err := unix.MountSetattr(int(tree.Fd()), "", flags, &c.attr); err != nil {
			return &fs.PathError{Op: "set mount attributes of", Path: tree.Name(), Err: err}
		}
	}
	return nil
}

// source is the tree that one bind mount of a spec attaches.
type source struct {
	tree      *os.File
	directory bool
}

// openSource opens what a bind mount of the spec names.
func openSource(m specs.Mount, options mountOptions) (source, error) {
	if !filepath.IsAbs(m.Source) {
		return source{}, fmt.Errorf("mount %s: source %q is not absolute: %w", m.Destination, m.Source, ErrInvalid)
	}
	tree, err := cloneTree(m.Source, options)
	if err != nil {
		return source{}, fmt.Errorf("mount %s: %w", m.Destination, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(tree.Fd()), &st); err != nil {
		err = errors.Join(err, tree.Close())
		return source{}, fmt.Errorf("mount %s: stat %s: %w", m.Destination, m.Source, err)
	}
	return source{tree, st.Mode&unix.S_IFMT == unix.S_IFDIR}, nil
}
