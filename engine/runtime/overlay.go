package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// MountOverlay stacks a root filesystem and returns it as a mount that is attached nowhere: it exists until the
// descriptor is closed, unless a container attaches it. lower lists the image's layers, the topmost first; upper and
// work are the writable layer, on one file system and empty or left from an earlier mount. Without upper the mount is
// read-only. options are further ones of overlayfs, key=value.
func MountOverlay(lower []string, upper, work string, options ...string) (*os.File, error) {
	if len(lower) == 0 {
		return nil, fmt.Errorf("overlay %s: no lower layer: %w", upper, ErrInvalid)
	}
	if len(lower) == 1 && upper == "" {
		return cloneTree(lower[0], mountOptions{shallow: true, attrs: attrs{set: unix.MOUNT_ATTR_RDONLY}})
	}
	root, err := stackOverlay(lower, upper, work, options)
	if errors.Is(err, unix.EINVAL) {
		// Before Linux 6.8 the layers do not come one by one, and before 6.5 not by fsconfig at all.
		root, err = mountOverlayByPath(lower, upper, work, options...)
	}
	if err != nil {
		return nil, fmt.Errorf("overlay %s: %w", upper, err)
	}
	return root, nil
}

func stackOverlay(lower []string, upper, work string, options []string) (*os.File, error) {
	ctx, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fsopen: %w", err)
	}
	defer func() { _ = unix.Close(ctx) }()
	set := func(key, value string) {
		if err != nil || value == "" {
			return
		}
		if e := unix.FsconfigSetString(ctx, key, value); e != nil {
			err = fmt.Errorf("%s=%s: %w", key, value, e)
		}
	}
	for _, dir := range lower {
		set("lowerdir+", dir)
	}
	set("upperdir", upper)
	set("workdir", work)
	set("source", "overlay")
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		set(key, value)
	}
	if err != nil {
		return nil, err
	}
	if err := unix.FsconfigCreate(ctx); err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	fd, err := unix.Fsmount(ctx, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("fsmount: %w", err)
	}
	return os.NewFile(uintptr(fd), "overlay"), nil
}

// mountOverlayByPath mounts in the mount namespace of a thread that ends with it, and takes the mount out of there.
func mountOverlayByPath(lower []string, upper, work string, options ...string) (*os.File, error) {
	type result struct {
		root *os.File
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		root, err := mountOverlayHere(lower, upper, work, options)
		done <- result{root, err}
	}()
	r := <-done
	return r.root, r.err
}

func mountOverlayHere(lower []string, upper, work string, more []string) (*os.File, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	escaped := strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`)
	var dirs []string
	for _, dir := range lower {
		dirs = append(dirs, escaped.Replace(dir))
	}
	escapedComma := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	options := "lowerdir=" + strings.Join(dirs, ":")
	at := lower[0]
	if upper != "" {
		options += ",upperdir=" + escapedComma.Replace(upper) + ",workdir=" + escapedComma.Replace(work)
		at = upper
	}
	options = strings.Join(append([]string{options}, more...), ",")
	if len(options) >= os.Getpagesize() {
		return nil, fmt.Errorf("%d layers do not fit into mount(2), which this kernel needs: %w", len(lower), ErrUnsupported)
	}
	if err := unix.Mount("overlay", at, "overlay", 0, options); err != nil {
		return nil, fmt.Errorf("mount: %w", cmp.Or(missing(lower), err))
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, at, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open_tree: %w", err)
	}
	return os.NewFile(uintptr(fd), "overlay"), nil
}

// missing names the first layer that is not there: mount(2) says only that one is not.
func missing(layers []string) error {
	for _, dir := range layers {
		if _, err := os.Stat(dir); err != nil {
			return err
		}
	}
	return nil
}
