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
	var wants []plan.PortWant
	replicas := map[string]replicaKey{}
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.Kind {
		case plan.StopContainer, plan.RemoveContainer:
			stopping[s.Name] = true
		case plan.StartContainer:
			wants = append(wants, plan.PortWant{Name: s.Name, Bindings: w.bindings(s)})
			replicas[s.Name] = replicaKey{s.Service, s.Number}
		default:
		}
	}
	if err := plan.CheckPorts(wants); err != nil {
		return err
	}
	for _, want := range wants {
		if stopping[want.Name] || len(want.Bindings) == 0 {
			continue
		}
		r, err := d.rooms.Networks.Reserve(ctx, want.Name, want.Bindings)
		if err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", want.Name, err), w.releasePorts())
		}
		w.mu.Lock()
		w.ports[replicas[want.Name]] = r
		w.mu.Unlock()
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

// offerPorts gives a container the ports that were reserved for it.
func (w *walk) offerPorts(ctx context.Context, c *container.Container) error {
	record := c.Snapshot()
	key := replicaKey{record.Service, record.Number}
	w.mu.Lock()
	r := w.ports[key]
	delete(w.ports, key)
	w.mu.Unlock()
	return c.OfferPorts(ctx, r)
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
