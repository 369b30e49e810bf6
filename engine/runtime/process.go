package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine/keeper"
)

// Process is one that a keeper has started: the first of a container, or a later one.
type Process struct {
	ID     string
	keeper *Keeper

	mu        sync.Mutex
	pid       int
	startedAt time.Time
	pidfd     *os.File
	console   *os.File
	hold      []*os.File
	unwanted  bool // to be dropped when it has ended

	done chan struct{} // closed when exit is there
	exit Exit
}

// Exit is how a process ended.
type Exit struct {
	Status syscall.WaitStatus
	At     time.Time
	// Unknown says that nobody was there to see the status.
	Unknown bool
}

// Code is the exit code as shells have it: 128 and the signal's number for a process that was killed, 255 when it is not known.
func (e Exit) Code() int {
	switch {
	case e.Unknown:
		return 255
	case e.Status.Signaled():
		return 128 + int(e.Status.Signal())
	default:
		return e.Status.ExitStatus()
	}
}

// exitFailed is the wait status that stands for a process that never began.
const exitFailed = 127 << 8

func newProcess(k *Keeper, id string) *Process {
	return &Process{ID: id, keeper: k, done: make(chan struct{})}
}

func (p *Process) begin(pid int32, startedAt int64, pidfd, console *os.File) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid, p.startedAt, p.pidfd, p.console = int(pid), time.Unix(0, startedAt), pidfd, console
}

func (p *Process) end(status uint32, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.done:
		return
	default:
	}
	p.exit = Exit{Status: syscall.WaitStatus(status), At: time.Unix(0, at)}
	close(p.done)
	if p.unwanted {
		p.keeper.cleanups.Go(p.Drop) // not here: the reader, who calls, is not to wait for the keeper
	}
}

// abandon ends a process whose starter has gone away.
func (p *Process) abandon() {
	p.mu.Lock()
	p.unwanted = true
	p.mu.Unlock()
	_ = p.Signal(unix.SIGKILL)
}

// Pid is the process id in the engine's namespace, 0 as long as it is not known.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// StartedAt is when the process began to run its command.
func (p *Process) StartedAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.startedAt
}

// Pidfd refers to the process whatever becomes of its number. It is the Process's to close.
func (p *Process) Pidfd() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pidfd
}

// Console is the master of the process's terminal, nil if it has none. When there is a log, the keeper reads it and it
// is only to be written to and resized. It is the Process's to close.
func (p *Process) Console() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.console
}

// Hold are the descriptors that the keeper was given to keep for the process. They are the Process's to close.
func (p *Process) Hold() []*os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hold
}

// Done is closed when the process has ended, its output is in the log and its exit record on disk.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the process to end. If the keeper is lost first, its error wraps ErrKeeperLost; WaitOrphan then still
// sees the process end.
func (p *Process) Wait(ctx context.Context) (Exit, error) {
	select {
	case <-p.done:
		return p.exit, nil
	default:
	}
	select {
	case <-p.done:
		return p.exit, nil
	case <-p.keeper.lost:
		return Exit{}, fmt.Errorf("wait for process %s: %w", p.ID, ErrKeeperLost)
	case <-ctx.Done():
		return Exit{}, ctx.Err()
	}
}

// Signal sends a signal. Its error wraps ErrNotRunning if the process has ended.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pidfd == nil {
		return fmt.Errorf("signal process %s: %w", p.ID, ErrNotRunning)
	}
	err := unix.PidfdSendSignal(int(p.pidfd.Fd()), s, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		err = ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("signal process %s: %w", p.ID, err)
	}
	return nil
}

// Resize sets the size of the process's terminal, in characters.
func (p *Process) Resize(width, height uint16) error {
	console := p.Console()
	if console == nil {
		return fmt.Errorf("resize process %s: it has no terminal: %w", p.ID, ErrInvalid)
	}
	size := unix.Winsize{Row: height, Col: width}
	if err := unix.IoctlSetWinsize(int(console.Fd()), unix.TIOCSWINSZ, &size); err != nil {
		return fmt.Errorf("resize process %s: %w", p.ID, err)
	}
	return nil
}

// Drop says that the exit has been recorded: the keeper may forget the process and all it holds for it. The
// descriptors here are closed, too. A process that runs is not dropped while its keeper is there.
func (p *Process) Drop() {
	select {
	case <-p.done:
	case <-p.keeper.lost:
	default:
		return
	}
	k := p.keeper
	k.mu.Lock()
	delete(k.processes, p.ID)
	k.mu.Unlock()
	if id, err := keeper.ParseID(p.ID); err == nil {
		_ = k.send(keeper.Marshal(keeper.Drop{ID: id}), nil) // without a keeper there is nobody who remembers
	}
	p.release()
}

func (p *Process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	closeAll(append(p.hold, p.pidfd, p.console)...)
	p.pidfd, p.console, p.hold = nil, nil, nil
}

// WaitOrphan waits for the end of a process whose keeper has died. The kernel tells its status since Linux 6.15,
// once init has reaped it.
func (p *Process) WaitOrphan(ctx context.Context) (Exit, error) {
	pidfd := p.Pidfd()
	if pidfd == nil {
		return Exit{Unknown: true}, nil
	}
	if err := waitReadable(ctx, pidfd); err != nil {
		return Exit{}, fmt.Errorf("wait for process %s: %w", p.ID, err)
	}
	status, known := exitStatus(int(pidfd.Fd()))
	return Exit{Status: status, Unknown: !known, At: time.Now()}, nil
}

// waitReadable waits until poll(2) would call f readable, which for a pidfd means that the process has ended.
func waitReadable(ctx context.Context, f *os.File) error {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // makes Go's poller take it
		return errors.Join(err, unix.Close(fd))
	}
	polled := os.NewFile(uintptr(fd), f.Name())
	defer func() { _ = polled.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = polled.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := polled.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || err != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

func exitStatus(pidfd int) (syscall.WaitStatus, bool) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, false
	}
	return syscall.WaitStatus(info.Exit_code), true
}
