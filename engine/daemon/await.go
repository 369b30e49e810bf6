package daemon

import (
	"context"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/plan"
)

// verdict is what a state says about a condition.
type verdict struct {
	met  bool
	word string // for progress, when met
	err  error  // it can no longer be met
}

// awaitCondition returns when the container meets the condition, or cannot any more.
func awaitCondition(ctx context.Context, c *container.Container, condition engine.Condition) (word string, err error) {
	for {
		record, changed := c.Watch()
		v := judge(&record, condition)
		switch {
		case v.err != nil:
			return "", v.err
		case v.met:
			return v.word, nil
		}
		select {
		case <-changed:
		case <-c.Gone:
			return "", fmt.Errorf("dependency failed to start: container %s was removed", record.Name)
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// judge decides, from a container as it is now, about a condition.
func judge(c *engine.Container, condition engine.Condition) verdict {
	switch condition {
	case engine.ConditionHealthy:
		return judgeHealthy(c)
	case engine.ConditionCompleted:
		return judgeCompleted(c)
	case plan.ConditionReady:
		if c.State.Health.Status == engine.HealthNone {
			return judgeRunning(c)
		}
		return judgeHealthy(c)
	default:
		return judgeRunning(c)
	}
}

func judgeRunning(c *engine.Container) verdict {
	switch {
	case c.State.Status.Alive():
		return verdict{met: true, word: "Started"}
	case c.Ended():
		return failed(c)
	default:
		return verdict{}
	}
}

func judgeHealthy(c *engine.Container) verdict {
	switch {
	case c.Ended():
		return failed(c)
	case !c.State.Status.Alive():
		return verdict{}
	case c.State.Health.Status == engine.HealthNone:
		return verdict{err: fmt.Errorf("dependency failed to start: container %s has no healthcheck configured", c.Name)}
	case c.State.Health.Status == engine.Healthy:
		return verdict{met: true, word: "Healthy"}
	case c.State.Health.Status == engine.Unhealthy:
		return verdict{err: fmt.Errorf("dependency failed to start: container %s is unhealthy", c.Name)}
	default:
		return verdict{}
	}
}

func judgeCompleted(c *engine.Container) verdict {
	switch {
	case !c.Ended():
		return verdict{}
	case c.State.ExitCode == 0 && c.State.Error == "":
		return verdict{met: true, word: "Exited"}
	default:
		return verdict{err: fmt.Errorf("service %q didn't complete successfully: exit %d", c.Service, c.State.ExitCode)}
	}
}

func failed(c *engine.Container) verdict {
	return verdict{err: fmt.Errorf("dependency failed to start: container %s exited (%d)", c.Name, c.State.ExitCode)}
}
