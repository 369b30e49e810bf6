package container

import (
	"context"
	"errors"

	"tiffin/engine"
	"tiffin/engine/network"
)

// OfferPorts gives the container host ports that were reserved for its next start; nil
// takes back an offer that no start has taken.
func (c *Container) OfferPorts(ctx context.Context, r *network.Reservation) error {
	c.mu.Lock()
	old := c.offered
	c.offered = r
	c.mu.Unlock()
	if old == nil {
		return nil
	}
	return c.rooms.Networks.Release(ctx, old)
}

// takePorts takes the ports that were offered, or reserves them when nobody has: on a
// start by the restart policy, or after a stop.
func (c *Container) takePorts(ctx context.Context, record *engine.Container) (*network.Reservation, error) {
	c.mu.Lock()
	r := c.offered
	c.offered = nil
	c.mu.Unlock()
	if r == nil && len(record.Spec.Ports) > 0 {
		var err error
		if r, err = c.rooms.Networks.Reserve(ctx, record.Name, c.rooms.bindings(record)); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ports = r
	return r, nil
}

// bindings are the ports of a container as its networks publish them.
func (r *Rooms) bindings(record *engine.Container) []engine.PortBinding {
	var on []network.Membership
	for name, e := range record.Endpoints {
		if n, ok := r.Index.Network(name); ok {
			on = append(on, network.Membership{Network: n.Spec, Endpoint: e.Spec})
		}
	}
	return network.Bindings(record.Spec.Ports, on)
}

// publish lets connections in, once the process runs.
func (s *starter) publish(ctx context.Context) error {
	if s.sandbox == nil || s.ports == nil {
		return nil
	}
	return s.c.publishIn(ctx, s.ports, s.sandbox)
}

// publishIn lets connections to reserved ports in. Where there is no way in, on internal
// networks, they are let go of: a client is refused, and does not wait for an answer.
func (c *Container) publishIn(ctx context.Context, r *network.Reservation, s *network.Sandbox) error {
	if _, outside := s.Outside(); !outside {
		return c.unpublish(ctx)
	}
	if err := c.rooms.Networks.Publish(ctx, r, s); err != nil {
		return err
	}
	c.Update(func(rec *engine.Container) { rec.Published = r.Ports() })
	return nil
}

// unpublish closes the ports of a container that ended, or whose start did not succeed.
func (c *Container) unpublish(ctx context.Context) error {
	c.mu.Lock()
	r := c.ports
	c.ports = nil
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	c.Update(func(rec *engine.Container) { rec.Published = nil })
	err := c.forgetPorts(ctx) // the port is free only when nobody has its socket
	return errors.Join(err, c.rooms.Networks.Release(ctx, r))
}

// restorePorts takes the ports of a container that runs under a new engine: those that
// it had, whatever they were chosen from.
func (c *Container) restorePorts(ctx context.Context) error {
	record := c.Snapshot()
	if len(record.Published) == 0 {
		return nil
	}
	k, err := c.rooms.Keepers.Of(ctx, record.Project)
	if err != nil {
		return err
	}
	kept := c.takePortFiles(k)
	r, err := c.rooms.Networks.Resume(ctx, record.Name, record.Published, kept)
	defer closeFiles(kept...) //nolint:errcheck // nothing was written through them; the programs among them served until now
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.ports = r
	c.mu.Unlock()
	s, err := c.rooms.SandboxOf(ctx, &record)
	if err != nil || s == nil {
		return err
	}
	if err := c.rooms.Networks.Publish(ctx, r, s); err != nil {
		return err
	}
	return c.keepPorts(ctx, k, r)
}
