package engine

import "time"

// RestartPolicy is when a container that ended is started again. The zero value is never.
type RestartPolicy struct {
	Mode RestartMode `json:",omitempty"`
	// MaxAttempts bounds the restarts since the last start by command, or, with Window,
	// those in a row that did not last that long; 0: no bound.
	MaxAttempts int `json:",omitempty"`
	// Delay replaces the growing back-off (deploy.restart_policy.delay).
	Delay Duration `json:",omitzero"`
	// Window is how long it must run for a restart to have settled; 0: 10 s.
	Window Duration `json:",omitzero"`
}

// RestartMode names a policy.
type RestartMode string

// The modes of the Compose specification.
const (
	RestartNo            RestartMode = ""
	RestartAlways        RestartMode = "always"
	RestartOnFailure     RestartMode = "on-failure"
	RestartUnlessStopped RestartMode = "unless-stopped"
)

const (
	restartBackOffMin = 100 * time.Millisecond
	restartBackOffMax = time.Minute
	restartSettled    = 10 * time.Second
)

// Restart is the answer of the rule.
type Restart struct {
	Again bool
	After time.Duration
	// Streak is the new number of restarts in a row that did not settle.
	Streak int
	Reason string
}

// Decide answers whether a container that ended after running for ran is started
// again; s is its state at the end, restarts so far included. The back-off is Docker's:
// 100 ms, doubling to a minute, and from the start again after a run that settled.
func (p RestartPolicy) Decide(s *State, ran time.Duration) Restart {
	if s.Stopped {
		return Restart{Reason: "stopped by a command"}
	}
	switch p.Mode {
	case RestartAlways, RestartUnlessStopped:
	case RestartOnFailure:
		if s.ExitCode == 0 {
			return Restart{Reason: "exit code 0"}
		}
	case RestartNo:
		return Restart{Reason: "no restart policy"}
	default:
		return Restart{Reason: "unknown restart policy"}
	}
	streak, attempts := s.RestartStreak, s.RestartCount
	if ran >= p.settled() {
		streak = 0
	}
	if p.Window > 0 {
		attempts = streak
	}
	if p.MaxAttempts > 0 && attempts >= p.MaxAttempts {
		return Restart{Streak: streak, Reason: "restarts used up"}
	}
	return Restart{Again: true, After: p.backOff(streak), Streak: streak + 1, Reason: string(p.Mode)}
}

func (p RestartPolicy) settled() time.Duration {
	if p.Window > 0 {
		return time.Duration(p.Window)
	}
	return restartSettled
}

func (p RestartPolicy) backOff(streak int) time.Duration {
	if p.Delay > 0 {
		return time.Duration(p.Delay)
	}
	d := restartBackOffMin
	for range streak {
		if d *= 2; d >= restartBackOffMax {
			return restartBackOffMax
		}
	}
	return d
}

// AtBoot says whether a container with this policy is started when the engine finds
// it dead after a reboot; s is its last recorded state.
func (p RestartPolicy) AtBoot(s *State) bool {
	if s.StartedAt.IsZero() {
		return false // nobody has started it yet
	}
	switch p.Mode {
	case RestartAlways:
		return true
	case RestartUnlessStopped:
		return !s.Stopped
	case RestartOnFailure:
		return !s.Stopped && s.ExitCode != 0
	default:
		return false
	}
}
