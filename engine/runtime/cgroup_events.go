package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Kill sends SIGKILL to every process in the control group and below, also to those that are being forked.
func (c *Cgroup) Kill(ctx context.Context) error {
	dir := c.dirs[""]
	if dir == "" {
		return c.wrap(c.killV1(ctx))
	}
	err := writeFile(filepath.Join(dir, "cgroup.kill"), "1")
	if errors.Is(err, fs.ErrNotExist) { // so it is removed, and was empty
		return nil
	}
	return c.wrap(err)
}

// killV1 freezes first, or a fork bomb would stay ahead of the signals.
func (c *Cgroup) killV1(ctx context.Context) error {
	if err := c.manager.Freeze(cgroups.Frozen); err != nil {
		return err
	}
	pids, err := c.manager.GetAllPids()
	for _, pid := range pids {
		if kerr := unix.Kill(pid, unix.SIGKILL); kerr != nil && kerr != unix.ESRCH {
			err = errors.Join(err, fmt.Errorf("kill %d: %w", pid, kerr))
		}
	}
	return errors.Join(err, c.manager.Freeze(cgroups.Thawed), ctx.Err())
}

// Freeze stops every process of the control group where it is, and returns when all of them stand.
func (c *Cgroup) Freeze(ctx context.Context) error {
	dir := c.dirs[""]
	if dir == "" {
		return c.wrap(c.manager.Freeze(cgroups.Frozen))
	}
	if err := writeFile(filepath.Join(dir, "cgroup.freeze"), "1"); err != nil {
		return c.wrap(err)
	}
	if err := waitEvent(ctx, dir, "frozen 1"); err != nil {
		// Half frozen is worse than not frozen.
		return c.wrap(errors.Join(err, writeFile(filepath.Join(dir, "cgroup.freeze"), "0")))
	}
	return nil
}

// Thaw lets the processes run on.
func (c *Cgroup) Thaw() error {
	if dir := c.dirs[""]; dir != "" {
		return c.wrap(writeFile(filepath.Join(dir, "cgroup.freeze"), "0"))
	}
	return c.wrap(c.manager.Freeze(cgroups.Thawed))
}

// Frozen says whether Freeze was the last of the two.
func (c *Cgroup) Frozen() (bool, error) {
	if dir := c.dirs[""]; dir != "" {
		state, err := os.ReadFile(filepath.Join(dir, "cgroup.freeze"))
		return bytes.HasPrefix(state, []byte("1")), c.wrap(err)
	}
	state, err := c.manager.GetFreezerState()
	return state == cgroups.Frozen, c.wrap(err)
}

// waitEmpty waits until the last process has been reaped. Pure v1 has no event for it; there the removal
// itself tries again for a second.
func (c *Cgroup) waitEmpty(ctx context.Context) error {
	dir := c.dirs[""]
	if dir == "" {
		return ctx.Err()
	}
	err := waitEvent(ctx, dir, "populated 0")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// waitEvent waits until cgroup.events in dir has the line. The kernel wakes pollers of the file at each change.
func waitEvent(ctx context.Context, dir, line string) error {
	f, err := openFile(filepath.Join(dir, "cgroup.events"), unix.O_RDONLY|unix.O_NONBLOCK) // for the poller
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var readErr error
	err = raw.Read(func(fd uintptr) bool {
		var has bool
		has, readErr = hasLine(int(fd), line)
		return has || readErr != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ctx.Err()
	}
	if err = errors.Join(err, readErr); err != nil {
		return fmt.Errorf("wait for %q: %w", line, err)
	}
	return nil
}

func hasLine(fd int, line string) (bool, error) {
	var buf [256]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return false, err
	}
	for l := range bytes.Lines(buf[:n]) {
		if string(bytes.TrimSuffix(l, []byte("\n"))) == line {
			return true, nil
		}
	}
	return false, nil
}

// openFile opens a kernel file as os.OpenFile does, but without a word to the poller, which would make of
// opening and closing four system calls.
func openFile(path string, flags int) (*os.File, error) {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// writeFile writes a kernel file, in one call as the kernel wants it.
func writeFile(path, text string) error {
	f, err := openFile(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
