package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/healthcheck"
)

// Host does for one container what touches the host. Its methods are called by the
// container's goroutine, but for Probe, which its monitor calls, one at a time.
type Host interface {
	// Start makes the process. An error leaves nothing behind.
	Start(ctx context.Context) (Process, error)
	// Ended takes back what a process that ended had used.
	Ended(ctx context.Context)
	// Probe runs the health check once, or awaits what it awaits. When ctx ends, with its
	// timeout or because the container does, it has to return soon: everything waits for it.
	Probe(ctx context.Context) healthcheck.Result
	// Changed publishes a new state, and the events that led to it. It must not wait
	// for the supervisor.
	Changed(state engine.State, events ...Event)
}

// Process is the first process of a container.
type Process interface {
	Pid() int
	// Wait returns when the process has ended, or ctx has.
	Wait(ctx context.Context) (Exit, error)
	// Signal sends a signal; to a process that has ended it is no error.
	Signal(sig unix.Signal) error
	Freeze(ctx context.Context) error
	Thaw(ctx context.Context) error
}

// Exit is how a process ended.
type Exit struct {
	Code int // 128+signal when killed by one, engine.ExitUnknown when nobody saw it
	OOM  bool
	At   time.Time
}

// Event is an action of a container, as Docker names it.
type Event struct {
	Action     string
	Attributes map[string]string
}

// Config is what a supervisor has to know of its container.
type Config struct {
	Host        Host
	State       engine.State
	Restart     engine.RestartPolicy
	Check       *healthcheck.Check // nil: none
	StopSignal  unix.Signal
	StopTimeout time.Duration
	// Process, when set, is one that runs already: the container is adopted in State.
	Process Process
}

// Supervisor is the handle on a container's goroutine.
type Supervisor struct {
	cfg      Config
	requests chan request
	done     chan struct{} // closed when the goroutine has ended

	// The rest belongs to the goroutine of Run.
	state    engine.State
	process  Process
	watcher  *watcher       // of process
	monitor  *monitor       // of its health; nil while nothing is probed
	starter  chan<- error   // who asked for the start under way; nil: the policy did
	stoppers []chan<- error // who waits for the end
	vain     []func()       // told when it does not come in time
	// stopTimeout and stopSignal are those of the stop under way, backOff the time to the next restart.
	stopTimeout, backOff time.Duration
	stopSignal           unix.Signal
	forced               bool // the stop under way is no stop for who listens
	// held says that its restart waits for Resume, not for a time.
	held bool
}

type request struct {
	do      verb
	signal  unix.Signal
	timeout time.Duration
	why     error
	call    func(ctx context.Context) error
	vain    func()
	forced  bool
	reply   chan<- error // takes one answer without waiting
}

type verb int

const (
	start verb = iota
	stop
	kill
	pause
	unpause
	remove
	resume
	abandon
	call
)

func (v verb) String() string {
	return [...]string{"start", "stop", "kill", "pause", "unpause", "remove", "resume", "abandon", "change"}[v]
}

// New makes a supervisor; Run brings it to life. A container that is to be restarted is
// held until Resume: others may have to start before it.
func New(cfg Config) *Supervisor {
	return &Supervisor{
		cfg: cfg, state: cfg.State, process: cfg.Process, stopTimeout: cfg.StopTimeout, stopSignal: cfg.StopSignal,
		held:     cfg.State.Status == engine.StatusRestarting,
		requests: make(chan request), done: make(chan struct{}),
	}
}

// Start starts the container and returns when its process runs. Starting a running
// container does nothing.
//
// Errors: engine.ErrConflict when it is paused, being stopped or removed; what
// Host.Start says.
func (s *Supervisor) Start(ctx context.Context) error {
	return s.ask(ctx, request{do: start})
}

// Stop sends the container's stop signal, waits for its end, and after timeout kills
// it; a negative timeout waits for ever. It returns when the process has ended.
//
// Errors: engine.ErrUnavailable when it does not end although it was killed.
func (s *Supervisor) Stop(ctx context.Context, timeout time.Duration) error {
	return s.StopWith(ctx, s.cfg.StopSignal, timeout)
}

// StopWith is Stop with another signal than the container's own.
func (s *Supervisor) StopWith(ctx context.Context, sig unix.Signal, timeout time.Duration) error {
	return s.ask(ctx, request{do: stop, signal: sig, timeout: timeout})
}

// Force kills the container so that it can be removed. What is told of it is an end by a
// signal, no stop, as with Docker.
func (s *Supervisor) Force(ctx context.Context) error {
	return s.ask(ctx, request{do: stop, signal: unix.SIGKILL, forced: true})
}

// StopTelling is Stop that calls vain when the time is over, before it kills. The container's goroutine calls it.
func (s *Supervisor) StopTelling(ctx context.Context, timeout time.Duration, vain func()) error {
	return s.ask(ctx, request{do: stop, signal: s.cfg.StopSignal, timeout: timeout, vain: vain})
}

// Resume lets a container whose restart is held start by its policy: should it fail, the
// policy tries again. It does not wait, and does nothing to others.
func (s *Supervisor) Resume(ctx context.Context) error { return s.ask(ctx, request{do: resume}) }

// Abandon ends the waiting of a container whose restart is held, and says why in its
// state. It does nothing to others.
func (s *Supervisor) Abandon(ctx context.Context, why error) error {
	return s.ask(ctx, request{do: abandon, why: why})
}

// Do calls f when nothing else happens to the container: no start or end of it is under way.
func (s *Supervisor) Do(ctx context.Context, f func(ctx context.Context) error) error {
	return s.ask(ctx, request{do: call, call: f})
}

// SetRestart changes the policy for the next end.
func (s *Supervisor) SetRestart(ctx context.Context, p engine.RestartPolicy) error {
	return s.Do(ctx, func(context.Context) error {
		s.cfg.Restart = p
		return nil
	})
}

// StopTimeout is the container's own time to stop.
func (s *Supervisor) StopTimeout() time.Duration { return s.cfg.StopTimeout }

// Kill sends a signal. It does not wait. After SIGKILL, or its stop signal, the
// container is not restarted when it ends.
//
// Errors: engine.ErrConflict when the container does not run.
func (s *Supervisor) Kill(ctx context.Context, sig unix.Signal) error {
	return s.ask(ctx, request{do: kill, signal: sig})
}

// Pause freezes all processes of the container.
//
// Errors: engine.ErrConflict when it does not run, or is paused.
func (s *Supervisor) Pause(ctx context.Context) error { return s.ask(ctx, request{do: pause}) }

// Unpause lets a paused container go on.
//
// Errors: engine.ErrConflict when it is not paused.
func (s *Supervisor) Unpause(ctx context.Context) error { return s.ask(ctx, request{do: unpause}) }

// Remove ends the supervisor of a container that does not run. Removing it again does
// nothing.
//
// Errors: engine.ErrConflict when it runs, or is to run again.
func (s *Supervisor) Remove(ctx context.Context) error { return s.ask(ctx, request{do: remove}) }

// ask hands a request to the goroutine and waits for the answer.
//
// Errors: engine.ErrUnavailable when the goroutine has ended, or ends, without one.
func (s *Supervisor) ask(ctx context.Context, r request) error {
	reply := make(chan error, 1)
	r.reply = reply
	select {
	case s.requests <- r:
	case <-s.done:
		return s.gone(r.do)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.done:
	}
	select {
	case err := <-reply: // it was the last thing that it did
		return err
	default:
		return s.gone(r.do)
	}
}

// gone is the answer of a supervisor that has ended.
func (s *Supervisor) gone(do verb) error {
	switch {
	case s.state.Status != engine.StatusRemoving:
		return engine.Problem(engine.ErrUnavailable, fmt.Errorf("%s: the engine is shutting down", do))
	case do == remove:
		return nil
	default:
		return engine.Problem(engine.ErrConflict, fmt.Errorf("%s: the container is gone", do))
	}
}

// refuse answers that a container is not in the state for something.
func refuse(r request, why string) {
	r.reply <- engine.Problem(engine.ErrConflict, fmt.Errorf("%s: the container %s", r.do, why))
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
