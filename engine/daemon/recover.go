package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/network"
	"tiffin/engine/runtime"
	"tiffin/engine/state"
)

// recover reads the records and compares them with what is there: processes that run
// are adopted, those that ended are asked how, networks are made so. Start is recovery
// from nothing.
func (d *Daemon) recover(ctx context.Context) error {
	live, err := d.loadRecords()
	if err != nil {
		return err
	}
	processes, err := d.rooms.Keepers.Adopt(ctx)
	if err != nil {
		return err
	}
	for id, c := range d.containers {
		c.Restore(live[id].State, live[id].Endpoints, live[id].Published)
	}
	if err := d.restoreNetworks(ctx); err != nil {
		return err
	}
	for id, c := range d.containers {
		d.adopt(ctx, c, processes[id])
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
		c := container.New(&d.rooms, r)
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
	var networks []engine.Network
	for id, n := range d.networks {
		if n.Created.IsZero() {
			// Its creation did not come to its end: nobody uses it, and Restore sweeps what there is of it.
			delete(d.networks, id)
			if err := d.records.Delete(kindNetwork, id); err != nil {
				return err
			}
			continue
		}
		networks = append(networks, n)
	}
	var formers []network.Former
	for _, c := range d.containers {
		if f, ok := c.Former(); ok {
			formers = append(formers, f)
		}
	}
	return d.rooms.Networks.Restore(ctx, networks, formers)
}

// adopt brings one container back under supervision.
func (d *Daemon) adopt(ctx context.Context, c *container.Container, p *runtime.Process) {
	record := c.Snapshot()
	if err := d.rooms.Images.Hold(ctx, c.ID, record.ImageID); err != nil {
		d.log.Warn("image of a container is gone", "container", record.Name, "err", err)
	}
	switch {
	case p != nil:
		c.Adopt(ctx, p)
	case record.State.Status.Alive() || record.State.Status == engine.StatusStarting:
		c.Lost()
	case record.State.Status == engine.StatusRemoving:
		c.Update(func(r *engine.Container) { r.State.Status = engine.StatusExited })
	}
	d.supervise(c)
	record = c.Snapshot()
	d.answering(&record)
}

// supervise starts the goroutine of a container.
func (d *Daemon) supervise(c *container.Container) {
	c.Supervise()
	d.work.Go(func() { c.Super.Run(d.life) })
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
