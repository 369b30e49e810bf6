package supervisor

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/healthcheck"
)

// Host does for one container what touches the host. Its methods are called by the
// container's goroutine alone.
type Host interface {
	// Start makes the process. An error leaves nothing behind.
	Start(ctx context.Context) (Process, error)
	// Ended takes back what a process that ended had used.
	Ended(ctx context.Context)
	// Probe runs the health check's command once; ctx ends with its timeout.
	Probe(ctx context.Context) healthcheck.Result
	// Changed publishes a new state, and the events that led to it.
	Changed(state engine.State, events ...Event)
}

// Process is the first process of a container.
type Process interface {
	Pid() int
	// Wait returns when the process has ended.
	Wait(ctx context.Context) (Exit, error)
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
	done     chan struct{}

	// The rest belongs to the goroutine of Run.
	state   engine.State
	process Process
	// ended reports the end of process.
	ended    chan Exit
	waiting  context.CancelFunc
	health   *healthLoop
	starter  chan<- error   // who asked for the start under way
	stoppers []chan<- error // who waits for the end
}

type request struct {
	do      verb
	signal  unix.Signal
	timeout time.Duration
	reply   chan<- error
}

type verb int

const (
	start verb = iota
	stop
	kill
	pause
	unpause
	remove
)

func (v verb) String() string {
	return [...]string{"start", "stop", "kill", "pause", "unpause", "remove"}[v]
}

// New makes a supervisor; Run brings it to life.
func New(cfg Config) *Supervisor {
	return &Supervisor{
		cfg: cfg, state: cfg.State, process: cfg.Process,
		requests: make(chan request), done: make(chan struct{}),
	}
}

// Start starts the container and returns when its process runs.
//
// Errors: engine.ErrConflict when it is being removed; what Host.Start says.
// Starting a running container does nothing.
func (s *Supervisor) Start(ctx context.Context) error {
	return s.ask(ctx, request{do: start})
}

// Stop sends the container's stop signal, waits for its end, and after timeout kills
// it; a negative timeout waits for ever. It returns when the process has ended.
func (s *Supervisor) Stop(ctx context.Context, timeout time.Duration) error {
	return s.ask(ctx, request{do: stop, signal: s.cfg.StopSignal, timeout: timeout})
}

// StopTimeout is the container's own time to stop.
func (s *Supervisor) StopTimeout() time.Duration { return s.cfg.StopTimeout }

// Kill sends a signal. It does not wait.
//
// Errors: engine.ErrConflict when the container does not run.
func (s *Supervisor) Kill(ctx context.Context, sig unix.Signal) error {
	return s.ask(ctx, request{do: kill, signal: sig})
}

// Pause freezes all processes of the container, Unpause lets them go on.
func (s *Supervisor) Pause(ctx context.Context) error { return s.ask(ctx, request{do: pause}) }

// Unpause lets a paused container go on.
func (s *Supervisor) Unpause(ctx context.Context) error { return s.ask(ctx, request{do: unpause}) }

// Remove ends the supervisor of a container that does not run.
//
// Errors: engine.ErrConflict when it runs.
func (s *Supervisor) Remove(ctx context.Context) error { return s.ask(ctx, request{do: remove}) }

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
	case <-s.done:
		select {
		case err := <-reply:
			return err
		default:
			return s.gone(r.do)
		}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Supervisor) gone(do verb) error {
	if do == remove {
		return nil
	}
	return fmt.Errorf("%s: %w", do, engine.Problem(engine.ErrConflict, errGone))
}
