package daemon

import (
	"context"
	"errors"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/container"
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
		r, err := d.rooms.Networks.Reserve(ctx, s.Name, bindings)
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
func (w *walk) handPorts(c *container.Container) {
	record := c.Snapshot()
	key := replicaKey{record.Service, record.Number}
	w.mu.Lock()
	r := w.ports[key]
	delete(w.ports, key)
	w.mu.Unlock()
	if r == nil {
		return
	}
	_ = c.HandPorts(context.WithoutCancel(w.d.life), r) // what it had before was not published
}

// releasePorts lets go of what was reserved and not used.
func (w *walk) releasePorts() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for key, r := range w.ports {
		errs = append(errs, w.d.rooms.Networks.Release(context.WithoutCancel(w.d.life), r))
		delete(w.ports, key)
	}
	return errors.Join(errs...)
}
