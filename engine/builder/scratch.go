package builder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// prepareScratch makes the folder for all temporary files and mounts of BuildKit, which
// asks nobody where to make them, and takes away what an engine that was killed left.
func prepareScratch(dir string) error {
	if err := unmountBelow(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(mountsIn(dir), 0o700); err != nil {
		return err
	}
	return mount.SetTempMountLocation(dir)
}

// mountsIn is where BuildKit mounts what it looks into. It stays, empty, when nobody
// builds.
func mountsIn(scratch string) string { return filepath.Join(scratch, "mounts") }

// unmountBelow takes off all mounts below a folder, the last one first.
func unmountBelow(dir string) error {
	found, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range slices.Backward(found) {
		if !strings.HasPrefix(m.Mountpoint, dir+"/") {
			continue
		}
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			errs = append(errs, fmt.Errorf("unmount %s: %w", m.Mountpoint, err))
		}
	}
	return errors.Join(errs...)
}

// recordsRoot is where the records of the cache are. They are about what the image store
// holds, and when that was let go of, after a power cut, they go, too.
func recordsRoot(cfg *Config) (string, error) {
	epoch := "epoch-" + cfg.Images.Backing().Epoch
	if err := os.MkdirAll(filepath.Join(cfg.Root, epoch), 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(cfg.Root)
	for _, e := range entries {
		if e.Name() != epoch {
			err = errors.Join(err, os.RemoveAll(filepath.Join(cfg.Root, e.Name())))
		}
	}
	return filepath.Join(cfg.Root, epoch), err
}
