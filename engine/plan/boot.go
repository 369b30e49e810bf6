package plan

import (
	"slices"

	"tiffin/engine"
)

// Boot plans how a project comes back by itself after a reboot, or after its engine and
// its keeper were gone: what waits for its restart starts in the order of the
// dependencies. What no policy restarts stays as it is. That it does not run then holds
// nobody up, but who waits for its completion has to know of that.
func Boot(obs *Observed) (*Plan, error) {
	b := &boot{obs: newInventory(obs)}
	b.order = newOrder(&b.builder, b.obs.services(), b.dependencies)
	for c := range b.obs.containers() {
		u := unitOf(c)
		u.left = !runs(c)
		if waits(c) {
			s := stepOn(RestartContainer, c)
			s.Cause = string(c.Spec.Restart.Mode)
			u.start = b.add(s)
		}
		if !c.OneOff {
			b.order.units[c.Service] = append(b.order.units[c.Service], u)
		}
	}
	b.order.startInOrder()
	return b.finish()
}

type boot struct {
	builder
	order *order
	obs   *inventory
}

// waits says that a container is to start again by its policy.
func waits(c *engine.Container) bool { return c.State.Status == engine.StatusRestarting }

// dependencies of a service, as far as they can be met.
func (b *boot) dependencies(service string) []engine.Dependency {
	out := slices.Clone(b.obs.dependencies(b.obs.Previous)(service))
	for i := range out {
		d := &out[i]
		there := b.obs.replicas[d.Service]
		switch {
		case d.Condition == engine.ConditionCompleted:
		case slices.ContainsFunc(there, runs):
			if d.Condition == engine.ConditionHealthy {
				d.Condition = ConditionHealthyAtLast
			}
		default:
			// What it depends on itself still comes before.
			d.Condition = engine.ConditionStarted
			if len(there) > 0 && slices.ContainsFunc(b.obs.replicas[service], waits) {
				b.warn("%s starts without %s, which no restart policy starts", service, d.Service)
			}
		}
	}
	return out
}
