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
	top := unix.MountAttr{Attr_set: m.attrs.set, Attr_clr: m.attrs.clear}
	all := unix.MountAttr{Attr_set: m.deep.set, Attr_clr: m.deep.clear}
	if m.alone {
		top.Propagation = propagation
	} else {
		all.Propagation = propagation
	}
	return errors.Join(setAttr(tree, all, unix.AT_RECURSIVE), setAttr(tree, top, 0))
}

func setAttr(tree *os.File, attr unix.MountAttr, flags uint) error {
	if attr == (unix.MountAttr{}) {
		return nil
	}
	if err := unix.MountSetattr(int(tree.Fd()), "", unix.AT_EMPTY_PATH|flags, &attr); err != nil {
		return &fs.PathError{Op: "set mount attributes of", Path: tree.Name(), Err: err}
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
	s, err := lookAt(m, tree)
	if err != nil {
		closeAll(tree)
	}
	return s, err
}

// lookAt finds out what the tree of a bind mount is, and refuses what must not be where it would go.
func lookAt(m specs.Mount, tree *os.File) (source, error) {
	var st unix.Stat_t
	var sfs unix.Statfs_t
	err := errors.Join(unix.Fstat(int(tree.Fd()), &st), unix.Fstatfs(int(tree.Fd()), &sfs))
	if err == nil && cleanPath(m.Destination) == "/proc" && sfs.Type != unix.PROC_SUPER_MAGIC {
		err = fmt.Errorf("only the kernel's files may be there: %w", ErrInvalid)
	}
	if err != nil {
		return source{}, fmt.Errorf("mount %s: source %s: %w", m.Destination, m.Source, err)
	}
	return source{tree, st.Mode&unix.S_IFMT == unix.S_IFDIR}, nil
}
