package daemon

import (
	"context"
	"errors"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/network"
	"tiffin/engine/plan"
)

// reservePorts binds the host ports of all containers that a plan starts, before it
// starts any of them: a port that is taken stops the command while nothing has changed.
// The ports of a container that is replaced, or stopped on the way, are taken when it
// has ended; they are ours already.
func (d *Daemon) reservePorts(ctx context.Context, w *walk, p *plan.Plan) error {
	stopping := map[string]bool{}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Kind == plan.StopContainer || s.Kind == plan.RemoveContainer {
			stopping[s.Name] = true
		}
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.StartContainer || stopping[s.Name] {
			continue
		}
		bindings := w.bindings(s)
		if len(bindings) == 0 {
			continue
		}
		r, err := d.nets.Reserve(ctx, s.Name, bindings)
		if err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", s.Name, err), w.releasePorts())
		}
		w.ports[replicaKey{s.Service, s.Number}] = r
	}
	return nil
}

// bindings are the ports of the container that a step starts.
func (w *walk) bindings(s *plan.Step) []engine.PortBinding {
	if s.Container != "" {
		record := w.former[s.Container]
		return record.Spec.Ports
	}
	if svc, ok := w.stack.Service(s.Service); ok {
		return svc.Container.Ports
	}
	return nil
}

// handPorts gives a container the ports that were reserved for it.
func (w *walk) handPorts(c *container) {
	record := c.snapshot()
	key := replicaKey{record.Service, record.Number}
	w.mu.Lock()
	r := w.ports[key]
	delete(w.ports, key)
	w.mu.Unlock()
	if r == nil {
		return
	}
	c.mu.Lock()
	old := c.ports
	c.ports = r
	c.mu.Unlock()
	if old != nil {
		_ = w.d.nets.Release(context.WithoutCancel(w.d.life), old) //nolint:errcheck // it held nothing that is published
	}
}

// releasePorts lets go of what was reserved and not used.
func (w *walk) releasePorts() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for key, r := range w.ports {
		errs = append(errs, w.d.nets.Release(context.WithoutCancel(w.d.life), r))
		delete(w.ports, key)
	}
	return errors.Join(errs...)
}

// takePorts returns the container's reserved ports, reserving them when nobody has:
// on a start by the restart policy, or after a stop.
func (c *container) takePorts(ctx context.Context, record *engine.Container) (*network.Reservation, error) {
	c.mu.Lock()
	r := c.ports
	c.mu.Unlock()
	if r != nil || len(record.Spec.Ports) == 0 {
		return r, nil
	}
	r, err := c.d.nets.Reserve(ctx, record.Name, record.Spec.Ports)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.ports = r
	c.mu.Unlock()
	return r, nil
}

// publish lets connections in, once the process runs.
func (s *starter) publish(ctx context.Context) error {
	if s.sandbox == nil || s.ports == nil {
		return nil
	}
	if err := s.d.nets.Publish(ctx, s.ports, s.sandbox); err != nil {
		return err
	}
	s.c.update(func(r *engine.Container) { r.Published = s.ports.Ports() })
	return nil
}

// unpublish closes the ports of a container that ended.
func (d *Daemon) unpublish(ctx context.Context, c *container) error {
	c.mu.Lock()
	r := c.ports
	c.ports = nil
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	c.update(func(rec *engine.Container) { rec.Published = nil })
	return d.nets.Release(ctx, r)
}

// restorePorts takes the ports of a container that runs again, under a new engine.
// They are those that it had, whatever they were chosen from.
func (d *Daemon) restorePorts(ctx context.Context, c *container) error {
	record := c.snapshot()
	if len(record.Published) == 0 {
		return nil
	}
	bindings := make([]engine.PortBinding, len(record.Published))
	for i, p := range record.Published {
		bindings[i] = engine.PortBinding{HostIP: p.HostIP, HostPort: p.HostPort, ContainerPort: p.ContainerPort, Protocol: p.Protocol}
	}
	r, err := d.nets.Reserve(ctx, record.Name, bindings)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.ports = r
	c.mu.Unlock()
	s, err := d.sandboxOf(ctx, &record)
	if err != nil || s == nil {
		return err
	}
	return d.nets.Publish(ctx, r, s)
}
