package menu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tty is the terminal that keys come from. Signals still come from it, output is still put right by it: only lines and
// the echo are off while it is taken.
type tty struct {
	fd    int
	taken bool
	saved unix.Termios
	wake  wake
}

// take has keys come one by one, if it is for us to say: who changes a terminal from the background is stopped.
func (t *tty) take() bool {
	if t.taken {
		return true
	}
	if !t.foreground() {
		return false
	}
	modes, err := unix.IoctlGetTermios(t.fd, unix.TCGETS)
	if err != nil {
		return false
	}
	t.saved = *modes
	// What was typed before anybody could know what it means is dropped.
	t.taken = t.singleKeys(unix.TCSETSF) == nil
	if t.taken {
		t.rouse()
	}
	return t.taken
}

func (t *tty) singleKeys(how uint) error {
	modes := t.saved
	modes.Lflag &^= unix.ICANON | unix.ECHO
	modes.Cc[unix.VMIN], modes.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(t.fd, how, &modes)
}

// release makes the terminal as it was. In the background it is the shell's, which has done so.
func (t *tty) release() {
	if t.taken && t.foreground() {
		_ = unix.IoctlSetTermios(t.fd, unix.TCSETS, &t.saved) // the terminal went away
	}
	t.taken = false
}

// foreground says whether the terminal is ours. One that is nobody's is.
func (t *tty) foreground() bool {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// rouse has the reader look again whether there is something to do.
func (t *tty) rouse() { t.wake.now() }

// wake is an eventfd: a read of a terminal cannot be ended otherwise without changing it for all who have it open.
type wake int

func newWake() (wake, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return 0, fmt.Errorf("make eventfd: %w", err)
	}
	return wake(fd), nil
}

func (w wake) now()   { _, _ = unix.Write(int(w), []byte{1, 0, 0, 0, 0, 0, 0, 0}) } // EAGAIN: it is awake
func (w wake) clear() { _, _ = unix.Read(int(w), make([]byte, 8)) }                 // EAGAIN: it was not set
func (w wake) close() { _ = unix.Close(int(w)) }                                    // nothing was written

// read hands on what keys mean until ctx ends or the terminal is gone.
func (m *Menu) read(ctx context.Context, act func(context.Context, Action)) {
	for ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(m.tty.wake), Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
		m.mu.Lock()
		if m.tty.taken {
			fds[1].Fd = int32(m.tty.fd)
		}
		m.mu.Unlock()
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
		m.tty.wake.clear()
		if fds[1].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0 {
			return
		}
		if fds[1].Revents&unix.POLLIN == 0 {
			continue
		}
		switch action := actionOf(m.typed()); action {
		case Nothing:
		case Space:
			m.space()
		default:
			act(ctx, action)
		}
	}
}

// typed is what there is to read, at once.
func (m *Menu) typed() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	waiting, err := unix.IoctlGetInt(m.tty.fd, unix.TIOCINQ)
	if err != nil || waiting == 0 || !m.tty.taken || !m.tty.foreground() {
		return nil
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(m.tty.fd, buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// heedSignals follows the size of the terminal, and has it as it was when a signal stops or ends the process. Those that
// up handles close the menu themselves.
func (m *Menu) heedSignals(ctx context.Context) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGTSTP, unix.SIGCONT, unix.SIGHUP, unix.SIGQUIT, unix.SIGABRT)
	m.work.Go(m.Guard(func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-ctx.Done():
				return
			case sig := <-signals:
				m.heed(sig.(unix.Signal)) //nolint:forcetypeassert // there are no others
			}
		}
	}))
}

func (m *Menu) heed(sig unix.Signal) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	switch sig {
	case unix.SIGWINCH:
		m.draw()
	case unix.SIGTSTP:
		m.suspend()
	case unix.SIGCONT:
		m.resume()
	default:
		m.leave()
		signal.Reset(sig)
		_ = unix.Kill(unix.Getpid(), sig) // to oneself it does not fail
	}
}

// suspend stops the process as it would have been without us, and goes on when it does. m.mu is held: nobody takes the
// terminal meanwhile.
func (m *Menu) suspend() {
	m.erase()
	m.tty.release()
	stopByDefault()
	m.draw()
}

// resume is for who was stopped by others: the shell has made the terminal as it was, and perhaps keeps it.
func (m *Menu) resume() {
	if m.tty.taken && (!m.tty.foreground() || m.tty.singleKeys(unix.TCSETS) != nil) {
		m.tty.taken, m.drawn = false, false
	}
	m.draw()
}

// stopByDefault does what SIGTSTP does by default. Once it was asked for, Go's runtime never gives that back
// (signal.Reset has it ignored), and SIGSTOP would stop, for ever, those that no shell looks after, too: the kernel
// knows better. The signal is this thread's, so that it has stopped before it goes on.
func stopByDefault() {
	type action [4]uintptr // sigaction(2) of the kernel; all zero is SIG_DFL
	var byDefault, before action
	set := func(to, from *action) unix.Errno {
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGTSTP),
			uintptr(unsafe.Pointer(to)), uintptr(unsafe.Pointer(from)), unsafe.Sizeof(uint64(0)), 0, 0) //nolint:gosec // G103: the system call deals in addresses
		return errno
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if set(&byDefault, &before) != 0 {
		return
	}
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.SIGTSTP) // to oneself it does not fail
	set(&before, nil)
}
