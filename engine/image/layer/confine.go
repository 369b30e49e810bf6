package layer

import (
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// confined runs f on a thread that sees base as its root: all of it read-only, but for dir. Whatever a layer
// makes the unpacker believe about paths, it cannot name a file of the host, nor change another layer.
func confined(base, dir string, f func() error) error {
	// The time zone is read from /etc/localtime once, when it is first needed: not in there.
	_, _ = time.Now().Zone()
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and its mounts with the thread.
		runtime.LockOSThread()
		if err := enter(base, dir); err != nil {
			done <- fmt.Errorf("enter %s: %w", base, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// enter gives the calling thread its own view. See mount_namespaces(7), chroot(2).
func enter(base, dir string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	layer := filepath.Join(base, dir)
	// Cloned before base becomes read-only, since a clone inherits that.
	tree, err := unix.OpenTree(unix.AT_FDCWD, layer, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { _ = unix.Close(tree) }()
	if err := unix.Mount(base, base, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	const readOnly = unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if err := unix.Mount("", base, "", readOnly, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, layer, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", dir, err)
	}
	if err := unix.Chroot(base); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}
