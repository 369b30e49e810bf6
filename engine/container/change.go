package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/ocispec"
	"tiffin/engine/tree"
)

// Change makes the changes of a stream (see tree.Writer) in the files of a container, whether it runs or not. New
// files belong to the container's user. A root filesystem that is read-only is so for the container, not for us.
//
// Errors: engine.ErrConflict when it ended meanwhile, and for what a volume would hide in a container that does not run.
func (c *Container) Change(ctx context.Context, changes io.Reader) error {
	if r := c.running(); r != nil {
		return c.changeRunning(r, changes)
	}
	// Nothing may hold up the next start for longer than it takes to write.
	spool, err := spooled(changes)
	if err != nil {
		return err
	}
	defer spool.Close() //nolint:errcheck // only read
	c.Removal.Lock()
	defer c.Removal.Unlock()
	c.still.Lock()
	defer c.still.Unlock()
	select {
	case <-c.Gone:
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("container %s was removed", c.Name()))
	default:
	}
	if r := c.running(); r != nil {
		return c.changeRunning(r, spool)
	}
	s := &starter{rooms: c.rooms, c: c, record: c.Snapshot()}
	if err := s.mountRoot(ctx); err != nil {
		return err
	}
	defer s.closeRoot()
	return c.changeTree(s.root, &s.record, spool, func(name string) error { return unhidden(&s.record, name) })
}

func spooled(stream io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "tiffin-changes")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, stream)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// unhidden refuses what would be written below a mount point and never be seen.
func unhidden(record *engine.Container, name string) error {
	for i := range record.Mounts {
		at := path.Clean(record.Mounts[i].Destination)
		if name == at || strings.HasPrefix(name, at+"/") {
			return engine.Problem(engine.ErrConflict, fmt.Errorf("%s is in what is mounted at %s while the container runs, and it does not", name, at))
		}
	}
	return nil
}

func (c *Container) changeRunning(r *run, changes io.Reader) error {
	record := c.Snapshot()
	open := r.openRoot
	if record.Spec.ReadOnly {
		open = r.openWritable
	}
	root, err := open()
	if err != nil {
		return fmt.Errorf("container %s: %w", record.Name, err)
	}
	defer root.Close() //nolint:errcheck // only looked through
	if err := c.changeTree(root, &record, changes, nil); err != nil {
		return err
	}
	// Its mounts go with it: what was written since may have gone elsewhere.
	if c.running() != r {
		return engine.Problem(engine.ErrConflict, fmt.Errorf("container %s ended while its files were changed", record.Name))
	}
	return nil
}

func (c *Container) changeTree(root *os.File, record *engine.Container, changes io.Reader, allow func(string) error) error {
	who, err := lookUp(root, ocispec.User(record), nil)
	if err != nil {
		return err
	}
	return tree.Apply(root, tree.Owner{UID: int(who.UID), GID: int(who.GID)}, changes, allow)
}

// openWritable is a copy of the process's mounts that is attached nowhere, and whose root can be written to.
func (r *run) openWritable() (*os.File, error) {
	root, err := r.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it shows that it runs
	mounts, err := os.Open(filepath.Join("/proc", fmt.Sprint(r.process.Pid()), "ns/mnt"))
	if err != nil {
		return nil, err
	}
	defer mounts.Close() //nolint:errcheck // only entered
	type result struct {
		fd  int
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		fd, err := cloneWritable(mounts)
		done <- result{fd, err}
	}()
	got := <-done
	if got.err != nil {
		return nil, got.err
	}
	return os.NewFile(uintptr(got.fd), "/"), nil
}

// cloneWritable changes the mount namespace of the thread: only there its mounts can be cloned.
func cloneWritable(mounts *os.File) (int, error) {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return 0, fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Setns(int(mounts.Fd()), unix.CLONE_NEWNS); err != nil {
		return 0, fmt.Errorf("enter the mounts: %w", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return 0, fmt.Errorf("clone the mounts: %w", err)
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return 0, errors.Join(fmt.Errorf("make the root writable: %w", err), unix.Close(fd))
	}
	return fd, nil
}
