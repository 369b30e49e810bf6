package healthcheck

import (
	"context"
	"fmt"
	"time"
)

// Monitor probes one container.
type Monitor struct {
	Check Check
	// Probe runs the check once and gives its exit code and output; Start and
	// End are the monitor's. When ctx ends, which it does after the check's
	// timeout, Probe has to kill what it started and return soon: no other
	// probe begins before. With Check.Awaits there is no timeout.
	Probe func(ctx context.Context) Result
	// Report is told the state after each probe, in order.
	Report func(State)
}

// Run probes from the given state on, which Begin made or an earlier Run
// returned, until ctx ends, and returns the state reached. A probe that the end
// of ctx interrupts is no result.
func (m Monitor) Run(ctx context.Context, s State) State {
	check := m.Check.withDefaults()
	// A stored time is far off if the clock was set since.
	if latest := time.Now().Add(max(check.Interval, check.StartInterval)); s.Due.After(latest) {
		s.Due, s.Regular = latest, latest
	}
	if check.Awaits != "" {
		return m.await(ctx, check, s)
	}
	timer := time.NewTimer(time.Until(s.Due))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return s
		case <-timer.C:
		}
		r := m.probe(ctx, check.Timeout)
		if ctx.Err() != nil {
			return s
		}
		s = check.Next(s, r)
		m.Report(s)
		timer.Reset(time.Until(s.Due))
	}
}

// probe runs one probe within its time. What it printed until then is worth
// keeping.
func (m Monitor) probe(ctx context.Context, timeout time.Duration) Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	r := m.Probe(ctx)
	r.Start, r.End = start, time.Now()
	if ctx.Err() != nil {
		message := fmt.Sprintf("Health check exceeded timeout (%v)", timeout)
		if r.Output != "" {
			message += ": " + r.Output
		}
		r.ExitCode, r.Output = -1, message
	}
	return r
}
