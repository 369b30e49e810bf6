package supervisor

import (
	"context"
	"time"

	"tiffin/engine"
	"tiffin/healthcheck"
)

// watcher waits for the end of a process.
type watcher struct {
	ended  chan Exit
	cancel context.CancelFunc
	done   chan struct{}
}

// attend begins to wait for the end of the process and to look after its health.
func (s *Supervisor) attend(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{ended: make(chan Exit, 1), cancel: cancel, done: make(chan struct{})}
	p := s.process
	go func() {
		defer close(w.done)
		exit, err := p.Wait(ctx)
		if err != nil && ctx.Err() != nil {
			return
		}
		if err != nil {
			exit = Exit{Code: engine.ExitUnknown, At: time.Now()}
		}
		w.ended <- exit
	}()
	s.watcher = w
	if s.state.Status == engine.StatusRunning {
		s.beginMonitor(ctx)
	}
}

// leave ends what attend began, but not the process.
func (s *Supervisor) leave() {
	s.endMonitor()
	if s.watcher != nil {
		s.watcher.cancel()
		<-s.watcher.done
		s.watcher = nil
	}
}

// monitor probes the health of a container that runs.
type monitor struct {
	states chan healthcheck.State
	cancel context.CancelFunc
	done   chan struct{}
}

// beginMonitor goes on probing from what is known.
func (s *Supervisor) beginMonitor(ctx context.Context) {
	if s.cfg.Check == nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	m := &monitor{states: make(chan healthcheck.State), cancel: cancel, done: make(chan struct{})}
	probing := healthcheck.Monitor{
		Check: *s.cfg.Check,
		Probe: s.cfg.Host.Probe,
		Report: func(state healthcheck.State) {
			select {
			case m.states <- state:
			case <-ctx.Done():
			}
		},
	}
	from := s.health()
	go func() {
		defer close(m.done)
		probing.Run(ctx, from)
	}()
	s.monitor = m
}

// endMonitor stops probing, and waits until a probe under way has ended.
func (s *Supervisor) endMonitor() {
	if s.monitor == nil {
		return
	}
	s.monitor.cancel()
	<-s.monitor.done
	s.monitor = nil
}

// verdicts is nil, which never speaks, without a monitor.
func (m *monitor) verdicts() <-chan healthcheck.State {
	if m == nil {
		return nil
	}
	return m.states
}

// health is what the probes so far amount to, those of an earlier engine included.
func (s *Supervisor) health() healthcheck.State {
	h := s.cfg.Check.Begin(s.state.StartedAt)
	if s.state.Health.Status != engine.HealthNone {
		h.Status = healthcheck.Status(s.state.Health.Status)
	}
	h.FailingStreak = s.state.Health.FailingStreak
	for _, r := range s.state.Health.Log {
		h.Log = append(h.Log, healthcheck.Result(r))
	}
	return h
}

// judged takes over a verdict.
func (s *Supervisor) judged(h healthcheck.State) {
	before := s.state.Health.Status
	s.state.Health = engine.Health{Status: engine.HealthStatus(h.Status), FailingStreak: h.FailingStreak}
	for _, r := range h.Log {
		s.state.Health.Log = append(s.state.Health.Log, engine.HealthResult(r))
	}
	if before == s.state.Health.Status {
		s.publish()
		return
	}
	s.publish(Event{Action: "health_status: " + string(h.Status)})
}
