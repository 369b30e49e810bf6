package plan

import (
	"maps"
	"slices"

	"tiffin/engine"
)

// unit is a container as far as the order of starts and stops is concerned.
type unit struct {
	name    string
	service string
	number  int
	// id is that of a container that is there already; "": an earlier step makes it.
	id string
	// healthy says that it runs and is healthy, and will be unless it is started anew.
	healthy bool
	// left says that it does not run, and will not: nobody waits for it to become healthy.
	left bool
	// stop and start are nil when it is not stopped or started.
	stop, start *node
}

// unitOf is a container that is there and stays.
func unitOf(c *engine.Container) *unit {
	return &unit{name: c.Name, service: c.Service, number: c.Number, id: c.ID, healthy: isHealthy(c)}
}

func isHealthy(c *engine.Container) bool {
	return c.State.Status == engine.StatusRunning && c.State.Health.Status == engine.Healthy
}

// step is one that is done to the unit.
func (u *unit) step(kind Kind, cause string) Step {
	return Step{Kind: kind, Name: u.name, Cause: cause, Container: u.id, Service: u.service, Number: u.number}
}

// order puts starts after what they depend on, and stops before it.
type order struct {
	*builder
	units map[string][]*unit // by service
	// dependsOn are the dependencies of the services, without circles.
	dependsOn map[string][]engine.Dependency

	awaits map[awaitKey]*node
	waits  map[string][]prior
	above  map[string][]*node
}

type awaitKey struct {
	unit      *unit
	condition engine.Condition
}

func newOrder(b *builder, names []string, dependsOn func(service string) []engine.Dependency) *order {
	return &order{
		builder: b, units: map[string][]*unit{}, dependsOn: withoutCircles(names, dependsOn),
		awaits: map[awaitKey]*node{}, waits: map[string][]prior{}, above: map[string][]*node{},
	}
}

// withoutCircles lists the dependencies of services, and of what they depend on. Those
// that would close a circle are left out: a Stack has none, but labels of containers
// that were made from different Stacks may.
func withoutCircles(names []string, dependsOn func(service string) []engine.Dependency) map[string][]engine.Dependency {
	out := map[string][]engine.Dependency{}
	open := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		if _, done := out[name]; done {
			return
		}
		open[name] = true
		var kept []engine.Dependency
		for _, d := range dependsOn(name) {
			if !open[d.Service] {
				visit(d.Service)
				kept = append(kept, d)
			}
		}
		delete(open, name)
		out[name] = kept
	}
	for _, name := range names {
		visit(name)
	}
	return out
}

// startInOrder lets each start wait until the dependencies of its service are met.
func (o *order) startInOrder() {
	for _, service := range slices.Sorted(maps.Keys(o.units)) {
		starts := o.starts(service)
		if len(starts) == 0 {
			continue
		}
		for _, d := range o.dependsOn[service] {
			for _, p := range o.met(d, service) {
				for _, n := range starts {
					n.wait(p)
				}
			}
		}
	}
}

func (o *order) starts(service string) []*node {
	var out []*node
	for _, u := range o.units[service] {
		if u.start != nil {
			out = append(out, u.start)
		}
	}
	return out
}

// met lists the steps after which a dependency is met.
func (o *order) met(d engine.Dependency, dependent string) []prior {
	var out []prior
	for _, u := range o.units[d.Service] {
		n := u.start
		if d.Condition != engine.ConditionStarted && d.Condition != "" && (!u.left || d.Condition == engine.ConditionCompleted) {
			n = o.await(u, d.Condition, dependent)
		}
		if n != nil {
			out = append(out, prior{n, d.Optional})
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, p := range o.waitsOf(d.Service) {
		out = append(out, prior{p.node, p.optional || d.Optional})
	}
	return out
}

// waitsOf lists what a service that runs already would wait for if it was started now:
// it is not of much use before. What is met is left out.
func (o *order) waitsOf(service string) []prior {
	if out, known := o.waits[service]; known {
		return out
	}
	var out []prior
	for _, d := range o.dependsOn[service] {
		if len(o.starts(d.Service)) > 0 {
			out = append(out, o.met(d, service)...)
			continue
		}
		for _, p := range o.waitsOf(d.Service) {
			out = append(out, prior{p.node, p.optional || d.Optional})
		}
	}
	o.waits[service] = out
	return out
}

// await waits for a condition of a unit, once for all that depend on it; nil when it
// is met.
func (o *order) await(u *unit, c engine.Condition, dependent string) *node {
	key := awaitKey{u, c}
	if n, there := o.awaits[key]; there {
		n.Cause += ", " + dependent
		return n
	}
	if (c == engine.ConditionHealthy || c == ConditionHealthyAtLast) && u.start == nil && u.healthy {
		return nil
	}
	s := u.step(Await, "for "+dependent)
	s.Condition = c
	n := o.add(s, u.start)
	o.awaits[key] = n
	return n
}

// stopInOrder lets each stop wait for those of what depends on it; counts says which
// dependencies matter, nil means all.
func (o *order) stopInOrder(counts func(engine.Dependency) bool) {
	dependents := map[string][]string{}
	for _, service := range slices.Sorted(maps.Keys(o.dependsOn)) {
		for _, d := range o.dependsOn[service] {
			if counts == nil || counts(d) {
				dependents[d.Service] = append(dependents[d.Service], service)
			}
		}
	}
	for _, service := range slices.Sorted(maps.Keys(o.units)) {
		for _, u := range o.units[service] {
			if u.stop != nil {
				u.stop.after(o.stopsAbove(service, dependents)...)
			}
		}
	}
}

// stopsAbove are the stops of what depends on a service, directly or through services
// of which nothing runs.
func (o *order) stopsAbove(service string, dependents map[string][]string) []*node {
	if out, known := o.above[service]; known {
		return out
	}
	var out []*node
	for _, dependent := range dependents[service] {
		var stops []*node
		for _, u := range o.units[dependent] {
			if u.stop != nil {
				stops = append(stops, u.stop)
			}
		}
		if len(stops) == 0 {
			stops = o.stopsAbove(dependent, dependents)
		}
		out = append(out, stops...)
	}
	o.above[service] = out
	return out
}
