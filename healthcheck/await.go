package healthcheck

import (
	"context"
	"time"
)

// await is Run of a check that awaits something.
func (m Monitor) await(ctx context.Context, check Check, s State) State {
	if s.Status == Healthy { // it came under an earlier Run
		<-ctx.Done()
		return s
	}
	if now := time.Now(); s.Regular.Before(now) {
		s.Regular = now.Add(check.interval(s, now)) // nobody waited meanwhile: look before it counts
	}
	timer := time.NewTimer(time.Until(s.Regular))
	defer timer.Stop()
	came, missing := m.begin(ctx), check.Awaits+" has not come yet"
	why := missing
	for {
		select {
		case <-ctx.Done():
			if came != nil {
				<-came
			}
			return s
		case r := <-came:
			if ctx.Err() != nil {
				return s
			}
			if r.ExitCode == 0 {
				s = check.Next(s, r)
				m.Report(s)
				<-ctx.Done()
				return s
			}
			came, why = nil, r.Output // it cannot be waited for: to be tried again, at the regular time
		case now := <-timer.C:
			s = check.Next(s, Result{Start: now, End: now, ExitCode: 1, Output: why})
			m.Report(s)
			timer.Reset(time.Until(s.Regular))
			if came == nil {
				came, why = m.begin(ctx), missing
			}
		}
	}
}

// begin runs a probe until what it waits for has come, or ctx ends.
func (m Monitor) begin(ctx context.Context) <-chan Result {
	came := make(chan Result, 1)
	go func() {
		r := m.Probe(ctx)
		r.End = time.Now()
		r.Start = r.End // before, it was not there
		came <- r
	}()
	return came
}
