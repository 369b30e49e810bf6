package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
	"tiffin/engine/plan"
)

// Networks lists the networks, by name.
func (d *Daemon) Networks(context.Context) ([]engine.Network, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []engine.Network
	for _, n := range d.networks {
		all = append(all, n)
	}
	for _, n := range plan.PredefinedNetworks() {
		n.Created = d.started
		if !slices.ContainsFunc(all, func(other engine.Network) bool { return other.Spec.Name == n.Spec.Name }) {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b engine.Network) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return all, nil
}

// findNetwork finds a network by its name or ID.
func (d *Daemon) findNetwork(ref string) (engine.Network, error) {
	all, _ := d.Networks(context.Background()) // it does not fail
	return plan.FindNetwork(all, ref)
}

// networkTurn is the turn of who makes a network by command, or changes who is on it; no
// project has a name with a blank.
func networkTurn(name string) string { return "network " + name }

// CreateNetwork makes a network outside of a project.
//
// Errors: engine.ErrConflict when there is one of that name.
func (d *Daemon) CreateNetwork(ctx context.Context, spec *engine.NetworkSpec) (engine.Network, error) {
	ctx, unlock, err := d.lock(ctx, networkTurn(spec.Name))
	if err != nil {
		return engine.Network{}, err
	}
	defer unlock()
	all, _ := d.Networks(ctx) // it does not fail
	if slices.ContainsFunc(all, func(n engine.Network) bool { return n.Spec.Name == spec.Name }) {
		return engine.Network{}, engine.Problem(engine.ErrConflict, fmt.Errorf("network with name %s already exists", spec.Name))
	}
	made := *spec // labels of docker compose make it one of that project
	if made.Labels[engine.LabelProject] != "" {
		made.Key, made.Hash = spec.Labels[engine.LabelNetwork], spec.Labels[engine.LabelHash]
	}
	return d.makeNetwork(ctx, made, spec.Labels[engine.LabelProject])
}

// RemoveNetwork removes a network that no container runs on.
//
// Errors: engine.ErrNotFound; engine.ErrDenied for one that is in use, or that there always is.
func (d *Daemon) RemoveNetwork(ctx context.Context, ref string) error {
	n, err := d.findNetwork(ref)
	if err != nil {
		return err
	}
	name := n.Spec.Name
	if plan.IsPredefined(&n) {
		return engine.Problem(engine.ErrDenied, fmt.Errorf("%s is a pre-defined network and cannot be removed", name))
	}
	err = d.removeNetwork(ctx, name)
	if !errors.Is(err, errInUse) {
		return err
	}
	var users []string
	for _, c := range d.holders(&n) {
		users = append(users, fmt.Sprintf("name:%q id:%q", c.Name, engine.ShortID(c.ID)))
	}
	return engine.Hint(engine.Problem(engine.ErrDenied,
		fmt.Errorf("error while removing network: network %s has active endpoints (%s)", name, strings.Join(users, ", "))),
		"`tiffin network disconnect` takes a container off it")
}

// onNetwork are the containers that are, or were when they ran last, on a network.
func (d *Daemon) onNetwork(n *engine.Network) []engine.Container {
	return d.all(func(c *engine.Container) bool { return c.Endpoints[n.Spec.Name].NetworkID == n.ID })
}

// holders are the containers for which a network is kept. The default bridge is there as long
// as any that is on it: they are not to miss what docker always has.
func (d *Daemon) holders(n *engine.Network) []engine.Container {
	if n.Spec.Name == container.BridgeMode {
		return d.onNetwork(n)
	}
	return d.all(func(c *engine.Container) bool { return plan.Holds(n, c) })
}

// ConnectNetwork puts a container on a further network: at once when it runs, else when it
// starts next.
func (d *Daemon) ConnectNetwork(ctx context.Context, network, ref string, how *engine.EndpointSpec) error {
	return d.rewire(ctx, network, ref, func(ctx context.Context, n *engine.Network, c *container.Container) error {
		record, name := c.Snapshot(), n.Spec.Name
		if err := container.Connectable(&record, n); err != nil {
			return err
		}
		if err := d.mayJoin(ctx, n); err != nil {
			return err
		}
		c.SetEndpoint(name, engine.Endpoint{
			Network: name, NetworkID: n.ID, Spec: *how, Names: container.Names(c.ID, record.Name, record.Spec.Hostname, how.Aliases),
		})
		_, err := d.findNetwork(n.ID) // see removeNetwork
		if err == nil {
			err = d.saveConnections(c)
		}
		if err == nil {
			err = c.Join(ctx, name)
		}
		if err != nil {
			c.DropEndpoint(name)
			return errors.Join(err, d.saveConnections(c))
		}
		after := c.Snapshot()
		d.answering(&after)
		return d.saveConnections(c)
	}, "connect")
}

// mayJoin makes the default bridge when it is the one to join, and refuses networks that
// have no links.
func (d *Daemon) mayJoin(ctx context.Context, n *engine.Network) error {
	switch n.Spec.Driver {
	case "host", "none", "null":
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("container cannot be connected to network %s: its driver is %s", n.Spec.Name, n.Spec.Driver))
	}
	if n.Spec.Name != container.BridgeMode {
		return nil
	}
	bridge, err := d.Bridge(ctx)
	*n = bridge
	return err
}

// DisconnectNetwork takes a container off a network. One that does not run is taken off a
// network that there is no more, too: it can start again then.
func (d *Daemon) DisconnectNetwork(ctx context.Context, network, ref string, force call.ForceRemove) error {
	if _, err := d.findNetwork(network); errors.Is(err, engine.ErrNotFound) {
		return d.disconnectLost(ctx, network, ref, err)
	}
	return d.rewire(ctx, network, ref, func(ctx context.Context, n *engine.Network, c *container.Container) error {
		name := n.Spec.Name
		former, on := c.Snapshot().Endpoints[name]
		switch {
		case !on && bool(force):
			return nil
		case !on:
			return engine.Problem(engine.ErrDenied, fmt.Errorf("container %s is not connected to network %s", c.Name(), name))
		}
		c.DropEndpoint(name)
		if err := d.saveConnections(c); err != nil {
			return err
		}
		err := c.Part(ctx, former)
		if name == container.BridgeMode {
			err = errors.Join(err, d.dropBridge(ctx))
		}
		return err
	}, "disconnect")
}

// disconnectLost takes a container off a network that was removed while it did not run.
func (d *Daemon) disconnectLost(ctx context.Context, network, ref string, lost error) error {
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return c.Super.Do(ctx, func(context.Context) error {
		for name, e := range c.Snapshot().Endpoints {
			if name == network || e.NetworkID == network {
				c.DropEndpoint(name)
				return d.saveConnections(c)
			}
		}
		return lost
	})
}

// rewire changes the networks of a container while nothing else happens to it, or to the
// network. It is seen through, whatever becomes of ctx.
func (d *Daemon) rewire(ctx context.Context, network, ref string, change func(context.Context, *engine.Network, *container.Container) error, action string) error {
	n, err := d.findNetwork(network)
	if err != nil {
		return err
	}
	ctx, unlock, err := d.lock(ctx, networkTurn(n.Spec.Name))
	if err != nil {
		return err
	}
	defer unlock()
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	if n, err = d.findNetwork(n.ID); err != nil { // it may have gone meanwhile
		return err
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
	defer cancel()
	if err := c.Super.Do(bounded, func(context.Context) error { return change(bounded, &n, c) }); err != nil {
		return err
	}
	if c.Snapshot().State.Status.Alive() { // else it is on the network from its start
		d.events.Publish(events.OfNetworkMember(&n, action, c.ID))
	}
	return nil
}

// connectTimeout bounds a change of one container's networks; a start of it may be waited for.
const connectTimeout = time.Minute

// saveConnections writes on which networks a container is, and how.
func (d *Daemon) saveConnections(c *container.Container) error {
	record := c.Snapshot()
	return errors.Join(d.SaveContainer(&record), d.saveState(&record))
}
