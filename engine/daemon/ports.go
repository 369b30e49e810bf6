package daemon

import (
	"context"
	"errors"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/network"
	"tiffin/engine/plan"
)

// reservePorts binds the host ports of all containers that a plan starts, before it
// starts any of them: a port that is taken stops the command while nothing has changed.
// The ports of a container that is replaced, or stopped on the way, are taken when it
// has ended; they are ours already.
func (d *Daemon) reservePorts(ctx context.Context, w *walk, p *plan.Plan) error {
	stopping := map[string]bool{}
	replicas := map[replicaKey]bool{} // which may have other names: docker-compose before 2 wrote p_web_1
	var wants []plan.PortWish
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.Kind {
		case plan.StopContainer, plan.RemoveContainer:
			stopping[s.Name], replicas[replicaKey{s.Service, s.Number}] = true, true
		case plan.StartContainer:
			wants = append(wants, plan.PortWish{Service: s.Service, Number: s.Number, Name: s.Name, Ports: w.bindings(s)})
		default:
		}
	}
	if err := plan.CheckPorts(wants); err != nil {
		return err
	}
	for _, want := range wants {
		if stopping[want.Name] || replicas[replicaKey{want.Service, want.Number}] || len(want.Ports) == 0 {
			continue
		}
		r, err := d.rooms.Networks.Reserve(ctx, want.Name, want.Ports)
		if err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", want.Name, err), w.releasePorts())
		}
		w.mu.Lock()
		w.ports[replicaKey{want.Service, want.Number}] = r
		w.mu.Unlock()
	}
	return nil
}

// bindings are the ports of the container that a step starts, as its networks publish them.
func (w *walk) bindings(s *plan.Step) []engine.PortBinding {
	var spec *engine.ContainerSpec
	if s.Container != "" {
		record := w.former[s.Container]
		spec = &record.Spec
	} else if svc, ok := w.stack.Service(s.Service); ok {
		spec = &svc.Container
	} else {
		return nil
	}
	var on []network.Membership
	for _, e := range spec.Endpoints {
		if n, ok := w.network(e.Network); ok {
			on = append(on, network.Membership{Network: n, Endpoint: e})
		}
	}
	return network.Bindings(spec.Ports, on)
}

// network is the definition of a network of the Stack, as it is or will be.
func (w *walk) network(key string) (engine.NetworkSpec, bool) {
	name := key
	if w.stack != nil {
		if n, ok := w.stack.Network(key); ok && !n.External {
			return *n, true
		} else if ok {
			name = n.Name
		}
	}
	n, ok := w.d.Network(name)
	return n.Spec, ok
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
