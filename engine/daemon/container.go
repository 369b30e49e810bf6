package daemon

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
	"tiffin/engine/supervisor"
)

// Changed implements container.Index: it writes the state down, tells who listens, and
// lets names answer or not.
func (d *Daemon) Changed(c *container.Container, happened []supervisor.Event) {
	record := c.Snapshot()
	d.answering(&record)
	if err := d.saveState(&record); err != nil {
		d.log.Warn("state not recorded", "container", record.Name, "err", err)
	}
	for _, ev := range happened {
		for _, before := range events.Before(&record, ev.Action, d.findNetwork) {
			d.events.Publish(before)
		}
		d.events.Publish(events.OfContainer(&record, ev.Action, ev.Attributes))
	}
	if record.Spec.AutoRemove && record.Ended() && record.State.Status != engine.StatusRemoving {
		d.removeLater(c)
	}
}

// byID finds a container by its full ID.
func (d *Daemon) byID(id string) (*container.Container, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.containers[id]
	if !ok {
		return nil, noSuchContainer(id)
	}
	return c, nil
}

func noSuchContainer(ref string) error {
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("No such container: %s", ref)) //nolint:staticcheck // clients match on Docker's text
}

// Container finds a container by ID, name, or a prefix of its ID that is its alone.
func (d *Daemon) Container(ref string) (*container.Container, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ref = strings.TrimPrefix(ref, "/")
	if c, ok := d.containers[ref]; ok {
		return c, nil
	}
	if id, ok := d.names[ref]; ok && d.containers[id] != nil {
		return d.containers[id], nil
	}
	var found *container.Container
	for id, c := range d.containers {
		if ref == "" || !strings.HasPrefix(id, ref) {
			continue
		}
		if found != nil {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("several containers begin with %q", ref))
		}
		found = c
	}
	if found == nil {
		return nil, noSuchContainer(ref)
	}
	return found, nil
}

// all lists the containers that keep accepts, by name.
func (d *Daemon) all(keep func(*engine.Container) bool) []engine.Container {
	d.mu.Lock()
	list := slices.Collect(maps.Values(d.containers))
	d.mu.Unlock()
	var out []engine.Container
	for _, c := range list {
		if record := c.Snapshot(); keep(&record) {
			out = append(out, record)
		}
	}
	slices.SortFunc(out, func(a, b engine.Container) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// reserveName gives a name to a container that is about to be.
//
// Errors: engine.ErrConflict in Docker's words, which clients match on.
func (d *Daemon) reserveName(name, id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if holder, taken := d.names[name]; taken && holder != id {
		const inUse = "Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name."
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf(inUse, "/"+name, holder)), //nolint:staticcheck // clients match on Docker's text
			"remove that container, or give this one another name")
	}
	d.names[name] = id
	return nil
}

func (d *Daemon) releaseName(name, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == id {
		delete(d.names, name)
	}
}

// GiveName gives a container the name that its predecessor had.
func (d *Daemon) GiveName(c *container.Container, name string) error {
	old := c.Name()
	if old == name {
		return nil
	}
	if err := d.reserveName(name, c.ID); err != nil {
		return err
	}
	record := c.Rename(name)
	if err := d.SaveContainer(&record); err != nil {
		return err
	}
	d.releaseName(old, c.ID)
	d.events.Publish(events.OfContainer(&record, "rename", map[string]string{"oldName": "/" + old}))
	return nil
}
