package plan

import (
	"slices"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Rollback plans how the updates are undone that a plan of Up did not come to the end of,
// where failure_action is rollback: failed are the numbers of the steps of that plan that
// failed or were left out. The old containers are there yet, stopped or not; before is
// what was observed when the plan was made, now what is there.
func Rollback(req *call.UpRequest, plan *Plan, failed []int, before, now *Observed) (*Plan, error) {
	r := &rollback{plan: plan, before: before, now: newInventory(now)}
	for i := range plan.Steps {
		s := &plan.Steps[i]
		svc, ok := req.Stack.Service(s.Service)
		if s.Kind != Proceed || !ok || svc.Update == nil || svc.Update.OnFailure != engine.FailureRollback {
			continue
		}
		if slices.Contains(failed, s.Seq) && !slices.Contains(r.done, svc.Name) {
			r.done = append(r.done, svc.Name)
			r.undo(req, svc)
		}
	}
	return r.finish()
}

type rollback struct {
	builder
	plan   *Plan
	before *Observed
	now    *inventory
	done   []string
}

// undo brings the old containers of a service back, in batches as rollback_config has it.
func (b *rollback) undo(req *call.UpRequest, svc *engine.Service) {
	config := svc.Rollback
	if config == nil {
		config = &engine.UpdateConfig{Parallelism: 1}
	}
	old, fresh := b.sort(svc.Name)
	b.warn("Service %s: the update failed and is rolled back", svc.Name)
	stopped := slices.DeleteFunc(slices.Clone(old), func(c *engine.Container) bool { return runs(c) })
	g := gates{builder: &b.builder, config: config, service: svc.Name, total: len(stopped)}
	var gate *node
	for i, c := range stopped {
		start := b.add(causedBy(stepOn(StartContainer, c), "rollback"), gate)
		successor := successorOf(c, old, &fresh)
		var stop *node
		if successor != nil {
			stop = b.addStop(successor, "rollback", req.Timeout)
			b.addRemove(successor, "rollback", stop)
		}
		u := unitOf(c)
		u.start = start
		g.judge(u, ConditionUpdated, config.Monitor)
		switch {
		case stop == nil:
		case config.StartFirst && successor.Number != c.Number:
			stop.after(g.verdicts[i])
		default:
			start.after(stop.after(gate))
		}
		if (i+1)%size(config) == 0 && i+1 < len(stopped) {
			gate = g.proceed(config.Delay)
		}
	}
	for _, c := range fresh {
		b.addRemove(c, "rollback", b.addStop(c, "rollback", req.Timeout))
	}
}

func causedBy(s Step, cause string) Step {
	s.Cause = cause
	return s
}

// sort tells the containers of a service that were to be replaced from those that were
// made for it.
func (b *rollback) sort(service string) (old, fresh []*engine.Container) {
	for _, c := range b.now.replicas[service] {
		same := func(o engine.Container) bool { return o.ID == c.ID }
		going := func(s Step) bool { return s.Kind == RemoveContainer && s.Container == c.ID }
		switch {
		case !slices.ContainsFunc(b.before.Containers, same):
			fresh = append(fresh, c)
		case slices.ContainsFunc(b.plan.Steps, going):
			old = append(old, c)
		}
	}
	return old, fresh
}

// successorOf takes the container from fresh that does the work of an old one: that in
// its place, or else any that none is in the place of; nil when there is none.
func successorOf(c *engine.Container, old []*engine.Container, fresh *[]*engine.Container) *engine.Container {
	i := slices.IndexFunc(*fresh, func(f *engine.Container) bool { return f.Number == c.Number })
	if i < 0 {
		i = slices.IndexFunc(*fresh, func(f *engine.Container) bool {
			return works(f) && !slices.ContainsFunc(old, func(o *engine.Container) bool { return o.Number == f.Number })
		})
	}
	if i < 0 {
		return nil
	}
	out := (*fresh)[i]
	*fresh = slices.Delete(*fresh, i, i+1)
	return out
}
