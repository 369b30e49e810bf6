package builder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/pkg/namespaces"
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
	mount.SetTempMountLocation(dir)
	return nil
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

// The cache's records are about layers whose files are not synced one by one. A mark
// stands beside them while some may not be on the disk; one from before a reboot says
// that the records must not be trusted.
const unsyncedMark = "unsynced"

// dropUnsynced forgets a cache that may be damaged, and sets the mark.
func dropUnsynced(cfg *Config) (dropped bool, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return false, err
	}
	path := filepath.Join(cfg.Root, unsyncedMark)
	before, err := os.ReadFile(path)
	if err == nil && string(before) != string(boot) {
		if err := forget(cfg); err != nil {
			return false, err
		}
		dropped = true
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	return dropped, os.WriteFile(path, boot, 0o600) //nolint:forbidigo // a mark that is half written is a mark
}

// forget removes the cache's records, and lets go of what they hold in the image store.
func forget(cfg *Config) error {
	if err := os.RemoveAll(cfg.Root); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Root, 0o700); err != nil {
		return err
	}
	backing := cfg.Images.Backing()
	ctx := namespaces.WithNamespace(context.Background(), backing.Namespace)
	// The label of BuildKit's records; the image store's own leases have others.
	held, err := backing.Leases.List(ctx, `labels."containerd.io/gc.flat"`)
	if err != nil {
		return err
	}
	for _, l := range held {
		err = errors.Join(err, backing.Leases.Delete(ctx, leases.Lease{ID: l.ID}))
	}
	if err != nil {
		return err
	}
	_, err = backing.Collect(ctx)
	return err
}

// syncAll writes everything to the disk.
func syncAll(cfg *Config) error {
	dir, err := os.Open(cfg.Root)
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // it was only synced
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// unmark says that everything is on the disk.
func unmark(cfg *Config) error { return os.Remove(filepath.Join(cfg.Root, unsyncedMark)) }
