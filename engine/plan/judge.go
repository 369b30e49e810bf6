package plan

import (
	"fmt"

	"tiffin/engine"
)

// Verdict is what a state says about a condition.
type Verdict struct {
	Met  bool
	Word string // for progress, when met
	Err  error  // it can no longer be met
}

// ConditionHasStarted is met by a container that runs, or ran since it was let go.
const ConditionHasStarted engine.Condition = "has_started"

// Judge decides, from a container as it is now, about a condition.
func Judge(c *engine.Container, condition engine.Condition) Verdict {
	switch condition {
	case engine.ConditionHealthy:
		return judgeHealthy(c)
	case ConditionHealthyAtLast:
		if c.State.Status.Alive() && c.State.Health.Status == engine.Unhealthy {
			return Verdict{}
		}
		return judgeHealthy(c)
	case ConditionHasStarted:
		if (c.Ended() || waits(c)) && c.State.Error == "" {
			return Verdict{Met: true}
		}
		return judgeRunning(c)
	case engine.ConditionCompleted:
		return judgeCompleted(c)
	case ConditionUpdated:
		if c.State.Status == engine.StatusRestarting || c.State.RestartCount > 0 {
			return failed(c)
		}
		return Judge(c, ConditionReady)
	case ConditionReady:
		if c.State.Health.Status == engine.HealthNone {
			return judgeRunning(c)
		}
		return judgeHealthy(c)
	default:
		return judgeRunning(c)
	}
}

func judgeRunning(c *engine.Container) Verdict {
	switch {
	case c.State.Status.Alive():
		return Verdict{Met: true, Word: "Started"}
	case c.Ended():
		return failed(c)
	default:
		return Verdict{}
	}
}

func judgeHealthy(c *engine.Container) Verdict {
	switch {
	case c.Ended():
		return failed(c)
	case !c.State.Status.Alive():
		return Verdict{}
	case c.State.Health.Status == engine.HealthNone:
		return Verdict{Err: fmt.Errorf("dependency failed to start: container %s has no healthcheck configured", c.Name)}
	case c.State.Health.Status == engine.Healthy:
		return Verdict{Met: true, Word: "Healthy"}
	case c.State.Health.Status == engine.Unhealthy:
		return Verdict{Err: fmt.Errorf("dependency failed to start: container %s is unhealthy", c.Name)}
	default:
		return Verdict{}
	}
}

func judgeCompleted(c *engine.Container) Verdict {
	switch {
	case !c.Ended():
		return Verdict{}
	case c.State.ExitCode == 0 && c.State.Error == "":
		return Verdict{Met: true, Word: "Exited"}
	default:
		return Verdict{Err: fmt.Errorf("service %q didn't complete successfully: exit %d", c.Service, c.State.ExitCode)}
	}
}

func failed(c *engine.Container) Verdict {
	return Verdict{Err: fmt.Errorf("dependency failed to start: container %s exited (%d)", c.Name, c.State.ExitCode)}
}
