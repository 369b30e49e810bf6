package daemon

import (
	"tiffin/engine"
	"tiffin/engine/network"
)

// answering lets the names of a container lead to it, or not, as its state says.
func (d *Daemon) answering(c *engine.Container) {
	d.rooms.Networks.SetAnswering(c.ID, answerOf(&c.State))
}

// answerOf decides: one that is not known to be healthy answers to a service's name
// only where no replica is.
func answerOf(s *engine.State) network.Answer {
	switch {
	case !s.Status.Alive():
		return network.Silent
	case s.Health.Status == engine.HealthNone, s.Health.Status == engine.Healthy:
		return network.Answering
	default:
		return network.Unhealthy
	}
}
