package hostrun

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Command is what is run.
type Command struct {
	Args, Env []string
	In        io.Reader
	Out, Err  io.Writer
	// OnTerminal says that Ctrl-C reaches the program by way of its terminal.
	OnTerminal bool
}

// Run is a program that runs, or could not be started.
type Run struct {
	onTerminal bool
	done       chan struct{} // closed when it has ended
	code       int
	err        error

	mu          sync.Mutex
	process     *os.Process // while it runs
	interrupted int
}

// The exit codes of a shell for programs that it cannot run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

// Find says whether there is such a program, before anything is done for it.
//
// Errors: engine.ExitError with the exit code that a shell has for it.
func Find(name string) error {
	_, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	return notRun(name, err)
}

func notRun(name string, err error) error {
	if err == nil {
		return nil
	}
	code, reason := exitCannotRun, err
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code, reason = exitNotFound, errors.New("there is no such program")
	} else if inner := errors.Unwrap(err); inner != nil {
		reason = inner
	}
	return fmt.Errorf("run %s: %w: %w", name, reason, &engine.ExitError{Code: code})
}

// Start starts the program; Wait tells if that fails.
func Start(c Command) *Run {
	r := &Run{onTerminal: c.OnTerminal, done: make(chan struct{})}
	started := make(chan struct{})
	go func() {
		defer close(r.done)
		// The parent of PR_SET_PDEATHSIG is a thread (prctl(2)): this one has to live as long as the program.
		runtime.LockOSThread()
		cmd := exec.Command(c.Args[0], c.Args[1:]...) //nolint:noctx // the user's own; it ends by signals
		if errors.Is(cmd.Err, exec.ErrDot) {
			cmd.Err = nil
		}
		cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Env, c.In, c.Out, c.Err
		cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGTERM}
		err := cmd.Start()
		if err == nil {
			r.setProcess(cmd.Process)
		}
		close(started)
		if err != nil {
			r.err = notRun(c.Args[0], err)
			return
		}
		err = cmd.Wait()
		r.setProcess(nil)
		r.code, r.err = exitCode(cmd.ProcessState, err)
	}()
	<-started
	return r
}

func exitCode(state *os.ProcessState, err error) (int, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("wait for command: %w", err)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

func (r *Run) setProcess(p *os.Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = p
}

// maxInterrupts is how often a program is asked to end before it is killed.
const maxInterrupts = 2

// Interrupt hands a signal on.
func (r *Run) Interrupt(sig os.Signal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.interrupted++
	switch {
	case r.process == nil:
	case r.interrupted > maxInterrupts:
		_ = r.process.Kill() // or it has ended
	case sig == unix.SIGINT && r.onTerminal: // it has got it
	default:
		_ = r.process.Signal(sig) // or it has ended
	}
}

// Wait returns the exit code of the program once it has ended.
func (r *Run) Wait() (int, error) {
	<-r.done
	return r.code, r.err
}
