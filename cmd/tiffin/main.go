package main

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// version is set by the Makefile.
var version = "dev"

func main() {
	os.Exit(run(os.Args))
}

// errInterrupted is why a command ends on SIGINT or SIGTERM.
var errInterrupted = errors.New("interrupted")

func run(args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	c := newCLI(os.Stdin, os.Stdout, os.Stderr, os.Environ())
	c.asCompose = isCompose(args[0])
	c.interrupts = make(chan os.Signal, 4)
	signal.Notify(c.interrupts, unix.SIGINT, unix.SIGTERM)
	stop := c.watchInterrupts(cancel)
	defer stop()
	root := newRoot(c)
	root.SetArgs(withoutDocker(args[1:]))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if cause := context.Cause(ctx); cause != nil && (errors.Is(err, context.Canceled) || errors.Is(err, cause)) {
		err = cause
	}
	return c.fail(err)
}

// watchInterrupts ends the command on the first signal, unless the command has taken
// the signals over; a second one ends the program.
func (c *cli) watchInterrupts(cancel context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-c.interrupts:
				c.interrupt(sig, cancel)
			}
		}
	}()
	return func() { close(done) }
}

func (c *cli) interrupt(sig os.Signal, cancel context.CancelCauseFunc) {
	c.mu.Lock()
	handler := c.onInterrupt
	if handler == nil {
		c.interrupted++
	}
	n := c.interrupted
	c.mu.Unlock()
	switch {
	case handler != nil:
		handler(sig)
	case n == 1:
		cancel(errInterrupted)
	default:
		c.restoreTerminal()
		os.Exit(exitInterrupted)
	}
}
