package healthcheck

import "time"

// Status is what is known of a service's health.
//
//	             ┌──────────── success ────────────┐
//	             v                                 │
//	Starting ─> Healthy ── failures in a row ─> Unhealthy
//	    └──────────────── failures in a row ───────^
type Status string

// The values are Docker's.
const (
	Starting  Status = "starting"
	Healthy   Status = "healthy"
	Unhealthy Status = "unhealthy"
)

// Result is one probe. Exit code 0 is success, anything else failure; -1 stands
// for a probe that did not come to an exit code.
type Result struct {
	Start    time.Time
	End      time.Time
	ExitCode int
	Output   string // at most MaxOutput bytes and "..."
}

// maxLog is how many results a state keeps.
const maxLog = 5

// firstPause is the shortest time between two probes of a starting service.
const firstPause = 10 * time.Millisecond

// State is what the probes so far amount to. It can be stored and gone on with
// later; it is a value, Next does not change it.
type State struct {
	Status        Status
	FailingStreak int       // failures in a row that counted
	Log           []Result  // the last five, oldest first
	Started       time.Time // when the container started
	Regular       time.Time // when the next regular probe is due
	Due           time.Time // when to probe next: then, or earlier
}

// Begin is the state of a container that has just started.
func (c Check) Begin(started time.Time) State {
	c = c.withDefaults()
	s := State{Status: Starting, Started: started, Due: started}
	s.Regular = started.Add(c.interval(s, started))
	return s
}

// Next is the state after one more probe.
func (c Check) Next(s State, r Result) State {
	c = c.withDefaults()
	s.Log = append(append([]Result(nil), s.Log[max(0, len(s.Log)+1-maxLog):]...), r)
	regular := s.Status != Starting || !r.Start.Before(s.Regular)
	switch {
	case r.ExitCode == 0:
		s.Status, s.FailingStreak = Healthy, 0
	case regular && !c.excused(s):
		s.FailingStreak++
		if s.FailingStreak >= c.Retries {
			s.Status = Unhealthy
		}
	}
	if regular || r.ExitCode == 0 {
		s.Regular = r.End.Add(c.interval(s, r.End))
	}
	s.Due = c.due(s, r)
	return s
}

// excused reports whether the regular probe due now may fail without counting.
func (c Check) excused(s State) bool {
	return s.Status == Starting && s.Regular.Sub(s.Started) < c.StartPeriod
}

// interval is the time from now to the next regular probe.
func (c Check) interval(s State, now time.Time) time.Duration {
	if s.Status == Starting && now.Sub(s.Started) < c.StartPeriod {
		return c.StartInterval
	}
	return c.Interval
}

// due is when to probe next. Extra probes are for a service that is starting,
// and must not be under way when a regular one is due.
func (c Check) due(s State, r Result) time.Time {
	if s.Status != Starting {
		return s.Regular
	}
	passed, took := r.End.Sub(s.Started), r.End.Sub(r.Start)
	extra := r.End.Add(max(firstPause, passed/4, 2*took))
	switch {
	case extra.Add(took).Before(s.Regular):
		return extra
	case r.End.Before(s.Regular):
		return s.Regular
	default:
		return r.End // the regular one is late
	}
}
