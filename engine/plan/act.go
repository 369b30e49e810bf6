package plan

import (
	"fmt"
	"maps"
	"slices"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Act plans an action on containers that are there. stack, which may be nil, is the
// request's or the one that was brought up last; without one the labels of the
// containers tell what depends on what.
//
// Errors: engine.ErrNotFound for a name that is no service of the project, and for a
// service that has no container to start.
func Act(req *call.ActRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
	a := &act{req: req, stack: stack, obs: newInventory(obs)}
	if err := a.pick(); err != nil {
		return nil, err
	}
	a.order = newOrder(&a.builder, a.services, a.dependencies)
	switch req.Action {
	case call.ActStart:
		if err := a.start(); err != nil {
			return nil, err
		}
	case call.ActStop:
		a.stop()
	case call.ActRestart:
		a.restart()
	case call.ActKill:
		a.kill()
	case call.ActPause:
		a.when(engine.StatusRunning, PauseContainer)
	case call.ActUnpause:
		a.when(engine.StatusPaused, UnpauseContainer)
	case call.ActRemove:
		a.remove()
	default:
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("there is no action %q", req.Action))
	}
	return a.finish()
}

type act struct {
	builder
	order *order
	req   *call.ActRequest
	stack *engine.Stack
	obs   *inventory
	// services are those to act on, sorted.
	services []string
}

// pick selects the services: those named, or all of the request's Stack, or all that
// there are.
func (a *act) pick() error {
	a.services = slices.Compact(slices.Sorted(slices.Values(a.req.Services)))
	for _, name := range a.services {
		if !a.known(name) {
			return noSuchService(name)
		}
	}
	switch {
	case len(a.services) > 0:
	case a.req.Stack == nil:
		a.services = a.obs.services()
	default:
		for i := range a.req.Stack.Services {
			a.services = append(a.services, a.req.Stack.Services[i].Name)
		}
	}
	return nil
}

func (a *act) known(service string) bool {
	if len(a.obs.replicas[service]) > 0 {
		return true
	}
	if a.stack == nil {
		return false
	}
	_, ok := a.stack.Service(service)
	return ok || slices.Contains(a.stack.Disabled, service)
}

// dependencies of a service, as far as they count for this request.
func (a *act) dependencies(service string) []engine.Dependency {
	if a.req.NoDeps {
		return nil
	}
	return a.obs.dependencies(a.stack)(service)
}

// replicas are the containers of a service that the request is about.
func (a *act) replicas(service string) []*engine.Container {
	all := a.obs.replicas[service]
	if a.req.Index == 0 || !slices.Contains(a.services, service) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(c *engine.Container) bool { return c.Number != a.req.Index })
}

func (a *act) unit(c *engine.Container) *unit {
	u := unitOf(c)
	a.order.units[c.Service] = append(a.order.units[c.Service], u)
	return u
}

// when does one thing to each container that has a status.
func (a *act) when(status engine.Status, kind Kind) {
	for _, service := range a.services {
		for _, c := range a.replicas(service) {
			if c.State.Status == status {
				a.add(stepOn(kind, c))
			}
		}
	}
}

func stepOn(kind Kind, c *engine.Container) Step {
	return Step{Kind: kind, Name: c.Name, Container: c.ID, Service: c.Service, Number: c.Number}
}

// start starts what is there, dependencies first, and never creates.
func (a *act) start() error {
	for _, service := range a.withDependencies() {
		there := a.replicas(service)
		if len(there) == 0 && a.wanted(service) {
			return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("service %q has no container to start", service)),
				"`tiffin up` creates it")
		}
		for _, c := range there {
			u := a.unit(c)
			if !c.State.Status.Alive() {
				u.start = a.add(stepOn(StartContainer, c))
			}
		}
	}
	a.order.startInOrder()
	for _, service := range slices.Sorted(maps.Keys(a.order.units)) {
		a.addPreStarts(service)
	}
	return nil
}

func (a *act) wanted(service string) bool {
	if a.stack == nil {
		return true
	}
	svc, ok := a.stack.Service(service)
	return ok && svc.Scale > 0
}

// withDependencies are the services to start: the targets and what they depend on. What
// they can do without is left out where it has no container.
func (a *act) withDependencies() []string {
	out := slices.Clone(a.services)
	for i := 0; i < len(out); i++ {
		for _, d := range a.order.dependsOn[out[i]] {
			needed := !d.Optional || len(a.obs.replicas[d.Service]) > 0
			if needed && !slices.Contains(out, d.Service) {
				out = append(out, d.Service)
			}
		}
	}
	slices.Sort(out)
	return out
}

// stop stops the targets, dependents first; or kills them all at once.
func (a *act) stop() {
	for _, service := range a.services {
		for _, c := range a.replicas(service) {
			if a.req.Now {
				a.addKill(c)
				continue
			}
			a.unit(c).stop = a.addStop(c, "", a.req.Timeout)
		}
	}
	a.order.stopInOrder(nil)
}

// restart stops, in reverse order, and starts the targets, and the dependents with
// restart:true that run.
func (a *act) restart() {
	for _, service := range a.services {
		for _, c := range a.replicas(service) {
			a.addRestart(c, "restart")
		}
	}
	if !a.req.NoDeps {
		a.restartDependents()
	}
	a.order.stopInOrder(nil)
	a.order.startInOrder()
}

func (a *act) addRestart(c *engine.Container, cause string) {
	u := a.unit(c)
	u.stop = a.addStop(c, cause, a.req.Timeout)
	s := stepOn(StartContainer, c)
	s.Cause = cause
	u.start = a.add(s, u.stop)
}

func (a *act) restartDependents() {
	all := a.obs.services()
	a.order.dependsOn = withoutCircles(all, a.dependencies)
	disturbed := slices.Clone(a.services)
	for i := 0; i < len(disturbed); i++ {
		for _, service := range all {
			follows := slices.ContainsFunc(a.order.dependsOn[service], func(d engine.Dependency) bool {
				return d.Restart && d.Service == disturbed[i]
			})
			if !follows || slices.Contains(disturbed, service) {
				continue
			}
			disturbed = append(disturbed, service)
			for _, c := range a.obs.replicas[service] {
				if runs(c) {
					a.addRestart(c, fmt.Sprintf("depends on %s, which is restarted", disturbed[i]))
				}
			}
		}
	}
}

// kill sends a signal to what runs, one-offs included.
func (a *act) kill() {
	for c := range a.obs.containers() {
		target := slices.Contains(a.services, c.Service) && (a.req.Index == 0 || c.Number == a.req.Index)
		orphan := a.req.RemoveOrphans && a.req.Stack != nil && isOrphan(c, a.req.Stack)
		if !target && !orphan || !runs(c) {
			continue
		}
		s := stepOn(KillContainer, c)
		s.Signal = a.req.Signal
		a.add(s)
	}
	if len(a.nodes) == 0 {
		a.warn("No container to kill")
	}
}

// remove removes what does not run, or everything after stopping it.
func (a *act) remove() {
	for _, service := range a.services {
		for _, c := range a.replicas(service) {
			if runs(c) && !a.req.Stop || c.State.Status == engine.StatusRemoving {
				continue
			}
			u := a.unit(c)
			u.stop = a.addStop(c, "", a.req.Timeout)
			a.addRemove(c, "", u.stop).Volumes = a.req.Volumes
		}
	}
	a.order.stopInOrder(nil)
	if len(a.nodes) == 0 {
		a.warn("No stopped containers")
	}
}
