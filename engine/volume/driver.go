package volume

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// driver_opts of the local driver are those of mount(8): type, device and o. A bind
// needs no mount of its own: the volume's content is the device's. Everything else is
// mounted on the volume's folder while it is in use.

// bound is the folder that a volume of type bind stands for.
func bound(spec engine.VolumeSpec) (device string, ok bool) {
	options := strings.Split(spec.DriverOpts["o"], ",")
	ok = slices.Contains(options, "bind") || slices.Contains(options, "rbind") || spec.DriverOpts["type"] == "bind"
	return spec.DriverOpts["device"], ok
}

// mounted says that a volume's content is on a file system of its own.
func mounted(spec engine.VolumeSpec) bool {
	_, isBind := bound(spec)
	return spec.DriverOpts["type"] != "" && !isBind
}

func checkDriver(spec engine.VolumeSpec) error {
	opts := spec.DriverOpts
	for key, value := range opts {
		if !slices.Contains([]string{"type", "device", "o"}, key) {
			return engine.Problem(engine.ErrUnsupported, fmt.Errorf("driver option %q: the local driver has type, device and o", key))
		}
		if value == "" {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("driver option %q is empty", key))
		}
	}
	if device, ok := bound(spec); ok {
		return checkBound(device, opts["o"])
	}
	switch {
	case len(opts) == 0:
		return nil
	case opts["type"] == "" || opts["type"] == "none":
		return engine.Problem(engine.ErrInvalid, errors.New("driver options need a type (tmpfs, nfs, …), or o=bind"))
	case opts["device"] == "" && opts["type"] != "tmpfs":
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("driver options: type %s needs a device", opts["type"]))
	default:
		return nil
	}
}

func checkBound(device, options string) error {
	if !filepath.IsAbs(device) {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("device %q of a bind is not an absolute path", device))
	}
	for o := range strings.SplitSeq(options, ",") {
		if !slices.Contains([]string{"", "bind", "rbind", "rw"}, o) {
			return engine.Hint(engine.Problem(engine.ErrUnsupported, fmt.Errorf("option %q of a bind", o)),
				"give the option where the service mounts the volume (read_only, bind.propagation)")
		}
	}
	info, err := os.Stat(device)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return missingSource(device)
	case err != nil:
		return err
	case !info.IsDir():
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("device %s is not a directory", device))
	default:
		return nil
	}
}

// Mount makes the content of a volume reachable at its Mountpoint, if that takes a
// mount. It is to be called before a container starts; once more does no harm.
//
// Errors: engine.ErrUnsupported when the kernel has no such file system.
func (s *Store) Mount(ctx context.Context, v engine.Volume) error {
	if !mounted(v.Spec) {
		return nil
	}
	there, err := isMountpoint(v.Mountpoint)
	if err != nil || there {
		return err
	}
	opts := v.Spec.DriverOpts
	device := opts["device"]
	if device == "" {
		device = opts["type"]
	}
	flags, data, err := mountArguments(ctx, opts["o"])
	if err == nil {
		err = unix.Mount(device, v.Mountpoint, opts["type"], flags, data)
	}
	if errors.Is(err, unix.ENODEV) {
		err = engine.Problem(engine.ErrUnsupported, fmt.Errorf("the kernel cannot mount file systems of type %s", opts["type"]))
	}
	if err != nil {
		return fmt.Errorf("mount volume %s: %w", v.Name, err)
	}
	return nil
}

// Unmount undoes Mount, when no container that uses the volume runs any more.
func (s *Store) Unmount(v engine.Volume) error {
	if !mounted(v.Spec) {
		return nil
	}
	if err := unmount(v.Mountpoint); err != nil {
		return fmt.Errorf("unmount volume %s: %w", v.Name, err)
	}
	return nil
}

// unmount takes everything that is mounted on a folder off it.
func unmount(dir string) error {
	for {
		switch err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // no mount point
			return nil
		case err != nil:
			return &os.PathError{Op: "unmount", Path: dir, Err: err}
		}
	}
}

// isMountpoint compares the mounts of a folder and of the one above.
func isMountpoint(dir string) (bool, error) {
	var own, above unix.Statx_t
	const mask = unix.STATX_MNT_ID
	if err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, mask, &own); err != nil {
		return false, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	if err := unix.Statx(unix.AT_FDCWD, filepath.Dir(dir), 0, mask, &above); err != nil {
		return false, &os.PathError{Op: "stat", Path: dir, Err: err}
	}
	return own.Mnt_id != above.Mnt_id, nil
}

// mountArguments splits options into the kernel's flags and the file system's data. A
// server's name is looked up: the kernel only takes addresses.
func mountArguments(ctx context.Context, options string) (flags uintptr, data string, err error) {
	known := map[string]uintptr{
		"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
		"sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC, "noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME,
		"relatime": unix.MS_RELATIME, "strictatime": unix.MS_STRICTATIME, "mand": unix.MS_MANDLOCK,
	}
	var rest []string
	for o := range strings.SplitSeq(options, ",") {
		flag, isFlag := known[o]
		host, isAddress := strings.CutPrefix(o, "addr=")
		switch {
		case isFlag:
			flags |= flag
		case isAddress:
			found, err := net.DefaultResolver.LookupHost(ctx, host)
			if err != nil {
				return 0, "", err
			}
			rest = append(rest, "addr="+found[0])
		case !slices.Contains([]string{"", "rw", "suid", "dev", "exec", "async", "atime", "defaults"}, o):
			rest = append(rest, o)
		}
	}
	return flags, strings.Join(rest, ","), nil
}
