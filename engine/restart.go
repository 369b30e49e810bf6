package engine

import "time"

// RestartPolicy is when a container that ended is started again. The zero value is never.
type RestartPolicy struct {
	Mode RestartMode `json:",omitempty"`
	// MaxAttempts bounds on-failure; 0 means no bound.
	MaxAttempts int `json:",omitempty"`
	// Delay replaces the growing back-off (deploy.restart_policy.delay).
	Delay Duration `json:",omitzero"`
	// Window is how long it must run for the attempt to count as success; 0: 10 s.
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
	// Count is the new count of restarts in a row.
	Count  int
	Reason string
}

// Decide answers whether a container that ended with exitCode after running for
// ran, having been restarted count times in a row, is started again. stopped says
// that a command ended it. The back-off is Docker's: 100 ms, doubling to a minute,
// and from the start again after a run of ten seconds.
func (p RestartPolicy) Decide(exitCode, count int, ran time.Duration, stopped bool) Restart {
	if stopped {
		return Restart{Reason: "stopped by a command"}
	}
	switch p.Mode {
	case RestartAlways, RestartUnlessStopped:
	case RestartOnFailure:
		if exitCode == 0 {
			return Restart{Reason: "exit code 0"}
		}
		if p.MaxAttempts > 0 && count >= p.MaxAttempts {
			return Restart{Count: count, Reason: "restarts used up"}
		}
	case RestartNo:
		return Restart{Reason: "no restart policy"}
	default:
		return Restart{Reason: "unknown restart policy"}
	}
	settled := restartSettled
	if p.Window > 0 {
		settled = time.Duration(p.Window)
	}
	backOff := count
	if ran >= settled {
		backOff = 0
	}
	return Restart{Again: true, After: p.delay(backOff), Count: count + 1, Reason: string(p.Mode)}
}

func (p RestartPolicy) delay(count int) time.Duration {
	if p.Delay > 0 {
		return time.Duration(p.Delay)
	}
	d := restartBackOffMin
	for range count {
		if d *= 2; d >= restartBackOffMax {
			return restartBackOffMax
		}
	}
	return d
}

// AtBoot says whether a container with this policy is started when the engine finds
// it dead after a reboot.
func (p RestartPolicy) AtBoot(exitCode int, stopped bool) bool {
	switch p.Mode {
	case RestartAlways:
		return true
	case RestartUnlessStopped:
		return !stopped
	case RestartOnFailure:
		return !stopped && exitCode != 0
	default:
		return false
	}
}
