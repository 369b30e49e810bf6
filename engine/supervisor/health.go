package supervisor

import (
	"context"
	"time"

	"tiffin/engine"
	"tiffin/healthcheck"
)

// healthLoop is the monitor of a container that runs.
type healthLoop struct {
	states chan healthcheck.State
	cancel context.CancelFunc
	ended  chan struct{}
}

func startHealth(ctx context.Context, s *Supervisor) *healthLoop {
	ctx, cancel := context.WithCancel(ctx)
	l := &healthLoop{states: make(chan healthcheck.State), cancel: cancel, ended: make(chan struct{})}
	m := healthcheck.Monitor{
		Check: *s.cfg.Check,
		Probe: s.cfg.Host.Probe,
		Report: func(st healthcheck.State) {
			select {
			case l.states <- st:
			case <-ctx.Done():
			}
		},
	}
	begin := s.cfg.Check.Begin(time.Now())
	if s.state.Health.Status == engine.Healthy {
		begin.Status = healthcheck.Healthy // adopted
	}
	go func() {
		defer close(l.ended)
		m.Run(ctx, begin)
	}()
	return l
}

// verdicts is nil, which never speaks, without a loop.
func (l *healthLoop) verdicts() <-chan healthcheck.State {
	if l == nil {
		return nil
	}
	return l.states
}

// end stops probing, and waits until a probe under way has been killed.
func (l *healthLoop) end() {
	l.cancel()
	<-l.ended
}

// judged takes over a verdict. A frozen container cannot be judged.
func (s *Supervisor) judged(h healthcheck.State) {
	if s.state.Status == engine.StatusPaused {
		return
	}
	before := s.state.Health.Status
	s.state.Health = engine.Health{Status: engine.HealthStatus(h.Status), FailingStreak: h.FailingStreak}
	for _, r := range h.Log {
		s.state.Health.Log = append(s.state.Health.Log, engine.HealthResult{Start: r.Start, End: r.End, ExitCode: r.ExitCode, Output: r.Output})
	}
	if before == s.state.Health.Status {
		s.publish()
		return
	}
	s.publish(Event{Action: "health_status: " + string(h.Status)})
}
