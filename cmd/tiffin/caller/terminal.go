package caller

import (
	"os"
	"os/signal"

	"github.com/moby/term"
	"golang.org/x/sys/unix"
)

// RawTerminal passes every key on to the process until restore is called; nothing
// happens when the input is no terminal.
func (c *Caller) RawTerminal() (restore func(), err error) {
	fd, ok := Terminal(c.In)
	if !ok {
		return func() {}, nil
	}
	state, err := term.SetRawTerminal(fd)
	if err != nil {
		return nil, err
	}
	c.setRestore(func() { _ = term.RestoreTerminal(fd, state) }) // it fails when the terminal went away
	return c.restoreTerminal, nil
}

func (c *Caller) setRestore(restore func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restore = restore
}

// restoreTerminal makes the terminal as it was, on every way out of the program.
func (c *Caller) restoreTerminal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.restore != nil {
		c.restore()
		c.restore = nil
	}
}

// TerminalSize is rows and columns of the terminal behind stream, zero without one.
func TerminalSize(stream any) [2]uint {
	fd, ok := Terminal(stream)
	if !ok {
		return [2]uint{}
	}
	size, err := term.GetWinsize(fd)
	if err != nil {
		return [2]uint{}
	}
	return [2]uint{uint(size.Height), uint(size.Width)}
}

// watchSize sends the size of the terminal each time it changes.
func watchSize(stream any) (sizes <-chan [2]uint, stop func()) {
	ch := make(chan [2]uint, 1)
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, unix.SIGWINCH)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-changes:
			case <-done:
				return
			}
			select {
			case ch <- TerminalSize(stream):
			case <-done:
				return
			}
		}
	}()
	return ch, func() { signal.Stop(changes); close(done) }
}
