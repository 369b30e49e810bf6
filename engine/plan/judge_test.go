package plan

import (
	"testing"

	"tiffin/engine"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	state := func(status engine.Status, health engine.HealthStatus, exit int, problem string) engine.State {
		return engine.State{Status: status, Health: engine.Health{Status: health}, ExitCode: exit, Error: problem}
	}
	states := map[string]engine.State{
		"created":         state(engine.StatusCreated, "", 0, ""),
		"not to be begun": state(engine.StatusCreated, "", 127, "no such command"),
		"starting":        state(engine.StatusStarting, "", 0, ""),
		"without probes":  state(engine.StatusRunning, "", 0, ""),
		"not yet healthy": state(engine.StatusRunning, engine.HealthStarting, 0, ""),
		"healthy":         state(engine.StatusRunning, engine.Healthy, 0, ""),
		"unhealthy":       state(engine.StatusRunning, engine.Unhealthy, 0, ""),
		"succeeded":       state(engine.StatusExited, "", 0, ""),
		"failed":          state(engine.StatusExited, engine.Unhealthy, 3, ""),
		"restarting":      state(engine.StatusRestarting, "", 3, ""),
		"cannot start":    state(engine.StatusRestarting, "", 128, "the port is taken"),
	}
	// In a verdict, ok is met, ... waits on, and everything else is why it never will be.
	for condition, want := range map[engine.Condition]map[string]string{
		engine.ConditionStarted: {
			"created": "...", "starting": "...", "restarting": "...", "cannot start": "...",
			"without probes": "ok", "not yet healthy": "ok", "healthy": "ok", "unhealthy": "ok",
			"not to be begun": "dependency failed to start: container box exited (127)",
			"succeeded":       "dependency failed to start: container box exited (0)",
			"failed":          "dependency failed to start: container box exited (3)",
		},
		ConditionHasStarted: {
			"created": "...", "starting": "...", "cannot start": "...",
			"without probes": "ok", "not yet healthy": "ok", "healthy": "ok", "unhealthy": "ok",
			"succeeded": "ok", "failed": "ok", "restarting": "ok",
			"not to be begun": "dependency failed to start: container box exited (127)",
		},
		engine.ConditionHealthy: {
			"created": "...", "starting": "...", "restarting": "...", "cannot start": "...", "not yet healthy": "...",
			"healthy":         "ok",
			"without probes":  "dependency failed to start: container box has no healthcheck configured",
			"unhealthy":       "dependency failed to start: container box is unhealthy",
			"not to be begun": "dependency failed to start: container box exited (127)",
			"succeeded":       "dependency failed to start: container box exited (0)",
			"failed":          "dependency failed to start: container box exited (3)",
		},
		ConditionHealthyAtLast: {
			"created": "...", "starting": "...", "restarting": "...", "cannot start": "...", "not yet healthy": "...", "unhealthy": "...",
			"healthy":         "ok",
			"without probes":  "dependency failed to start: container box has no healthcheck configured",
			"not to be begun": "dependency failed to start: container box exited (127)",
			"succeeded":       "dependency failed to start: container box exited (0)",
			"failed":          "dependency failed to start: container box exited (3)",
		},
		ConditionReady: {
			"created": "...", "starting": "...", "restarting": "...", "cannot start": "...", "not yet healthy": "...",
			"without probes": "ok", "healthy": "ok",
			"unhealthy":       "dependency failed to start: container box is unhealthy",
			"not to be begun": "dependency failed to start: container box exited (127)",
			"succeeded":       "dependency failed to start: container box exited (0)",
			"failed":          "dependency failed to start: container box exited (3)",
		},
		engine.ConditionCompleted: {
			"created": "...", "starting": "...", "restarting": "...", "cannot start": "...", "not yet healthy": "...",
			"without probes": "...", "healthy": "...", "unhealthy": "...",
			"succeeded":       "ok",
			"not to be begun": `service "box" didn't complete successfully: exit 127`,
			"failed":          `service "box" didn't complete successfully: exit 3`,
		},
	} {
		for name, s := range states {
			got := "..."
			switch v := Judge(&engine.Container{Name: "box", Service: "box", State: s}, condition); {
			case v.Err != nil:
				got = v.Err.Error()
			case v.Met:
				got = "ok"
			}
			if got != want[name] {
				t.Errorf("%s, of one that is %s: %q, want %q", condition, name, got, want[name])
			}
		}
	}
}
