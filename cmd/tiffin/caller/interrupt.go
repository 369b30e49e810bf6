package caller

import (
	"context"
	"errors"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// ErrInterrupted is why a command ends on SIGINT or SIGTERM.
var ErrInterrupted = errors.New("interrupted")

// WatchInterrupts ends the command on the first signal, unless the command has taken
// the signals over; a second one ends the program.
func (c *Caller) WatchInterrupts(cancel context.CancelCauseFunc) (stop func()) {
	interrupts := make(chan os.Signal, 4)
	signal.Notify(interrupts, unix.SIGINT, unix.SIGTERM)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case sig := <-interrupts:
				c.interrupt(sig, cancel)
			}
		}
	}()
	return func() { close(done) }
}

func (c *Caller) interrupt(sig os.Signal, cancel context.CancelCauseFunc) {
	c.mu.Lock()
	handler := c.onInterrupt
	if handler == nil {
		if c.interrupted++; c.interrupted == 1 {
			// Under the lock: who takes the signals over afterwards sees that there was one.
			cancel(ErrInterrupted)
		}
	}
	n := c.interrupted
	c.mu.Unlock()
	switch {
	case handler != nil:
		handler(sig)
	case n > 1:
		c.restoreTerminal()
		os.Exit(ExitInterrupted)
	}
}

// TakeInterrupts hands signals to the command until the returned function is called. One
// that came before has ended the command's context.
func (c *Caller) TakeInterrupts(handler func(os.Signal)) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onInterrupt = handler
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.onInterrupt = nil
	}
}
