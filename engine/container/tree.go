package container

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/runtime"
	"tiffin/engine/volume"
)

// openTree returns a tree as a mount that is attached nowhere. scratch is a private
// folder.
func openTree(t *engine.Tree, scratch string) (*os.File, error) {
	if len(t.Lower) == 0 {
		return openHostTree(t)
	}
	var options []string
	if t.Upper != "" {
		options = plainUpper()
	}
	overlay, err := runtime.MountOverlay(t.Lower, t.Upper, t.Work, options...)
	if err != nil || t.Subpath == "" {
		return overlay, err
	}
	defer overlay.Close() //nolint:errcheck // only looked through
	part, err := cloneBelow(overlay, t.Subpath)
	if !errors.Is(err, unix.EINVAL) {
		return part, err
	}
	// Before Linux 6.15 only what is attached can be cloned: so it is, for a moment.
	at, err := os.MkdirTemp(scratch, "tree")
	if err != nil {
		return nil, err
	}
	defer os.Remove(at) //nolint:errcheck // scratch is removed as a whole
	if err := unix.MoveMount(int(overlay.Fd()), "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return nil, fmt.Errorf("attach the tree: %w", err)
	}
	part, err = cloneBelow(overlay, t.Subpath)
	return part, errors.Join(err, unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW))
}

// plainUpper has the upper layer say in files alone what differs from those below: it
// will be read without overlayfs.
func plainUpper() []string { return []string{"index=off", "redirect_dir=off", "metacopy=off"} }

// openHostTree clones what the host has at a path of the engine's own.
func openHostTree(t *engine.Tree) (*os.File, error) {
	root, err := os.OpenFile(t.Source, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only looked through
	if t.Subpath == "" {
		return cloneOf(root)
	}
	return cloneBelow(root, t.Subpath)
}

func cloneBelow(root *os.File, subpath string) (*os.File, error) {
	f, err := volume.OpenSubpath(root, subpath)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only looked through
	return cloneOf(f)
}

func cloneOf(f *os.File) (*os.File, error) {
	fd, err := unix.OpenTree(int(f.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
	if err != nil {
		return nil, fmt.Errorf("clone %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
