package plan

import (
	"cmp"
	"fmt"
	"slices"

	"tiffin/engine"
)

// rollout is the update of a service whose replicas are replaced in batches.
type rollout struct {
	svc *engine.Service
	// fresh are the replicas that are new, in the order in which they come; kept those
	// that need nothing, but must be well before others are touched.
	fresh, kept []*replica
	// old are the containers that go after fresh, or kept, ones have come, one for each;
	// none when the new ones take the places of the old ones.
	old []*predecessor
	// done is the step after which all is updated.
	done *node
}

// predecessor is a container that runs until another replica is ready to do its work.
type predecessor struct {
	container    *engine.Container
	stop, remove *node
}

// keepsOld says that the old containers are there, stopped, until all is updated.
func (ro *rollout) keepsOld() bool { return ro.svc.Update.OnFailure == engine.FailureRollback }

// size is how many replicas are replaced at a time.
func size(c *engine.UpdateConfig) int {
	if c.Parallelism <= 0 {
		return int(^uint(0) >> 1)
	}
	return c.Parallelism
}

// mayFail is how many replicas may fail before an update stops.
func mayFail(c *engine.UpdateConfig, replicas int) int {
	if c.OnFailure == engine.FailureContinue {
		return replicas
	}
	return int(c.MaxFailureRatio * float64(replicas))
}

// rolls says that what is replaced of a service is replaced in batches.
func (u *up) rolls(svc *engine.Service, there []*replica) bool {
	return svc.Update != nil && !u.req.NoStart && slices.ContainsFunc(there, func(r *replica) bool {
		return r.old != nil && r.recreate != "" && runs(r.old)
	}) && u.atOnce(svc, there) == ""
}

// atOnce says why the replicas of a service can only be replaced all at once; "" when
// they need not be.
func (u *up) atOnce(svc *engine.Service, there []*replica) string {
	for _, r := range there {
		for _, key := range u.networkKeys {
			if n := u.networks[key]; n != nil && r.old != nil && n.holds(r.old) {
				return "network " + key + " is recreated"
			}
		}
		if u.isLate(r) {
			return "a volume is recreated"
		}
	}
	for _, d := range u.order.dependsOn[svc.Name] {
		if d.Restart && u.unsettled(d.Service) {
			return "they restart with " + d.Service
		}
	}
	if s := sharing(&svc.Container); len(s) > 0 {
		return "they share with " + s[0].service
	}
	for i := range u.stack.Services {
		for _, s := range sharing(&u.stack.Services[i].Container) {
			if s.service == svc.Name {
				return u.stack.Services[i].Name + " shares with them"
			}
		}
	}
	return ""
}

// unsettled says that containers of a service will be replaced or restarted.
func (u *up) unsettled(service string) bool {
	for _, r := range u.replicas[service] {
		if r.recreate != "" || r.restart != "" {
			return true
		}
		for _, key := range u.networkKeys {
			if n := u.networks[key]; n != nil && r.old != nil && n.holds(r.old) {
				return true
			}
		}
	}
	return slices.ContainsFunc(u.order.dependsOn[service], func(d engine.Dependency) bool { return d.Restart && u.unsettled(d.Service) })
}

// startsFirst says that new containers of a service are started beside the old ones.
func (u *up) startsFirst(svc *engine.Service, there []*replica) bool {
	if svc.Update == nil || !svc.Update.StartFirst || !u.rolls(svc, there) {
		return false
	}
	why := onlyOne(svc, there)
	if why != "" {
		u.warn("Service %s: replicas are stopped before new ones start, in spite of order start-first: %s", svc.Name, why)
	}
	return why == ""
}

// onlyOne says what an old and a new replica cannot both have; "" when there is nothing.
func onlyOne(svc *engine.Service, there []*replica) string {
	if svc.ContainerName != "" {
		return "container_name " + svc.ContainerName + " is for one"
	}
	for _, p := range svc.Container.Ports {
		end := max(p.HostPort, p.HostPortEnd)
		if p.HostPort != 0 && int(end-p.HostPort)+1 < svc.Scale+len(there) {
			return fmt.Sprintf("port %s of the host is too few for old and new ones", p)
		}
	}
	for _, e := range svc.Container.Endpoints {
		if e.IPv4.IsValid() || e.IPv6.IsValid() || e.MacAddress != "" {
			return "an address on network " + e.Network + " is for one"
		}
	}
	if svc.Container.MacAddress != "" {
		return "a mac_address is for one"
	}
	for _, r := range there {
		if slices.ContainsFunc(r.old.Mounts, func(m engine.MountPoint) bool { return m.Anonymous }) {
			return "the anonymous volumes of " + r.old.Name + " are for one"
		}
	}
	return ""
}

// beside decides about an update that starts new containers first: they have numbers of
// their own, and so names, addresses and ports. It returns the replicas that there shall be.
func (u *up) beside(svc *engine.Service, there []*replica) []*replica {
	ro := &rollout{svc: svc}
	u.rollouts[svc.Name] = ro
	taken := map[int]bool{}
	var old []*replica
	for _, r := range there {
		taken[r.number] = true
		if r.recreate == "" {
			ro.kept = append(ro.kept, r)
		} else {
			old = append(old, r)
		}
	}
	// What is well comes first: it has taken the place of those that have gone, or stopped
	// already. Were it to wait for others, one that runs would be stopped in their place.
	slices.SortStableFunc(ro.kept, func(a, b *replica) int { return falseFirst(!isWell(a.old), !isWell(b.old)) })
	for _, r := range ro.kept[min(svc.Scale, len(ro.kept)):] {
		u.retire(r.old, fmt.Sprintf("scaled to %d", svc.Scale))
	}
	ro.kept = ro.kept[:min(svc.Scale, len(ro.kept))]
	// What does not work is too much before what does, and goes before it.
	slices.SortStableFunc(old, func(a, b *replica) int {
		return cmp.Or(falseFirst(!works(a.old), !works(b.old)), cmp.Compare(a.number, b.number))
	})
	for _, r := range old[min(svc.Scale, len(old)):] {
		u.retire(r.old, fmt.Sprintf("scaled to %d", svc.Scale))
	}
	old = old[:min(svc.Scale, len(old))]
	slices.SortStableFunc(old, func(a, b *replica) int { return falseFirst(works(a.old), works(b.old)) })
	out := slices.Clone(ro.kept)
	for number := 1; len(out) < svc.Scale; number++ {
		if taken[number] {
			continue
		}
		r := u.newReplica(svc, number)
		if len(old) > 0 {
			r.recreate = old[min(len(out), len(old)-1)].recreate
		}
		ro.fresh = append(ro.fresh, r)
		out = append(out, r)
	}
	for _, r := range old {
		ro.old = append(ro.old, &predecessor{container: r.old})
	}
	slices.SortFunc(out, func(a, b *replica) int { return cmp.Compare(a.number, b.number) })
	return out
}

// works says that a container does what it is for.
func works(c *engine.Container) bool {
	return c.State.Status.Alive() && c.State.Health.Status != engine.Unhealthy
}

// isWell says that an update has nothing to wait for of a container.
func isWell(c *engine.Container) bool { return Judge(c, ConditionReady).Met }

// batch sorts the replicas that are replaced into batches.
func (u *up) batch() {
	for _, svc := range u.services {
		ro, there := u.rollouts[svc.Name], u.replicas[svc.Name]
		if ro == nil && u.rolls(svc, there) {
			ro = &rollout{svc: svc}
			for _, r := range there {
				switch {
				case r.old == nil: // is added, and takes nobody's place
				case r.recreate != "":
					ro.fresh = append(ro.fresh, r)
				default:
					ro.kept = append(ro.kept, r)
				}
			}
			// What does not work can wait for nothing better.
			slices.SortStableFunc(ro.fresh, func(a, b *replica) int { return falseFirst(works(a.old), works(b.old)) })
			u.rollouts[svc.Name] = ro
		}
		if ro == nil {
			u.warnOfAll(svc, there)
			continue
		}
		first := len(ro.kept)
		if len(ro.old) == 0 {
			first = 0
		}
		for i, r := range ro.fresh {
			r.batch = (first + i) / size(svc.Update)
		}
	}
}

// warnOfAll warns of an update that cannot come in batches.
func (u *up) warnOfAll(svc *engine.Service, there []*replica) {
	replaced := slices.ContainsFunc(there, func(r *replica) bool { return r.old != nil && r.recreate != "" && runs(r.old) })
	if svc.Update == nil || u.req.NoStart || !replaced {
		return
	}
	u.warn("Service %s: replicas are replaced all at once, in spite of update_config: %s", svc.Name, u.atOnce(svc, there))
}

// addSuccessor makes a container that takes the place of one that stays, stopped, until
// the update is done.
func (u *up) addSuccessor(r *replica) {
	r.create = u.addCreate(r, r.recreate)
	r.ready = r.create
	if r.stop = u.addStop(r.old, "replaced", u.req.Timeout); r.stop != nil {
		r.stop.after(r.create)
		r.ready = r.stop
	}
	remove := u.addRemoveOld(r, "replaced", r.stop, r.create)
	u.addRename(r, "replaced", remove, u.nameFreed(r))
}

// addPredecessors stops and removes the containers beside which new ones are started.
func (u *up) addPredecessors(ro *rollout) {
	if ro == nil {
		return
	}
	for _, p := range ro.old {
		p.stop = u.addStop(p.container, "replaced", u.req.Timeout)
		p.remove = u.addRemove(p.container, "replaced", p.stop)
		u.gone[p.container.ID] = p.remove
	}
}

// addBatches lets each batch of an update wait until the one before is well.
func (u *up) addBatches() error {
	for _, svc := range u.services {
		if ro := u.rollouts[svc.Name]; ro != nil {
			u.roll(ro)
		}
	}
	return nil
}

// roll wires the batches of one update: the steps of each come after the step that goes
// on with it, which comes after all replicas before it have proved well.
func (u *up) roll(ro *rollout) {
	config := ro.svc.Update
	g := gates{builder: &u.builder, config: config, service: ro.svc.Name, total: len(ro.kept) + len(ro.fresh)}
	for _, r := range ro.kept {
		g.judge(&r.unit, ConditionReady, 0)
	}
	if len(ro.kept) > 0 {
		ro.done = g.proceed(0)
	}
	// Where there are fewer old ones, those of the first have gone already.
	gone := g.total - len(ro.old)
	ended := 0
	for i, r := range ro.fresh {
		ro.hold(r.create, ended)
		ro.hold(r.stop, ended)
		g.judge(&r.unit, ConditionUpdated, config.Monitor)
		switch {
		case i+1 == len(ro.fresh):
			ro.done = g.proceed(0)
		case ro.fresh[i+1].batch != r.batch:
			ro.done, ended = g.proceed(config.Delay), min(max(len(g.verdicts)-gone, 0), len(ro.old))
		}
	}
	for i, p := range ro.old {
		p.first().after(g.verdicts[gone+i])
		if ro.keepsOld() {
			p.remove.after(ro.done)
		}
	}
	for _, r := range ro.fresh {
		if r.old != nil && ro.keepsOld() {
			u.gone[r.old.ID].after(ro.done)
		}
	}
}

// hold lets a step of a batch wait for the one before. Those old containers whose work is
// done by others have ended then; where they could not, more are started all the same.
func (ro *rollout) hold(n *node, ended int) {
	if n == nil {
		return
	}
	n.after(ro.done)
	for _, p := range ro.old[:ended] {
		n.wait(prior{p.stop, true})
	}
}

// first is the step that ends the work of a predecessor.
func (p *predecessor) first() *node { return cmp.Or(p.stop, p.remove) }

// gates adds the steps between the batches of an update.
type gates struct {
	*builder
	config  *engine.UpdateConfig
	service string
	total   int
	// verdicts are the steps that say of each replica so far whether it is well.
	verdicts []*node
}

// judge waits until a replica is well, and stays so for a time.
func (g *gates) judge(r *unit, condition engine.Condition, watched engine.Duration) {
	s := r.step(Await, "update")
	s.Condition = condition
	n := g.add(s, r.start)
	if watched > 0 {
		s = r.step(Monitor, "update")
		s.For = watched
		n = g.add(s, n)
	}
	g.verdicts = append(g.verdicts, n)
}

// proceed goes on, after a delay, when enough replicas are well.
func (g *gates) proceed(delay engine.Duration) *node {
	n := g.add(Step{
		Kind: Proceed, Name: g.service, Service: g.service, Cause: fmt.Sprintf("%d of %d", len(g.verdicts), g.total),
		For: delay, MayFail: min(mayFail(g.config, g.total), len(g.verdicts)),
	})
	for _, v := range g.verdicts {
		n.wait(prior{v, n.MayFail > 0})
	}
	return n
}
