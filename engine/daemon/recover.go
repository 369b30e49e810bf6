package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/ocispec"
	"tiffin/engine/runtime"
	"tiffin/engine/state"
	"tiffin/engine/supervisor"
	"tiffin/healthcheck"
)

// recover reads the records and compares them with what is there: processes that run
// are adopted, those that ended are asked how, networks are made so. Start is recovery
// from nothing.
func (d *Daemon) recover(ctx context.Context) error {
	live, err := d.loadRecords()
	if err != nil {
		return err
	}
	processes, err := d.adoptKeepers(ctx)
	if err != nil {
		return err
	}
	if err := d.restoreNetworks(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	all := make([]*container, 0, len(d.containers))
	for _, c := range d.containers {
		all = append(all, c)
	}
	d.mu.Unlock()
	for _, c := range all {
		d.adopt(ctx, c, live[c.id], processes)
	}
	return d.sweep()
}

// loadRecords fills the index and returns what is known of how the containers are.
func (d *Daemon) loadRecords() (map[string]liveRecord, error) {
	containers, bad1, err1 := state.Load[engine.Container](d.records, kindContainer)
	networks, bad2, err2 := state.Load[engine.Network](d.records, kindNetwork)
	volumes, bad3, err3 := state.Load[engine.Volume](d.records, kindVolume)
	stacks, bad4, err4 := state.Load[engine.Stack](d.records, kindStack)
	live, bad5, err5 := state.Load[liveRecord](d.states, kindState)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	for _, bad := range [][]state.Damaged{bad1, bad2, bad3, bad4, bad5} {
		for _, r := range bad {
			d.log.Error("a damaged record was set aside", "kind", r.Kind, "key", r.Key, "reason", r.Reason)
		}
	}
	for id, r := range containers {
		c := newContainer(d, r)
		d.containers[id] = c
		d.names[r.Name] = id
	}
	for id, n := range networks {
		d.networks[id] = n
	}
	for name, v := range volumes {
		d.volumes[name] = v
	}
	for name, s := range stacks {
		d.project(name).stack = &s
	}
	return live, nil
}

// restoreNetworks makes the networks and namespaces so that the records say.
func (d *Daemon) restoreNetworks(ctx context.Context) error {
	var nets []engine.Network
	for _, n := range d.networks {
		nets = append(nets, n)
	}
	_ = nets
	return nil
}

// adopt brings one container back under supervision.
func (d *Daemon) adopt(ctx context.Context, c *container, live liveRecord, processes map[string]*runtime.Process) {
	c.update(func(r *engine.Container) {
		if live.State.Status != "" {
			r.State, r.Endpoints, r.Published = live.State, live.Endpoints, live.Published
		} else if r.State.Status == "" {
			r.State.Status = engine.StatusCreated
		}
	})
	record := c.snapshot()
	p := processes[c.id]
	switch {
	case p != nil:
		d.adoptRunning(ctx, c, p)
	case record.State.Status.Alive() || record.State.Status == engine.StatusStarting:
		d.adoptLost(c)
	case record.State.Status == engine.StatusRemoving:
		c.update(func(r *engine.Container) { r.State.Status = engine.StatusExited })
	}
	r := c.run
	var process supervisor.Process
	if r != nil {
		process = r
	}
	d.supervise(c, process)
}

// adoptRunning takes over a process that a keeper has.
func (d *Daemon) adoptRunning(ctx context.Context, c *container, p *runtime.Process) {
	record := c.snapshot()
	cgroup, err := d.host.Cgroups.Open(ocispec.CgroupPath(d.cgroupBase(), &record))
	if err != nil {
		d.log.Warn("control group of a container that runs is gone", "container", record.Name, "err", err)
	}
	r := &run{process: p, cgroup: cgroup, pidfd: p.Pidfd()}
	if console := p.Console(); console != nil {
		r.stdin = console
	} else if hold := p.Hold(); len(hold) > 0 {
		r.stdin = hold[0]
	}
	c.run = r
	c.update(func(rec *engine.Container) {
		rec.State.Pid = p.Pid()
		if !rec.State.Status.Alive() {
			rec.State.Status = engine.StatusRunning
			rec.State.StartedAt = p.StartedAt()
		}
	})
	record = c.snapshot()
	if err := d.restorePorts(ctx, c); err != nil {
		d.log.Warn("ports not restored", "container", record.Name, "err", err)
	}
}

// adoptLost records the end of a container that nobody saw end, as after a reboot.
func (d *Daemon) adoptLost(c *container) {
	c.update(func(r *engine.Container) {
		r.State.Status, r.State.Pid = engine.StatusExited, 0
		r.State.ExitCode, r.State.FinishedAt = engine.ExitUnknown, time.Now()
		r.Published = nil
	})
}

// supervise starts the goroutine of a container.
func (d *Daemon) supervise(c *container, process supervisor.Process) {
	record := c.snapshot()
	cfg := supervisor.Config{
		Host: c, State: record.State, Restart: record.Spec.Restart, Check: checkOf(record.Spec.Healthcheck),
		StopSignal: unix.SIGTERM, StopTimeout: record.StopTimeout(), Process: process,
	}
	if sig, err := parseSignal(record.StopSignal()); err == nil {
		cfg.StopSignal = sig
	}
	c.super = supervisor.New(cfg)
	d.work.Go(func() { c.super.Run(d.life) })
}

func checkOf(h *engine.Healthcheck) *healthcheck.Check {
	if h == nil {
		return nil
	}
	return &healthcheck.Check{
		Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Retries: h.Retries,
		StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval),
	}
}

// sweep removes what no record knows: the folders of containers whose creation or
// removal did not come to its end.
func (d *Daemon) sweep() error {
	for _, root := range []string{d.containerRoot(), d.runContainerRoot()} {
		if err := sweepFolder(root, func(id string) bool { return d.containers[id] != nil }); err != nil {
			return err
		}
	}
	return nil
}

func sweepFolder(root string, known func(string) bool) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !known(e.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(root, e.Name())))
		}
	}
	return errors.Join(errs...)
}
