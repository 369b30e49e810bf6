package container

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"strconv"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/network"
	"tiffin/engine/ocispec"
	"tiffin/engine/runtime"
	"tiffin/healthcheck"
)

// Restore gives the record back what was known of the container's life.
func (c *Container) Restore(state engine.State, endpoints map[string]engine.Endpoint, published []engine.PublishedPort) {
	if state.Status == "" {
		return // the machine was started since
	}
	c.Update(func(r *engine.Container) { r.State, r.Endpoints, r.Published = state, endpoints, published })
}

// Former is the container's place in the network, if it has one of its own.
func (c *Container) Former() (network.Former, bool) {
	record := c.Snapshot()
	mode := record.Spec.NetworkMode
	if mode == "host" || strings.HasPrefix(mode, "container:") {
		return network.Former{}, false
	}
	f := network.Former{
		Key: SandboxKey(&record), ContainerID: c.ID, Name: record.Name, Project: record.Project, Links: links(&record.Spec, &engine.EndpointSpec{}), Resolvers: record.Spec.DNS,
	}
	for _, e := range record.Endpoints {
		f.Endpoints = append(f.Endpoints, e)
		maps.Copy(f.Links, links(&engine.ContainerSpec{}, &e.Spec))
	}
	if record.State.Status.Alive() {
		f.Published = record.Published
	}
	f.NameSockets = c.takeNames(&record)
	return f, true
}

// Adopt takes over a process that runs under a keeper since an earlier engine.
func (c *Container) Adopt(ctx context.Context, p *runtime.Process) {
	record := c.Snapshot()
	log := c.rooms.Log.With("container", record.Name)
	cgroup, err := c.rooms.Host.Cgroups.Open(ocispec.CgroupPath(c.rooms.CgroupBase, &record))
	if err != nil {
		log.Warn("control group of a container that runs is gone", "err", err)
	}
	r := &run{process: p, cgroup: cgroup, pidfd: p.Pidfd()}
	if console := p.Console(); console != nil {
		r.stdin = console
	} else if hold := p.Hold(); len(hold) > 0 {
		r.stdin = hold[0]
	}
	c.mu.Lock()
	c.run = r
	c.mu.Unlock()
	c.Update(func(rec *engine.Container) {
		rec.State.Pid = p.Pid()
		if !rec.State.Status.Alive() {
			rec.State.Status = engine.StatusRunning
			rec.State.StartedAt = p.StartedAt()
			rec.State.FinishedAt, rec.State.ExitCode, rec.State.OOMKilled = time.Time{}, 0, false
			rec.State.Health = engine.Health{} // that of the run before
			if rec.Spec.Healthcheck != nil {
				rec.State.Health.Status = engine.HealthStarting
			}
		}
	})
	if err := c.thawAdopted(ctx, r); err != nil {
		log.Warn("still frozen since an image was made of it", "err", err)
	}
	for _, v := range c.rooms.volumes(&record) {
		if err := c.rooms.Mounts.Use(ctx, v, c.ID); err != nil {
			log.Warn("volume not mounted again", "volume", v.Name, "err", err)
		}
	}
	if err := c.restorePorts(ctx); err != nil {
		log.Warn("ports not restored", "err", err)
	}
}

// Lost records the end of a container that nobody saw end, as after a reboot, and lets
// one that ended before wait for its restart, too, if its policy starts it at boot. What
// its keeper may have left running is ended: nobody could tell it from what starts next.
func (c *Container) Lost(ctx context.Context) {
	record := c.Snapshot()
	cgroup, err := c.rooms.Host.Cgroups.Open(ocispec.CgroupPath(c.rooms.CgroupBase, &record))
	if err == nil {
		err = cgroup.Destroy(ctx)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		c.rooms.Log.Warn("control group not removed", "container", record.Name, "err", err)
	}
	c.Update(func(r *engine.Container) {
		r.Published = nil
		switch s := &r.State; s.Status {
		case engine.StatusCreated, engine.StatusRemoving:
			return
		case engine.StatusExited, engine.StatusRestarting:
		default:
			s.ExitCode, s.FinishedAt = engine.ExitUnknown, time.Now()
		}
		r.State.Status, r.State.Pid, r.State.Health = engine.StatusExited, 0, engine.Health{}
		if r.Spec.Restart.AtBoot(&r.State) {
			r.State.Status = engine.StatusRestarting
		}
	})
}

func checkOf(h *engine.Healthcheck) *healthcheck.Check {
	if h == nil {
		return nil
	}
	check := &healthcheck.Check{
		Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Retries: h.Retries,
		StartPeriod: time.Duration(h.StartPeriod), StartInterval: time.Duration(h.StartInterval),
	}
	if p := h.Probe; p != nil && p.Log != "" {
		check.Awaits = "a line that matches " + strconv.Quote(p.Log)
	}
	return check
}
