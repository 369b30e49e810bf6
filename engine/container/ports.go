package container

import (
	"context"

	"tiffin/engine"
	"tiffin/engine/network"
)

// HandPorts gives the container host ports that were reserved for its next start.
func (c *Container) HandPorts(ctx context.Context, r *network.Reservation) error {
	c.mu.Lock()
	old := c.ports
	c.ports = r
	c.mu.Unlock()
	if old == nil {
		return nil
	}
	return c.rooms.Networks.Release(ctx, old)
}

// takePorts returns the reserved ports, reserving them when nobody has: on a start by
// the restart policy, or after a stop.
func (c *Container) takePorts(ctx context.Context, record *engine.Container) (*network.Reservation, error) {
	c.mu.Lock()
	r := c.ports
	c.mu.Unlock()
	if r != nil || len(record.Spec.Ports) == 0 {
		return r, nil
	}
	r, err := c.rooms.Networks.Reserve(ctx, record.Name, record.Spec.Ports)
	if err != nil {
		return nil, err
	}
	return r, c.HandPorts(ctx, r)
}

// publish lets connections in, once the process runs.
func (s *starter) publish(ctx context.Context) error {
	if s.sandbox == nil || s.ports == nil {
		return nil
	}
	if err := s.rooms.Networks.Publish(ctx, s.ports, s.sandbox); err != nil {
		return err
	}
	s.c.Update(func(r *engine.Container) { r.Published = s.ports.Ports() })
	return nil
}

// unpublish closes the ports of a container that ended.
func (c *Container) unpublish(ctx context.Context) error {
	c.mu.Lock()
	r := c.ports
	c.ports = nil
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	c.Update(func(rec *engine.Container) { rec.Published = nil })
	return c.rooms.Networks.Release(ctx, r)
}

// restorePorts takes the ports of a container that runs under a new engine: those that
// it had, whatever they were chosen from.
func (c *Container) restorePorts(ctx context.Context) error {
	record := c.Snapshot()
	if len(record.Published) == 0 {
		return nil
	}
	bindings := make([]engine.PortBinding, len(record.Published))
	for i, p := range record.Published {
		bindings[i] = engine.PortBinding{HostIP: p.HostIP, HostPort: p.HostPort, ContainerPort: p.ContainerPort, Protocol: p.Protocol}
	}
	r, err := c.rooms.Networks.Reserve(ctx, record.Name, bindings)
	if err != nil {
		return err
	}
	if err := c.HandPorts(ctx, r); err != nil {
		return err
	}
	s, err := c.rooms.SandboxOf(ctx, &record)
	if err != nil || s == nil {
		return err
	}
	return c.rooms.Networks.Publish(ctx, r, s)
}
