package supervisor

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Run drives the container until it is removed or ctx ends. When ctx ends the
// process is left alone: the next engine adopts it.
func (s *Supervisor) Run(ctx context.Context) {
	defer close(s.done)
	defer s.leave()
	if s.process != nil {
		s.attend(ctx)
	}
	for ctx.Err() == nil {
		switch s.state.Status {
		case engine.StatusCreated, engine.StatusExited:
			s.idle(ctx)
		case engine.StatusStarting:
			s.starting(ctx)
		case engine.StatusRunning, engine.StatusPaused:
			s.running(ctx)
		case engine.StatusStopping:
			s.stopping(ctx)
		case engine.StatusRestarting:
			s.restarting(ctx)
		case engine.StatusRemoving:
			return
		}
	}
}

// idle waits for a command: nothing runs.
func (s *Supervisor) idle(ctx context.Context) {
	select {
	case r := <-s.requests:
		switch r.do {
		case start:
			s.startByCommand(r)
		case stop, resume, abandon:
			r.reply <- nil
		case remove:
			s.to(engine.StatusRemoving)
			s.publish()
			r.reply <- nil
		case kill, pause, unpause:
			refuse(r, "is not running")
		case call:
			r.reply <- r.call(ctx)
		}
	case <-ctx.Done():
	}
}

func (s *Supervisor) startByCommand(r request) {
	s.state.RestartCount, s.state.RestartStreak = 0, 0
	s.starter = r.reply
	s.begin()
}

func (s *Supervisor) begin() {
	s.held = false
	s.state.Stopped = false
	s.state.Error = ""
	s.to(engine.StatusStarting)
	s.publish()
}

// starting makes the process. Commands wait meanwhile.
func (s *Supervisor) starting(ctx context.Context) {
	p, err := s.cfg.Host.Start(ctx)
	if err != nil {
		s.notStarted(ctx, err)
		return
	}
	s.process = p
	s.state.Pid = p.Pid()
	s.state.StartedAt, s.state.FinishedAt = time.Now(), time.Time{}
	s.state.ExitCode, s.state.OOMKilled = 0, false
	s.state.Health = engine.Health{}
	if s.cfg.Check != nil {
		s.state.Health.Status = engine.HealthStarting
	}
	s.to(engine.StatusRunning)
	s.publish(Event{Action: "start"})
	s.attend(ctx)
	s.answerStarter(nil)
}

// notStarted records a start that failed. One by the policy counts as a run that
// failed at once, so that what is only in the way for now is got over.
func (s *Supervisor) notStarted(ctx context.Context, err error) {
	byPolicy := s.starter == nil
	defer s.answerStarter(err)
	defer s.publish()
	if s.state.StartedAt.IsZero() {
		s.to(engine.StatusCreated)
	} else {
		s.to(engine.StatusExited)
	}
	if ctx.Err() != nil {
		// The engine ends: that says nothing of the container.
		if byPolicy {
			s.to(engine.StatusRestarting)
		}
		return
	}
	s.state.Error = err.Error()
	s.state.ExitCode = startExitCode(err)
	s.state.FinishedAt = time.Now()
	if byPolicy {
		s.askRule(0)
	}
}

func (s *Supervisor) answerStarter(err error) {
	if s.starter != nil {
		s.starter <- err
		s.starter = nil
	}
}

// running waits for the end, a command, or a verdict; paused is running without
// probes.
func (s *Supervisor) running(ctx context.Context) {
	select {
	case exit := <-s.watcher.ended:
		s.exited(ctx, exit)
	case verdict := <-s.monitor.verdicts():
		s.judged(verdict)
	case r := <-s.requests:
		s.command(ctx, r)
	case <-ctx.Done():
	}
}

func (s *Supervisor) command(ctx context.Context, r request) {
	switch r.do {
	case start:
		if s.state.Status == engine.StatusPaused {
			refuse(r, "is paused: unpause it")
			return
		}
		r.reply <- nil
	case stop:
		s.stop(ctx, r)
	case kill:
		s.kill(ctx, r)
	case pause:
		r.reply <- s.pause(ctx)
	case unpause:
		r.reply <- s.unpause(ctx)
	case remove:
		refuse(r, "is running: stop it first, or use force")
	case resume, abandon:
		r.reply <- nil
	case call:
		r.reply <- r.call(ctx)
	}
}

// kill passes a signal on. One that is to end the container wakes it up, too: a frozen
// process takes no signal.
func (s *Supervisor) kill(ctx context.Context, r request) {
	err := s.process.Signal(r.signal)
	if err == nil && s.ends(r.signal) {
		s.state.Stopped = true
		if s.state.Status == engine.StatusPaused {
			err = s.unpause(ctx)
		}
	}
	if err == nil {
		s.publish(killed(r.signal))
	}
	r.reply <- err
}

// ends says that who sends this signal wants the container to end.
func (s *Supervisor) ends(sig unix.Signal) bool {
	return sig == unix.SIGKILL || sig == s.cfg.StopSignal
}

func killed(sig unix.Signal) Event {
	return Event{Action: "kill", Attributes: map[string]string{"signal": strconv.Itoa(int(sig))}}
}

// pause freezes the container. It is not probed meanwhile: the probe would freeze.
func (s *Supervisor) pause(ctx context.Context) error {
	if err := s.state.Status.To(engine.StatusPaused); err != nil {
		return fmt.Errorf("%s: %w", pause, err)
	}
	s.endMonitor()
	if err := s.process.Freeze(ctx); err != nil {
		s.beginMonitor(ctx)
		return fmt.Errorf("%s: %w", pause, err)
	}
	s.to(engine.StatusPaused)
	s.publish(Event{Action: "pause"})
	return nil
}

func (s *Supervisor) unpause(ctx context.Context) error {
	if s.state.Status != engine.StatusPaused {
		return engine.Problem(engine.ErrConflict, fmt.Errorf("%s: the container is not paused", unpause))
	}
	if err := s.process.Thaw(ctx); err != nil {
		return fmt.Errorf("%s: %w", unpause, err)
	}
	s.to(engine.StatusRunning)
	s.beginMonitor(ctx)
	s.publish(Event{Action: "unpause"})
	return nil
}

// exited records the end and asks the restart rule.
func (s *Supervisor) exited(ctx context.Context, exit Exit) {
	events := exitEvents(exit)
	if s.state.Status == engine.StatusStopping && !s.forced {
		events = append(events, Event{Action: "stop"})
	}
	s.leave()
	s.process = nil
	s.cfg.Host.Ended(context.WithoutCancel(ctx))
	s.state.Pid = 0
	s.state.ExitCode, s.state.OOMKilled, s.state.FinishedAt = exit.Code, exit.OOM, exit.At
	s.to(engine.StatusExited)
	s.askRule(exit.At.Sub(s.state.StartedAt))
	s.publish(events...)
	s.answerStoppers(nil)
}

func exitEvents(exit Exit) []Event {
	die := Event{Action: "die", Attributes: map[string]string{"exitCode": strconv.Itoa(exit.Code)}}
	if exit.OOM {
		return []Event{{Action: "oom"}, die}
	}
	return []Event{die}
}

// askRule lets a container that ended after a run wait for its restart, if the policy
// wants one.
func (s *Supervisor) askRule(ran time.Duration) {
	answer := s.cfg.Restart.Decide(&s.state, ran)
	s.state.RestartStreak = answer.Streak
	if !answer.Again {
		return
	}
	s.state.RestartCount++
	s.to(engine.StatusRestarting)
	s.backOff = answer.After
}

// restarting waits for the time to start again, or while it is held for Resume, or for a
// command that ends the waiting.
func (s *Supervisor) restarting(ctx context.Context) {
	timer := time.NewTimer(s.backOff)
	defer timer.Stop()
	if s.held {
		timer.Stop()
	}
	for s.state.Status == engine.StatusRestarting {
		select {
		case <-timer.C:
			s.begin()
		case r := <-s.requests:
			s.whileRestarting(ctx, r)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Supervisor) whileRestarting(ctx context.Context, r request) {
	switch {
	case r.do == start:
		s.startByCommand(r)
	case r.do == stop:
		s.giveUp(Event{Action: "stop"})
		r.reply <- nil
	case r.do == kill && s.ends(r.signal):
		s.giveUp()
		r.reply <- nil
	case r.do == resume || r.do == abandon:
		s.release(r)
	case r.do == call:
		r.reply <- r.call(ctx)
	case r.do == remove:
		refuse(r, "is restarting: stop it first, or use force")
	default:
		refuse(r, "is not running")
	}
}

// release ends the waiting of a restart that is held.
func (s *Supervisor) release(r request) {
	switch {
	case !s.held:
	case r.do == resume:
		s.begin()
	default:
		s.held = false
		s.state.Error = r.why.Error()
		s.to(engine.StatusExited)
		s.publish()
	}
	r.reply <- nil
}

// giveUp ends the waiting for a restart.
func (s *Supervisor) giveUp(events ...Event) {
	s.held = false
	s.state.Stopped = true
	s.to(engine.StatusExited)
	s.publish(events...)
}

// to makes one step of life; a step that the table forbids is a mistake of this file.
func (s *Supervisor) to(next engine.Status) {
	if err := s.state.Status.To(next); err != nil {
		panic(err)
	}
	s.state.Status = next
}

func (s *Supervisor) publish(events ...Event) {
	state := s.state
	state.Health.Log = slices.Clone(state.Health.Log)
	s.cfg.Host.Changed(state, events...)
}
