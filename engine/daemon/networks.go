package daemon

import (
	"context"
	"errors"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
	"tiffin/engine/plan"
)

// createNetwork makes a network of a Stack.
func (d *Daemon) createNetwork(ctx context.Context, stack *engine.Stack, key string) error {
	spec, ok := stack.Network(key)
	if !ok {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("network %q is not defined", key))
	}
	_, err := d.makeNetwork(ctx, *spec, stack.Name)
	return err
}

// makeNetwork makes a network and its record. The record comes first: what a crash
// leaves in the kernel bears its ID.
func (d *Daemon) makeNetwork(ctx context.Context, spec engine.NetworkSpec, project string) (engine.Network, error) {
	id := engine.NewID()
	planned := engine.Network{ID: id, Project: project, Spec: spec}
	if err := d.records.Put(kindNetwork, id, &planned); err != nil {
		return engine.Network{}, err
	}
	n, err := d.rooms.Networks.Create(ctx, spec, id, project)
	if err != nil {
		return engine.Network{}, errors.Join(err, d.records.Delete(kindNetwork, id))
	}
	if err := d.records.Put(kindNetwork, id, &n); err != nil {
		return engine.Network{}, errors.Join(err, d.rooms.Networks.Remove(ctx, n), d.records.Delete(kindNetwork, id))
	}
	d.mu.Lock()
	d.networks[id] = n
	d.mu.Unlock()
	d.events.Publish(events.OfNetwork(&n, "create"))
	return n, nil
}

// Network finds a network by its name on the host.
func (d *Daemon) Network(name string) (engine.Network, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.networks {
		if n.Spec.Name == name {
			return n, true
		}
	}
	return engine.Network{}, false
}

// removeNetwork removes a network that no container runs on. Those that do not run are taken
// off: their next start says that it is gone.
//
// Errors: errInUse.
func (d *Daemon) removeNetwork(ctx context.Context, name string) error {
	n, ok := d.Network(name)
	if !ok {
		return nil
	}
	if len(d.holders(&n)) > 0 {
		return errInUse
	}
	// Who connects a container names the network in its record first, and then looks
	// whether it is there: one of the two sees the other.
	d.forgetNetwork(&n)
	err := d.unmakeNetwork(ctx, &n)
	if err != nil {
		d.mu.Lock()
		d.networks[n.ID] = n
		d.mu.Unlock()
		return err
	}
	d.events.Publish(events.OfNetwork(&n, "destroy"))
	return nil
}

func (d *Daemon) forgetNetwork(n *engine.Network) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.networks, n.ID)
}

func (d *Daemon) unmakeNetwork(ctx context.Context, n *engine.Network) error {
	if len(d.holders(n)) > 0 {
		return errInUse
	}
	if err := d.vacate(ctx, n); err != nil {
		return err
	}
	if err := d.rooms.Networks.Remove(ctx, *n); err != nil {
		return err
	}
	return d.records.Delete(kindNetwork, n.ID)
}

// vacate takes the containers that do not run off a network. They go on naming it by its ID:
// one that is made later with its name is another one.
//
// Errors: errInUse when one has been started meanwhile.
func (d *Daemon) vacate(ctx context.Context, n *engine.Network) error {
	for _, record := range d.onNetwork(n) {
		c, err := d.byID(record.ID)
		if err != nil {
			continue // it went meanwhile
		}
		err = c.Super.Do(ctx, func(ctx context.Context) error {
			record := c.Snapshot()
			if plan.Holds(n, &record) {
				return errInUse
			}
			was := record.Endpoints[n.Spec.Name]
			c.SetEndpoint(was.Network, engine.Endpoint{Network: was.Network, NetworkID: was.NetworkID, Spec: was.Spec, Names: was.Names, Interface: was.Interface})
			return errors.Join(c.Part(ctx, was), d.saveConnections(c))
		})
		if err != nil && !errors.Is(err, engine.ErrConflict) { // that is being removed, and leaves by itself
			return err
		}
	}
	return nil
}

// recreateNetwork makes a network anew whose definition changed. Nothing of its project
// runs on it: those containers are attached again when they start; others at once.
func (d *Daemon) recreateNetwork(ctx context.Context, stack *engine.Stack, key string) error {
	spec, ok := stack.Network(key)
	if !ok {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("network %q is not defined", key))
	}
	users, err := d.detachAll(ctx, spec.Name)
	if err != nil {
		return err
	}
	if err := d.removeNetwork(ctx, spec.Name); err != nil {
		return err
	}
	if err := d.createNetwork(ctx, stack, key); err != nil {
		return err
	}
	for _, c := range users {
		err := c.Super.Do(ctx, func(ctx context.Context) error { return c.Join(ctx, spec.Name) })
		if err = errors.Join(err, d.saveConnections(c)); err != nil { // its project is not this one
			d.log.Warn("not connected again", "container", c.Name(), "network", spec.Name, "err", err)
		}
		record := c.Snapshot()
		d.answering(&record)
	}
	return nil
}

// detachAll takes every container off a network, and says which.
func (d *Daemon) detachAll(ctx context.Context, name string) ([]*container.Container, error) {
	var users []*container.Container
	var errs []error
	for _, record := range d.all(func(c *engine.Container) bool { return c.Endpoints[name].NetworkID != "" }) {
		c, err := d.byID(record.ID)
		if err != nil {
			continue
		}
		was := record.Endpoints[name]
		c.SetEndpoint(name, engine.Endpoint{Network: name, Spec: was.Spec, Names: was.Names, Interface: was.Interface})
		err = c.Super.Do(ctx, func(ctx context.Context) error { return c.Part(ctx, was) })
		if errors.Is(err, engine.ErrConflict) {
			continue // it is being removed
		}
		users, errs = append(users, c), append(errs, err)
	}
	return users, errors.Join(errs...)
}

// dropSandbox removes the namespace of a container unless its replacement has it. Who else is
// in it stays without names and published ports, as with Docker.
func (d *Daemon) dropSandbox(ctx context.Context, c *engine.Container) error {
	key := container.SandboxKey(c)
	heirs := d.all(func(o *engine.Container) bool { return o.ID != c.ID && container.SandboxKey(o) == key })
	if len(heirs) > 0 {
		return d.rejoin(c, &heirs[0])
	}
	return errors.Join(d.rooms.ForgetNames(ctx, c.Project, key), d.rooms.Networks.DropSandbox(ctx, key))
}

// rejoin lets the containers in the network of one that goes refer to the one that has it
// from now on. Nothing changes for their processes.
func (d *Daemon) rejoin(gone, heir *engine.Container) error {
	var errs []error
	for _, guest := range d.all(func(c *engine.Container) bool { return c.Spec.NetworkMode == "container:"+gone.ID }) {
		c, err := d.byID(guest.ID)
		if err != nil {
			continue // it went meanwhile
		}
		c.Update(func(r *engine.Container) { r.Spec.NetworkMode = "container:" + heir.ID })
		record := c.Snapshot()
		errs = append(errs, d.SaveContainer(&record))
	}
	return errors.Join(errs...)
}

// dropBridge removes the default bridge after its last container or job.
func (d *Daemon) dropBridge(ctx context.Context) error {
	ctx, unlock, err := d.lock(ctx, bridgeTurn)
	if err != nil {
		return err
	}
	defer unlock()
	return d.dropUnusedBridge(ctx)
}

// dropUnusedBridge is dropBridge for who has its turn.
func (d *Daemon) dropUnusedBridge(ctx context.Context) error {
	if d.jobs.Load() > 0 || len(d.all(container.NeedsBridge)) > 0 {
		return nil
	}
	if err := d.removeNetwork(ctx, container.BridgeMode); !errors.Is(err, errInUse) {
		return err
	}
	return nil // somebody was connected to it by command
}

// Bridge returns the network of network_mode: bridge. It is made for the first
// container that needs it and goes with the last.
func (d *Daemon) Bridge(ctx context.Context) (engine.Network, error) {
	ctx, unlock, err := d.lock(ctx, bridgeTurn)
	if err != nil {
		return engine.Network{}, err
	}
	defer unlock()
	if n, ok := d.Network(container.BridgeMode); ok {
		return n, nil
	}
	return d.makeNetwork(ctx, engine.NetworkSpec{Key: container.BridgeMode, Name: container.BridgeMode, Driver: "bridge"}, "")
}

// bridgeTurn is the turn of who makes or removes the default bridge; no project has
// this name.
const bridgeTurn = ""
