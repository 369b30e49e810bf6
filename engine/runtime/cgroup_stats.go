package runtime

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opencontainers/cgroups"
	"golang.org/x/sys/unix"
)

// Stats is what the kernel has counted for a control group.
type Stats = cgroups.Stats

// Stats reads the counters of processors, memory, processes and block devices.
func (c *Cgroup) Stats() (*Stats, error) {
	s, err := c.manager.Stats(&cgroups.StatsOptions{Controllers: cgroups.CPU | cgroups.Memory | cgroups.Pids | cgroups.IO})
	if err != nil {
		return nil, c.wrap(err)
	}
	return s, nil
}

// OOMKills is how many processes of the control group the kernel has killed for want of memory.
func (c *Cgroup) OOMKills() (uint64, error) {
	dir, file := c.oomCounter()
	if dir == "" {
		return 0, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return 0, c.wrap(err)
	}
	n, err := counter(string(text), "oom_kill")
	return n, c.wrap(err)
}

func (c *Cgroup) oomCounter() (dir, file string) {
	if c.tree.v2() {
		return c.dirs[""], "memory.events"
	}
	return c.dirs["memory"], "memory.oom_control"
}

func counter(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseUint(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("no counter %s", name)
}

// WatchOOM calls report after each time that the kernel found the control group out of memory, until ctx ends or the
// control group is removed. It costs a descriptor or two and no thread. A v1 kernel tells of the shortage before it kills, so a
// reader of OOMKills may find the old number yet.
func (c *Cgroup) WatchOOM(ctx context.Context, report func()) error {
	watch := watchOOMv1
	if c.tree.v2() {
		watch = watchOOMv2
	}
	dir, _ := c.oomCounter()
	if dir == "" {
		return fmt.Errorf("watch memory of cgroup %s: %w", c.path, ErrNoCgroups)
	}
	events, err := watch(dir)
	if err != nil {
		return c.wrap(err)
	}
	defer func() { _ = events.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = events.Close() })
	defer stop()
	var buf [256]byte
	for {
		if _, err := events.Read(buf[:]); err != nil {
			if errors.Is(err, os.ErrClosed) {
				return nil
			}
			return c.wrap(err)
		}
		if !exists(dir) {
			return nil
		}
		report()
	}
}

// watchOOMv1 returns an eventfd that the kernel counts up at each shortage, and once when the directory is removed.
func watchOOMv1(dir string) (io.ReadCloser, error) {
	control, err := os.Open(filepath.Join(dir, "memory.oom_control"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = control.Close() }()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	events := os.NewFile(uintptr(fd), "oom eventfd")
	err = writeFile(filepath.Join(dir, "cgroup.event_control"), fmt.Sprintf("%d %d", fd, control.Fd()))
	if err != nil {
		return nil, errors.Join(err, events.Close())
	}
	return events, nil
}

// watchOOMv2 returns an inotify descriptor for memory.events, which also tells of the removal.
func watchOOMv2(dir string) (io.ReadCloser, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	events := os.NewFile(uintptr(fd), "oom inotify")
	if _, err := unix.InotifyAddWatch(fd, filepath.Join(dir, "memory.events"), unix.IN_MODIFY|unix.IN_DELETE_SELF); err != nil {
		return nil, errors.Join(err, events.Close())
	}
	return events, nil
}
