package network

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread of its own that dies with it, so that whatever
// namespace f brings the thread into, no other goroutine ever runs there.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		done <- f()
	}()
	return <-done
}

// within runs f in a network namespace.
func within(ns *os.File, f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// newNamespace makes a network namespace and runs setup in it.
func newNamespace(setup func(ns *os.File) error) (*os.File, error) {
	var ns *os.File
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		var err error
		if ns, err = currentNamespace(); err != nil {
			return err
		}
		return setup(ns)
	})
	if err != nil && ns != nil {
		err = errors.Join(err, ns.Close())
	}
	return ns, err
}

// currentNamespace opens the network namespace of the calling thread.
func currentNamespace() (*os.File, error) {
	ns, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return ns, nil
}

// isNative says whether a namespace is that of every goroutine which does nothing
// about it: the one in which new threads find themselves.
func isNative(ns *os.File) (bool, error) {
	var native bool
	err := onThread(func() error {
		own, err := currentNamespace()
		if err != nil {
			return err
		}
		native = sameNamespace(ns, own)
		return own.Close()
	})
	return native, err
}

// sameNamespace says whether two files are of one namespace.
func sameNamespace(a, b *os.File) bool {
	x, err1 := a.Stat()
	y, err2 := b.Stat()
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// pin keeps a namespace alive, and findable, as a mount on a file.
func pin(ns *os.File, path string) error {
	stub, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return fmt.Errorf("pin a network namespace: %w", err)
	}
	if err := stub.Close(); err != nil {
		return fmt.Errorf("pin a network namespace: %w", err)
	}
	tree, err := unix.OpenTree(int(ns.Fd()), "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("pin a network namespace: open_tree: %w", err)
	}
	err = unix.MoveMount(tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err := errors.Join(err, unix.Close(tree)); err != nil {
		return fmt.Errorf("pin a network namespace on %s: %w", path, err)
	}
	return nil
}

// unpin undoes pin, wherever it stopped.
func unpin(path string) error {
	err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unpin the network namespace %s: %w", path, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unpin a network namespace: %w", err)
	}
	return nil
}

// openPinned opens a pinned namespace. A file with nothing mounted on it is not one:
// what made it was stopped half-way, or the machine was restarted.
func openPinned(path string) (*os.File, error) {
	ns, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(ns.Fd()), &fs); err != nil {
		return nil, errors.Join(fmt.Errorf("look at %s: %w", path, err), ns.Close())
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, errors.Join(os.ErrNotExist, ns.Close())
	}
	return ns, nil
}
