package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
)

// hooksOf are the containers of a service's hooks that are there: of one that failed, or
// that nobody saw end.
func (inv *inventory) hooksOf(service string) []*engine.Container {
	var out []*engine.Container
	for c := range inv.containers() {
		if c.Service == service && c.IsHook() {
			out = append(out, c)
		}
	}
	return out
}

// addPreStarts lets the starts of a service wait for its pre_start hooks.
func (u *up) addPreStarts(svc *engine.Service) {
	p := preStarts{builder: &u.builder, project: u.stack.Name, svc: svc, needs: u.hookNeeds}
	for _, r := range u.replicas[svc.Name] {
		p.take(&r.unit, r.ready, r.batch)
	}
	for _, c := range u.obs.hooksOf(svc.Name) {
		p.former = append(p.former, u.gone[c.ID])
	}
	for _, c := range u.obs.replicas[svc.Name] {
		if u.byID[c.ID] == nil && u.rollouts[svc.Name] == nil {
			p.former = append(p.former, u.gone[c.ID]) // too many
		}
	}
	p.plan()
}

// hookNeeds are the steps that make what the container of a hook is made of.
func (u *up) hookNeeds(c *engine.ContainerSpec) []*node {
	out := slices.Clone(u.images.ready(c.Image))
	for _, m := range c.Mounts {
		if v := u.volumes[m.Source]; m.Type == engine.MountVolume && v != nil {
			out = append(out, v.made)
		}
	}
	for _, e := range c.Endpoints {
		if change := u.networks[e.Network]; change != nil {
			out = append(out, change.made)
		}
	}
	return out
}

// addPreStarts does so for containers that are there.
func (a *act) addPreStarts(service string) {
	if a.stack == nil {
		return
	}
	svc, ok := a.stack.Service(service)
	if !ok {
		return
	}
	p := preStarts{builder: &a.builder, project: a.stack.Name, svc: svc, needs: func(*engine.ContainerSpec) []*node { return nil }}
	for _, u := range a.order.units[service] {
		p.take(u, nil, 0)
	}
	if len(p.starting) == 0 {
		return
	}
	for _, c := range a.obs.hooksOf(service) {
		p.former = append(p.former, a.addRemove(c, leftByHook, a.addStop(c, leftByHook, nil)))
	}
	p.plan()
}

// leftByHook is why the containers of hooks are removed that were not when they ended.
const leftByHook = "left by a hook"

// preStarts plans the hooks of one service.
type preStarts struct {
	*builder
	project string
	svc     *engine.Service
	// needs are the steps that make what a hook's container is made of.
	needs func(*engine.ContainerSpec) []*node

	starting []*hooked
	// runs says that a replica runs all the while.
	runs bool
	// former are the steps that remove containers of former hooks, and replicas that go.
	former []*node
}

// hooked is a replica that is about to start.
type hooked struct {
	*unit
	ready *node
	batch int
	// last is the hook that ran last for it so far.
	last *node
}

func (p *preStarts) take(u *unit, ready *node, batch int) {
	if u.start == nil || u.start.Kind != StartContainer {
		p.runs = true
		return
	}
	p.starting = append(p.starting, &hooked{unit: u, ready: ready, batch: batch})
}

// plan adds the hooks in their order: those of each replica before it is started, the
// others once, unless a replica runs all the while.
func (p *preStarts) plan() {
	if len(p.starting) == 0 {
		return
	}
	slices.SortStableFunc(p.starting, func(a, b *hooked) int { return a.batch - b.batch })
	for i := range p.svc.PreStart {
		switch {
		case p.svc.PreStart[i].PerReplica:
			for _, r := range p.starting {
				p.addHook(r, i)
			}
		case !p.runs:
			p.addOnce(i)
		}
	}
	for _, r := range p.starting {
		r.start.after(r.last)
	}
}

// addOnce adds a hook for all replicas, with the volumes of the first that is started.
func (p *preStarts) addOnce(i int) {
	first := p.starting[0]
	n := p.addHook(first, i)
	for _, r := range p.starting[1:] {
		if r.batch == first.batch { // those of others come later, as it is
			n.after(r.last, r.ready, r.stop)
			r.last = n
		}
	}
}

// addHook adds a hook for a replica, after the one before or what the start waits for.
func (p *preStarts) addHook(r *hooked, i int) *node {
	h := &p.svc.PreStart[i]
	s := r.step(RunHook, "pre_start of "+p.svc.Name)
	s.Name, s.Hook = hookName(p.project, p.svc, r.number, i), i+1
	n := p.add(s, r.last)
	n.after(p.needs(&h.Container)...)
	if r.last == nil {
		n.after(p.former...)
		// What the replica can do without is waited for once, by its hooks.
		var needed []prior
		for _, b := range r.start.before {
			n.wait(b)
			if !b.optional {
				needed = append(needed, b)
			}
		}
		r.start.before = needed
	}
	r.last = n
	return n
}

// hookName is the name of a hook's container, counted from 1.
func hookName(project string, svc *engine.Service, replica, i int) string {
	if svc.PreStart[i].PerReplica {
		return fmt.Sprintf("%s-%s-%d-pre_start-%d", project, svc.Name, replica, i+1)
	}
	return fmt.Sprintf("%s-%s-pre_start-%d", project, svc.Name, i+1)
}

// HookLines are how many lines of a hook's output are told when it fails.
const HookLines = 5

// HookFailed says what became of a hook, and where the rest of its output is.
func HookFailed(s *Step, c *engine.Container, output []string) error {
	what := fmt.Sprintf("pre_start hook %d of service %q failed: %s exited with code %d", s.Hook, s.Service, c.Name, c.State.ExitCode)
	if c.State.Error != "" {
		what = fmt.Sprintf("pre_start hook %d of service %q did not start: %s: %s", s.Hook, s.Service, c.Name, c.State.Error)
	}
	if text := strings.TrimSpace(strings.Join(output, "\n")); text != "" {
		what += ":\n" + text
	}
	return engine.Hint(errors.New(what), fmt.Sprintf("`tiffin logs %s` shows all of its output; the container stays until the next up or down", s.Service))
}

// NoHook says that a Stack has changed since a plan was made.
func NoHook(s *Step) error {
	return fmt.Errorf("service %q has no pre_start hook %d", s.Service, s.Hook)
}
