package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/runtime"
	"tiffin/engine/usage"
)

// Stats reads what the container uses now: a dozen small files, of which none is held open. One that does not run, or
// ends meanwhile, uses nothing.
func (c *Container) Stats(machine usage.Machine) (call.Stats, error) {
	c.mu.Lock()
	r, record := c.run, c.record
	c.mu.Unlock()
	idle := call.Stats{ID: c.ID, Name: record.Name, Service: record.Service, Read: time.Now()}
	if r == nil {
		return idle, nil
	}
	out := idle
	out.Running = true
	counted, err := r.cgroup.Stats()
	if err == nil {
		usage.Fill(&out, counted, machine)
		out.Networks, err = c.interfaces(&record, r)
	}
	if err != nil {
		if c.running() != r || isOver(err) {
			return idle, nil
		}
		return idle, fmt.Errorf("stats of %s: %w", record.Name, err)
	}
	return out, nil
}

// isOver says that a file of a process or of a control group is there no more. A process that has ended and was not yet
// waited for still takes signals, but has no network.
func isOver(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ESRCH) ||
		errors.Is(err, runtime.ErrNotRunning)
}

// interfaces are those of the container's network namespace, which its first process sees; the host's are not counted
// as its own.
func (c *Container) interfaces(record *engine.Container, r *run) (map[string]call.InterfaceStats, error) {
	owner, err := c.rooms.networkOwner(record)
	if err != nil || owner.Spec.NetworkMode == "host" {
		return nil, nil //nolint:nilerr // whose network it was is gone: nobody counts there any more
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", r.process.Pid()))
	if err != nil {
		return nil, err
	}
	// The pid was not given to another process meanwhile if ours still is there.
	if err := r.process.Signal(0); err != nil {
		return nil, err
	}
	return usage.Interfaces(string(text))
}

// ReadMachine reads what the machine has and has done.
func ReadMachine() (usage.Machine, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return usage.Machine{}, err
	}
	var m usage.Machine
	if m.CPU, m.Online, err = usage.Processors(string(text)); err != nil {
		return usage.Machine{}, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return usage.Machine{}, fmt.Errorf("sysinfo: %w", err)
	}
	m.Memory = info.Totalram * uint64(info.Unit)
	return m, nil
}
