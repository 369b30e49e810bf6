package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/runtime"
	"tiffin/engine/supervisor"
)

// run is one life of a container: its first process and what was made for it.
type run struct {
	process *runtime.Process
	cgroup  *runtime.Cgroup
	pidfd   *os.File
	// stdin is where input goes: a pipe, or the terminal; nil when there is none.
	stdin input
	once  sync.Once
}

// input is what the input of a process is written to.
type input interface {
	Write(p []byte) (int, error)
	Close() error
}

func (r *run) tty() bool { return r.process.Console() != nil }

// closeStdin tells the process that its input has ended.
func (r *run) closeStdin() {
	r.once.Do(func() {
		if r.stdin != nil && !r.tty() {
			_ = r.stdin.Close() // nothing is buffered
		}
	})
}

// openRoot opens the process's root to be looked through.
//
// Errors: engine.ErrConflict when it has ended.
func (r *run) openRoot() (*os.File, error) {
	root, err := os.OpenFile(fmt.Sprintf("/proc/%d/root", r.process.Pid()), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("it is not running: %w", err))
	}
	// The pid was not given to another process meanwhile if ours still is there.
	if err := r.process.Signal(0); err != nil {
		return nil, errors.Join(engine.Problem(engine.ErrConflict, errors.New("it is not running")), root.Close())
	}
	return root, nil
}

// Pid implements supervisor.Process.
func (r *run) Pid() int { return r.process.Pid() }

// Wait implements supervisor.Process. When the keeper dies the kernel is asked instead.
func (r *run) Wait(ctx context.Context) (supervisor.Exit, error) {
	exit, err := r.process.Wait(ctx)
	if errors.Is(err, runtime.ErrKeeperLost) {
		exit, err = r.process.WaitOrphan(ctx)
	}
	if err != nil {
		return supervisor.Exit{}, err
	}
	kills, err := r.cgroup.OOMKills()
	return supervisor.Exit{Code: exit.Code(), OOM: err == nil && kills > 0 && exit.Code() == 128+int(unix.SIGKILL), At: exit.At}, nil
}

// Signal implements supervisor.Process.
func (r *run) Signal(sig unix.Signal) error {
	err := r.process.Signal(sig)
	if errors.Is(err, runtime.ErrNotRunning) {
		return nil // its end is on its way
	}
	return err
}

// Freeze implements supervisor.Process.
func (r *run) Freeze(ctx context.Context) error { return r.cgroup.Freeze(ctx) }

// Thaw implements supervisor.Process.
func (r *run) Thaw(context.Context) error { return r.cgroup.Thaw() }
