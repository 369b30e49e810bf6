package plan

import (
	"fmt"
	"slices"

	"tiffin/engine"
)

// Act plans an action on containers that are there. stack may be nil; then the
// labels of the containers tell what depends on what.
//
// Errors: engine.ErrNotFound for a service that has no container to act on.
func Act(req *engine.ActRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
	a := &act{req: req, stack: stack, obs: obs, steps: map[string][]*node{}}
	if err := a.check(); err != nil {
		return nil, err
	}
	switch req.Action {
	case engine.ActStart:
		return a.start()
	case engine.ActStop:
		a.each(func(c *engine.Container) *node { return stopStep(&a.builder, c, req.Timeout, "") })
		reverse(a.steps, a.dependencies)
	case engine.ActRestart:
		a.restart()
	case engine.ActKill:
		a.kill()
	case engine.ActPause:
		a.each(func(c *engine.Container) *node { return a.when(c, engine.StatusRunning, PauseContainer) })
	case engine.ActUnpause:
		a.each(func(c *engine.Container) *node { return a.when(c, engine.StatusPaused, UnpauseContainer) })
	case engine.ActRemove:
		a.remove()
	default:
		return nil, fmt.Errorf("%w: action %q", engine.ErrInvalid, req.Action)
	}
	return a.finish()
}

type act struct {
	builder
	req   *engine.ActRequest
	stack *engine.Stack
	obs   *Observed
	steps map[string][]*node // by service
}

func (a *act) dependencies(service string) []engine.Dependency {
	return a.obs.dependencies(a.stack, service)
}

// check finds names that are no service of this project.
func (a *act) check() error {
	there := a.obs.services()
	for _, name := range a.req.Services {
		known := slices.Contains(there, name)
		if a.stack != nil {
			_, ok := a.stack.Service(name)
			known = known || ok || slices.Contains(a.stack.Disabled, name)
		}
		if !known {
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", name))
		}
	}
	return nil
}

// targets are the services to act on, sorted.
func (a *act) targets() []string {
	if len(a.req.Services) > 0 {
		out := slices.Sorted(slices.Values(a.req.Services))
		return slices.Compact(out)
	}
	if a.stack == nil {
		return a.obs.services()
	}
	var out []string
	for _, name := range a.obs.services() {
		if _, ok := a.stack.Service(name); ok {
			out = append(out, name)
		}
	}
	return out
}

func (a *act) replicas(service string) []engine.Container {
	all := a.obs.replicas(service)
	if a.req.Index == 0 {
		return all
	}
	return slices.DeleteFunc(all, func(c engine.Container) bool { return c.Number != a.req.Index })
}

func (a *act) each(step func(*engine.Container) *node) {
	for _, service := range a.targets() {
		for _, c := range a.replicas(service) {
			if n := step(&c); n != nil {
				a.steps[service] = append(a.steps[service], n)
			}
		}
	}
}

func (a *act) when(c *engine.Container, status engine.Status, kind Kind) *node {
	if c.State.Status != status {
		return nil
	}
	return a.add(Step{Kind: kind, Name: c.Name, Container: c.ID, Service: c.Service, Number: c.Number})
}

// start starts what is there, dependencies first, and never creates.
func (a *act) start() (*Plan, error) {
	targets := a.targets()
	if !a.req.NoDeps {
		targets = a.withDependencies(targets)
	}
	for _, service := range targets {
		there := a.replicas(service)
		if len(there) == 0 && a.wanted(service) {
			return nil, engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("service %q has no container to start", service)),
				"`tiffin up` creates it")
		}
		for _, c := range there {
			if !c.State.Status.Alive() {
				a.steps[service] = append(a.steps[service],
					a.add(Step{Kind: StartContainer, Name: c.Name, Container: c.ID, Service: service, Number: c.Number}))
			}
		}
	}
	for service, nodes := range a.steps {
		a.startAfter(service, nodes)
	}
	return a.finish()
}

func (a *act) wanted(service string) bool {
	if a.stack == nil {
		return true
	}
	svc, ok := a.stack.Service(service)
	return ok && svc.Scale > 0
}

func (a *act) startAfter(service string, nodes []*node) {
	if a.req.NoDeps {
		return
	}
	for _, d := range a.dependencies(service) {
		for _, before := range a.conditions(d) {
			for _, n := range nodes {
				if d.Optional {
					n.afterOptional(before)
				} else {
					n.after(before)
				}
			}
		}
	}
}

// conditions are the steps after which a dependency is met.
func (a *act) conditions(d engine.Dependency) []*node {
	starts := a.steps[d.Service]
	if d.Condition == engine.ConditionStarted || d.Condition == "" {
		return starts
	}
	var out []*node
	for _, c := range a.obs.replicas(d.Service) {
		if c.State.Health.Status == engine.Healthy && c.State.Status.Alive() && d.Condition == engine.ConditionHealthy && len(starts) == 0 {
			continue
		}
		out = append(out, a.await(&c, d.Condition, starts))
	}
	return out
}

func (a *act) await(c *engine.Container, condition engine.Condition, starts []*node) *node {
	for _, n := range a.nodes {
		if n.Kind == Await && n.Container == c.ID && n.Condition == condition {
			return n
		}
	}
	return a.add(Step{Kind: Await, Name: c.Name, Container: c.ID, Service: c.Service, Number: c.Number, Condition: condition}, starts...)
}

func (a *act) withDependencies(targets []string) []string {
	seen := map[string]bool{}
	var out []string
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		out = append(out, name)
		for _, d := range a.dependencies(name) {
			if !d.Optional || len(a.obs.replicas(d.Service)) > 0 {
				visit(d.Service)
			}
		}
	}
	for _, t := range targets {
		visit(t)
	}
	slices.Sort(out)
	return out
}

// restart stops and starts the targets, and the running dependents with restart:true.
func (a *act) restart() {
	targets := a.targets()
	if !a.req.NoDeps {
		targets = a.withDependents(targets)
	}
	stops := map[string][]*node{}
	for _, service := range targets {
		for _, c := range a.replicas(service) {
			stop := stopStep(&a.builder, &c, a.req.Timeout, "")
			if stop != nil {
				stops[service] = append(stops[service], stop)
			}
			a.steps[service] = append(a.steps[service],
				a.add(Step{Kind: StartContainer, Name: c.Name, Cause: "restart", Container: c.ID, Service: service, Number: c.Number}, stop))
		}
	}
	restarts := func(service string) []engine.Dependency {
		return slices.DeleteFunc(slices.Clone(a.dependencies(service)), func(d engine.Dependency) bool { return !d.Restart })
	}
	reverse(stops, restarts)
	for service, nodes := range a.steps {
		a.startAfter(service, nodes)
	}
}

func (a *act) withDependents(targets []string) []string {
	out := slices.Clone(targets)
	for i := 0; i < len(out); i++ {
		for _, service := range a.obs.services() {
			for _, d := range a.dependencies(service) {
				if d.Restart && d.Service == out[i] && !slices.Contains(out, service) {
					out = append(out, service)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func (a *act) kill() {
	targets := a.targets()
	for _, c := range a.obs.Containers {
		orphan := a.req.RemoveOrphans && a.stack != nil && slices.ContainsFunc(Orphans(a.stack, a.obs), func(o engine.Container) bool { return o.ID == c.ID })
		if c.OneOff || !c.State.Status.Alive() || !slices.Contains(targets, c.Service) && !orphan || a.req.Index != 0 && c.Number != a.req.Index {
			continue
		}
		a.add(Step{Kind: KillContainer, Name: c.Name, Container: c.ID, Service: c.Service, Number: c.Number, Signal: a.req.Signal})
	}
	if len(a.nodes) == 0 {
		a.warn("No container to kill")
	}
}

// remove removes what does not run, or everything after stopping it; one-offs go too.
func (a *act) remove() {
	targets := a.targets()
	for i := range a.obs.Containers {
		c := &a.obs.Containers[i]
		oneOff := c.OneOff && (len(a.req.Services) == 0 || slices.Contains(a.req.Services, c.Service))
		if !slices.Contains(targets, c.Service) && !oneOff {
			continue
		}
		var stop *node
		if a.req.Stop {
			stop = stopStep(&a.builder, c, a.req.Timeout, "")
		} else if c.State.Status.Alive() || c.State.Status == engine.StatusRestarting {
			continue
		}
		a.add(Step{Kind: RemoveContainer, Name: c.Name, Container: c.ID, Service: c.Service, Number: c.Number, Volumes: a.req.Volumes}, stop)
	}
	if len(a.nodes) == 0 {
		a.warn("No stopped containers")
	}
}
