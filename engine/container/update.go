package container

import (
	"context"
	"maps"
	"slices"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/ocispec"
)

// Rename gives the container another name, by which it answers at once. It returns the
// record as it is then.
func (c *Container) Rename(name string) engine.Container {
	old := c.Name()
	names := func(list []string) []string {
		list = slices.DeleteFunc(slices.Clone(list), func(n string) bool { return n == old })
		list = append(list, name)
		slices.Sort(list)
		return slices.Compact(list)
	}
	c.Update(func(r *engine.Container) {
		r.Name = name
		r.Endpoints = maps.Clone(r.Endpoints)
		for network, e := range r.Endpoints {
			if slices.Contains(e.Names, old) {
				e.Names = names(e.Names)
				r.Endpoints[network] = e
			}
		}
	})
	c.rooms.Networks.Rename(c.ID, name, names)
	return c.Snapshot()
}

// Adjust changes limits and the restart policy, of a container that runs at once. It
// returns what the host could not do, and the record as it is then.
//
// Errors: engine.ErrInvalid for limits that contradict each other; nothing has changed then.
func (c *Container) Adjust(ctx context.Context, change *call.Change) (warnings []string, after engine.Container, err error) {
	err = c.Super.Do(ctx, func(context.Context) error {
		record := c.Snapshot()
		if change.Resources != nil {
			record.Spec.Resources = *change.Resources
		}
		if change.Restart != nil {
			record.Spec.Restart = *change.Restart
		}
		if err := c.rooms.Check(&record); err != nil {
			return err
		}
		if r := c.running(); r != nil && change.Resources != nil {
			limits, err := ocispec.Limits(ocispec.Input{Container: &record, Host: c.rooms.hostInfo()})
			if err != nil {
				return err
			}
			if warnings, err = r.cgroup.Update(limits); err != nil {
				return err
			}
		}
		c.Update(func(r *engine.Container) { r.Spec = record.Spec })
		return nil
	})
	if err == nil && change.Restart != nil {
		err = c.Super.SetRestart(ctx, *change.Restart)
	}
	return warnings, c.Snapshot(), err
}

// Resize changes the size of the terminal, in characters: at once, or for the next start.
func (c *Container) Resize(rows, columns uint16) error {
	if r := c.running(); r != nil {
		if !r.tty() {
			return nil
		}
		return r.process.Resize(columns, rows)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.console = [2]uint{uint(rows), uint(columns)}
	return nil
}
