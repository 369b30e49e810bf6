package caller

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Streams say how a process is connected with the caller.
type Streams struct {
	TTY, Stdin bool
	// KeepSignals leaves signals to the command; else they go to the process.
	KeepSignals bool
}

// Streamed connects the terminal, or the pipes, of the caller with a process, until it
// has ended or the user has left it by the detach keys.
func (c *Caller) Streamed(how Streams, attach func(call.Streams) (int, error)) (int, error) {
	s := call.Streams{Stdout: c.Out, Stderr: c.Err}
	if how.Stdin {
		s.Stdin = io.Reader(c.In)
	}
	if how.TTY {
		restore, err := c.RawTerminal()
		if err != nil {
			return 0, fmt.Errorf("prepare terminal: %w", err)
		}
		defer restore()
		sizes, stop := watchSize(c.Out)
		defer stop()
		s.Resize = sizes
	}
	if !how.KeepSignals {
		signals, release := c.passSignals()
		defer release()
		s.Signals = signals
	}
	code, err := attach(s)
	if errors.Is(err, engine.ErrDetached) {
		fmt.Fprintln(c.Err, "\r\ndetached\r")
		return 0, nil
	}
	return code, OfCommand(err)
}

// maxInterrupts is how often a process is asked by Ctrl-C before it is killed.
const maxInterrupts = 2

// passSignals hands the signals that we get on to a process.
func (c *Caller) passSignals() (signals <-chan string, release func()) {
	ch := make(chan string, 4)
	interrupts := 0
	pass := func(sig os.Signal) {
		name := signalName(sig)
		if sig == unix.SIGINT {
			if interrupts++; interrupts > maxInterrupts {
				name = "SIGKILL"
			}
		}
		select {
		case ch <- name:
		default: // it has enough to do
		}
	}
	// Those that the command always takes come by way of it.
	stop := c.TakeInterrupts(pass)
	others := make(chan os.Signal, 4)
	signal.Notify(others, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-others:
				pass(sig)
			case <-done:
				return
			}
		}
	}()
	return ch, func() { signal.Stop(others); close(done); stop() }
}

func signalName(sig os.Signal) string {
	if s, ok := sig.(unix.Signal); ok {
		return unix.SignalName(s)
	}
	return sig.String()
}
