package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

var errGone = errors.New("the container is gone")

// Run drives the container until it is removed or ctx ends. When ctx ends the
// process is left alone: the next engine adopts it.
func (s *Supervisor) Run(ctx context.Context) {
	defer close(s.done)
	defer s.leave()
	if s.process != nil {
		s.watch(ctx)
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
			// Adopted in the middle of a stop: go on as if it was asked for now.
			s.stopping(ctx, s.cfg.StopTimeout)
		case engine.StatusRestarting:
			s.restarting(ctx)
		case engine.StatusRemoving:
			return
		}
	}
}

// leave ends what the goroutine had started, but not the process.
func (s *Supervisor) leave() {
	if s.health != nil {
		s.health.end()
	}
	if s.waiting != nil {
		s.waiting()
	}
}

// idle waits for a command: nothing runs.
func (s *Supervisor) idle(ctx context.Context) {
	select {
	case r := <-s.requests:
		switch r.do {
		case start:
			s.state.RestartCount, s.state.RestartStreak = 0, 0
			s.begin(r.reply)
		case stop:
			r.reply <- nil
		case remove:
			s.to(engine.StatusRemoving)
			s.publish()
			r.reply <- nil
		case kill, pause, unpause:
			r.reply <- notRunning(r.do)
		}
	case <-ctx.Done():
	}
}

func notRunning(do verb) error {
	return engine.Problem(engine.ErrConflict, fmt.Errorf("%s: the container is not running", do))
}

// begin enters starting on behalf of who asked; nobody, when the policy did.
func (s *Supervisor) begin(reply chan<- error) {
	s.starter = reply
	s.state.Stopped = false
	s.state.Error = ""
	s.to(engine.StatusStarting)
	s.publish()
}

// starting makes the process. Commands wait meanwhile.
func (s *Supervisor) starting(ctx context.Context) {
	p, err := s.cfg.Host.Start(ctx)
	reply := s.starter
	s.starter = nil
	if err != nil {
		s.state.Error = err.Error()
		s.state.ExitCode = startExitCode(err)
		s.state.FinishedAt = time.Now()
		if s.state.StartedAt.IsZero() && reply != nil {
			s.to(engine.StatusCreated)
		} else {
			s.to(engine.StatusExited)
		}
		s.publish()
		answer(reply, err)
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
	s.watch(ctx)
	answer(reply, nil)
}

// startExitCode is what docker says of a container whose command could not be
// started: 127 not found, 126 not executable, 128 anything else.
func startExitCode(err error) int {
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return exit.Code
	}
	return 128
}

func answer(reply chan<- error, err error) {
	if reply != nil {
		reply <- err
	}
}

// watch waits for the end of the process and looks after its health.
func (s *Supervisor) watch(ctx context.Context) {
	waitCtx, cancel := context.WithCancel(ctx)
	ended := make(chan Exit, 1)
	s.ended, s.waiting = ended, cancel
	p := s.process
	go func() {
		exit, err := p.Wait(waitCtx)
		if waitCtx.Err() != nil {
			return
		}
		if err != nil {
			exit = Exit{Code: engine.ExitUnknown, At: time.Now()}
		}
		ended <- exit
	}()
	if s.cfg.Check != nil && s.state.Status != engine.StatusStopping {
		s.health = startHealth(ctx, s)
	}
}

// running waits for the end, a command, or a verdict; paused is running without
// probes.
func (s *Supervisor) running(ctx context.Context) {
	select {
	case exit := <-s.ended:
		s.exited(ctx, exit)
	case h := <-s.health.verdicts():
		s.judged(h)
	case r := <-s.requests:
		s.command(ctx, r)
	case <-ctx.Done():
	}
}

func (s *Supervisor) command(ctx context.Context, r request) {
	switch r.do {
	case start:
		r.reply <- nil
	case stop:
		s.stop(ctx, r)
	case kill:
		r.reply <- s.signal(r.signal)
	case pause, unpause:
		r.reply <- s.freeze(ctx, r.do)
	case remove:
		r.reply <- engine.Problem(engine.ErrConflict, errors.New("the container is running: stop it first, or use force"))
	}
}

func (s *Supervisor) signal(sig unix.Signal) error {
	if err := s.process.Signal(sig); err != nil {
		return err
	}
	s.cfg.Host.Changed(s.state, killed(sig))
	return nil
}

func killed(sig unix.Signal) Event {
	return Event{Action: "kill", Attributes: map[string]string{"signal": strconv.Itoa(int(sig))}}
}

func (s *Supervisor) freeze(ctx context.Context, do verb) error {
	next, action := engine.StatusPaused, s.process.Freeze
	if do == unpause {
		next, action = engine.StatusRunning, s.process.Thaw
	}
	if err := s.state.Status.To(next); err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	if err := action(ctx); err != nil {
		return fmt.Errorf("%s: %w", do, err)
	}
	s.to(next)
	s.publish(Event{Action: do.String()})
	return nil
}

// stop begins a stop by command and sees it through.
func (s *Supervisor) stop(ctx context.Context, r request) {
	s.stoppers = append(s.stoppers, r.reply)
	s.state.Stopped = true
	if s.state.Status == engine.StatusPaused {
		// A frozen process takes no signal.
		if err := s.process.Thaw(ctx); err != nil {
			s.state.Error = err.Error()
		}
	}
	s.to(engine.StatusStopping)
	s.publish(killed(r.signal))
	if err := s.process.Signal(r.signal); err != nil && !errors.Is(err, unix.ESRCH) {
		s.state.Error = err.Error()
	}
	s.stopping(ctx, r.timeout)
}

// stopping waits for the end, and kills when the time is over.
func (s *Supervisor) stopping(ctx context.Context, timeout time.Duration) {
	if s.health != nil {
		s.health.end()
		s.health = nil
	}
	timer := newTimer(timeout)
	defer timer.Stop()
	for s.state.Status == engine.StatusStopping {
		select {
		case exit := <-s.ended:
			s.exited(ctx, exit)
		case <-timer.C:
			s.cfg.Host.Changed(s.state, killed(unix.SIGKILL))
			if err := s.process.Signal(unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				s.state.Error = err.Error()
			}
		case r := <-s.requests:
			s.whileStopping(r, timer)
		case <-ctx.Done():
			return
		}
	}
}

func newTimer(d time.Duration) *time.Timer {
	if d < 0 {
		t := time.NewTimer(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTimer(d)
}

func (s *Supervisor) whileStopping(r request, timer *time.Timer) {
	switch r.do {
	case stop:
		s.stoppers = append(s.stoppers, r.reply)
		if r.timeout >= 0 {
			timer.Reset(r.timeout)
		}
	case kill:
		r.reply <- s.signal(r.signal)
	case start, pause, unpause, remove:
		r.reply <- engine.Problem(engine.ErrConflict, fmt.Errorf("%s: the container is being stopped", r.do))
	}
}

// exited records the end and asks the restart rule.
func (s *Supervisor) exited(ctx context.Context, exit Exit) {
	s.leave()
	s.health, s.waiting, s.process = nil, nil, nil
	byCommand := s.state.Status == engine.StatusStopping
	ran := exit.At.Sub(s.state.StartedAt)
	s.state.Pid = 0
	s.state.ExitCode, s.state.OOMKilled, s.state.FinishedAt = exit.Code, exit.OOM, exit.At
	s.cfg.Host.Ended(context.WithoutCancel(ctx))
	s.to(engine.StatusExited)
	events := exitEvents(exit, byCommand)
	answer := s.cfg.Restart.Decide(&s.state, ran)
	s.state.RestartStreak = answer.Streak
	if answer.Again {
		s.to(engine.StatusRestarting)
		s.state.RestartCount++
	}
	s.publish(events...)
	for _, reply := range s.stoppers {
		reply <- nil
	}
	s.stoppers = nil
	if answer.Again {
		s.backOff(ctx, answer.After)
	}
}

func exitEvents(exit Exit, byCommand bool) []Event { //nolint:revive // who ended it is the whole question
	die := Event{Action: "die", Attributes: map[string]string{"exitCode": strconv.Itoa(exit.Code)}}
	var out []Event
	if exit.OOM {
		out = append(out, Event{Action: "oom"})
	}
	out = append(out, die)
	if byCommand {
		out = append(out, Event{Action: "stop"})
	}
	return out
}

// restarting is entered without a timer only by adoption: start at once.
func (s *Supervisor) restarting(ctx context.Context) { s.backOff(ctx, 0) }

// backOff waits for the time to start again, or for a command that ends the waiting.
func (s *Supervisor) backOff(ctx context.Context, after time.Duration) {
	timer := time.NewTimer(after)
	defer timer.Stop()
	for s.state.Status == engine.StatusRestarting {
		select {
		case <-timer.C:
			s.begin(nil)
		case r := <-s.requests:
			s.whileRestarting(r)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Supervisor) whileRestarting(r request) {
	switch r.do {
	case start:
		s.begin(r.reply)
	case stop:
		s.state.Stopped = true
		s.to(engine.StatusExited)
		s.publish(Event{Action: "stop"})
		r.reply <- nil
	case kill, pause, unpause:
		r.reply <- notRunning(r.do)
	case remove:
		s.to(engine.StatusExited)
		s.to(engine.StatusRemoving)
		s.publish()
		r.reply <- nil
	}
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
