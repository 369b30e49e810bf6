package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// streams say how a process is connected with the caller.
type streams struct {
	tty, stdin bool
	// keepSignals leaves signals to the command; else they go to the process.
	keepSignals bool
}

// streamed connects the terminal, or the pipes, of the caller with a process, until it
// has ended or the user has left it by the detach keys.
func (c *cli) streamed(how streams, attach func(engine.Streams) (int, error)) (int, error) {
	s := engine.Streams{Stdout: c.out, Stderr: c.err}
	if how.stdin {
		s.Stdin = io.Reader(c.in)
	}
	if how.tty {
		restore, err := c.rawTerminal()
		if err != nil {
			return 0, fmt.Errorf("prepare terminal: %w", err)
		}
		defer restore()
		sizes, stop := watchSize(c.out)
		defer stop()
		s.Resize = sizes
	}
	if !how.keepSignals {
		signals, release := c.passSignals()
		defer release()
		s.Signals = signals
	}
	code, err := attach(s)
	if errors.Is(err, engine.ErrDetached) {
		fmt.Fprintln(c.err, "\r\ndetached\r")
		return 0, nil
	}
	return code, ofCommand(err)
}

// maxInterrupts is how often a process is asked by Ctrl-C before it is killed.
const maxInterrupts = 2

// passSignals hands the signals that we get on to a process.
func (c *cli) passSignals() (signals <-chan string, release func()) {
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
	stop := c.takeInterrupts(pass)
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
