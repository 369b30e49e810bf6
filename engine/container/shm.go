package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// The shared memory of a container with ipc: shareable is a tmpfs on the host, in its
// run folder: nothing inside the container can put something else in its place, and the
// mounts of another process's namespace cannot be mounted elsewhere.

const (
	shmTarget      = "/dev/shm"
	shareable      = "shareable"
	defaultShmSize = 64 << 20
)

// shareMemory finds, or makes, the shared memory of a container that does not have its
// alone.
func (s *starter) shareMemory() error {
	mode := s.record.Spec.IpcMode
	if mode == shareable {
		s.input.Sources[shmTarget] = s.rooms.shm(s.record.ID)
		return s.rooms.mountShm(&s.record)
	}
	id, ok := strings.CutPrefix(mode, "container:")
	if !ok {
		return nil
	}
	owner, err := s.rooms.Index.Container(id)
	if err != nil {
		return fmt.Errorf("share IPC namespace: %w", err)
	}
	record := owner.Snapshot()
	switch {
	case record.Spec.IpcMode != shareable:
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("the IPC namespace of container %s is not shareable", record.Name)),
			"give that one ipc: shareable")
	case !record.State.Status.Alive():
		return engine.Problem(engine.ErrConflict, fmt.Errorf("share IPC namespace: container %s is not running", record.Name))
	}
	s.input.Sources[shmTarget] = s.rooms.shm(owner.ID)
	return nil
}

func (r *Rooms) shm(id string) string { return filepath.Join(r.Run, id, "shm") }

// mountShm makes the shared memory of a container anew.
func (r *Rooms) mountShm(c *engine.Container) error {
	dir := r.shm(c.ID)
	if err := r.UnmountShm(c.ID); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	size := int64(c.Spec.ShmSize)
	if size == 0 {
		size = defaultShmSize
	}
	if err := unix.Mount("shm", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, fmt.Sprintf("mode=1777,size=%d", size)); err != nil {
		return fmt.Errorf("make shared memory: %w", err)
	}
	return nil
}

// UnmountShm takes the shared memory of a container away, if it has any. Containers that
// have it mounted keep it.
func (r *Rooms) UnmountShm(id string) error {
	err := unix.Unmount(r.shm(id), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("take shared memory away: %w", err)
	}
	return nil
}
