package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// MountShm mounts a tmpfs that the containers of one IPC namespace have in common as
// /dev/shm. dir is made; one that is mounted already stays as it is.
func MountShm(dir string, size engine.Bytes) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return fmt.Errorf("mount shared memory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("mount shared memory: %w", err)
	}
	there, err := isMountpoint(dir)
	if err != nil || there {
		return err
	}
	options := "mode=1777"
	if size > 0 {
		options += ",size=" + strconv.FormatInt(int64(size), 10)
	}
	if err := unix.Mount("shm", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return fmt.Errorf("mount shared memory: %w", pathError("mount", dir, err))
	}
	return nil
}

// UnmountShm undoes MountShm.
func UnmountShm(dir string) error {
	err := unmount(dir)
	if err == nil {
		err = os.Remove(dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("unmount shared memory: %w", err)
	}
	return nil
}
