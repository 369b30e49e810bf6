package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

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
	var wants []portWant
	for i := range p.Steps {
		switch s := &p.Steps[i]; s.Kind {
		case plan.StopContainer, plan.RemoveContainer:
			stopping[s.Name] = true
		case plan.StartContainer:
			wants = append(wants, portWant{replicaKey{s.Service, s.Number}, s.Name, w.bindings(s)})
		default:
		}
	}
	if err := checkPorts(wants); err != nil {
		return err
	}
	for _, want := range wants {
		if stopping[want.name] || len(want.bindings) == 0 {
			continue
		}
		r, err := d.rooms.Networks.Reserve(ctx, want.name, want.bindings)
		if err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", want.name, err), w.releasePorts())
		}
		w.mu.Lock()
		w.ports[want.replica] = r
		w.mu.Unlock()
	}
	return nil
}

// portWant is a container that will be started, and the ports that it is to publish.
type portWant struct {
	replica  replicaKey
	name     string
	bindings []engine.PortBinding
}

// checkPorts refuses two containers that can only have the same port of the host.
func checkPorts(wants []portWant) error {
	var seen []portWant
	for _, want := range wants {
		for _, other := range seen {
			for _, b := range want.bindings {
				if slices.ContainsFunc(other.bindings, func(o engine.PortBinding) bool { return samePort(b, o) }) {
					return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("start %s: port %s of the host is to be that of %s, too", want.name, b, other.name)),
						"publish another port, or a range of them for several replicas")
				}
			}
		}
		seen = append(seen, want)
	}
	return nil
}

// samePort says that only one of two bindings can be had.
func samePort(a, b engine.PortBinding) bool {
	fixed := func(p engine.PortBinding) bool {
		return p.HostPort != 0 && (p.HostPortEnd == 0 || p.HostPortEnd == p.HostPort)
	}
	anywhere := func(ip netip.Addr) bool { return !ip.IsValid() || ip.IsUnspecified() }
	switch {
	case !fixed(a) || !fixed(b) || a.HostPort != b.HostPort || firstOf(a.Protocol, "tcp") != firstOf(b.Protocol, "tcp"):
		return false
	case !a.HostIP.IsValid() || !b.HostIP.IsValid() || a.HostIP == b.HostIP:
		return true
	default:
		return a.HostIP.Is4() == b.HostIP.Is4() && (anywhere(a.HostIP) || anywhere(b.HostIP))
	}
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
