package menu

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/moby/term"
	"github.com/morikuni/aec"

	"tiffin/cmd/tiffin/caller"
)

// Menu is the line, and who reads the keys. Without one (nil) everything is as it is without.
type Menu struct {
	out    *os.File
	colour bool
	// plain is without control sequences: the line is printed when it says something new.
	plain bool

	mu        sync.Mutex
	state     State
	hidden    int                // how many want it out of the way
	drawn     bool               // it is on the screen, and the cursor at its beginning
	said      string             // what it said last, if it is plain
	open      bool               // the output is amid a line
	terminals map[io.Writer]bool // which writers lead to the screen
	closed    bool
	tty       tty

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// Open takes the terminal, and hands what the keys mean to act, one after the other; its context ends when the menu does.
// There is none (nil) unless both input and output are terminals.
func Open(c *caller.Caller, state State, act func(context.Context, Action)) (*Menu, error) {
	in, keys := caller.Terminal(c.In)
	out, isFile := c.Out.(*os.File)
	if !keys || !isFile || !term.IsTerminal(out.Fd()) {
		return nil, nil //nolint:nilnil // a menu that does nothing
	}
	m := &Menu{
		out: out, colour: c.Colour(), plain: c.Opts.ANSI == "never" || c.Getenv("TERM") == "dumb",
		state: state, terminals: map[io.Writer]bool{},
	}
	m.tty.fd = int(in)
	wake, err := newWake()
	if err != nil {
		return nil, err
	}
	m.tty.wake = wake
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heedSignals(ctx) // before there is a terminal to give back
	m.draw()
	m.work.Go(m.Guard(func() { m.read(ctx, act) }))
	return m, nil
}

// Close erases the line and gives the terminal back, the first time. It says whether it did.
func (m *Menu) Close() bool {
	if m == nil {
		return false
	}
	m.mu.Lock()
	first := !m.closed
	m.leave()
	m.mu.Unlock()
	if !first {
		return false
	}
	m.cancel()
	m.tty.rouse()
	m.work.Wait()
	m.tty.wake.close()
	return true
}

// leave erases the line and restores the terminal for good. m.mu is held.
func (m *Menu) leave() {
	m.closed = true
	m.erase()
	m.tty.release()
}

// Guard is f that gives the terminal back when it panics: no deferred call of another goroutine will.
func (m *Menu) Guard(f func()) func() {
	if m == nil {
		return f
	}
	return func() {
		well := false
		defer func() {
			if !well {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.leave()
			}
		}()
		f()
		well = true
	}
}

// Write writes p to w, above the line if w is the terminal. The line waits until a line of the output has ended.
func (m *Menu) Write(w io.Writer, p []byte) (int, error) {
	if m == nil {
		return w.Write(p)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.onScreen(w) || len(p) == 0 {
		return w.Write(p)
	}
	m.open = p[len(p)-1] != '\n'
	if m.closed || m.hidden > 0 || m.plain || !m.tty.take() {
		return w.Write(p)
	}
	var b bytes.Buffer
	m.eraseInto(&b)
	before := b.Len()
	b.Write(p)
	m.drawInto(&b)
	n, err := w.Write(b.Bytes())
	return min(max(n-before, 0), len(p)), err
}

// onScreen says whether w leads to a terminal: there is one screen. m.mu is held.
func (m *Menu) onScreen(w io.Writer) bool {
	is, known := m.terminals[w]
	if !known {
		f, ok := w.(*os.File)
		is = ok && term.IsTerminal(f.Fd())
		m.terminals[w] = is
	}
	return is
}

// Show has the line say what is so now.
func (m *Menu) Show(s State) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != s {
		m.state = s
		m.draw()
	}
}

// Hide keeps the line away from what others draw until show is called.
func (m *Menu) Hide() (show func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
	m.hidden++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.hidden--
		m.draw()
	}
}

// draw draws the line anew, if it may be seen. m.mu is held.
func (m *Menu) draw() {
	if m.closed || m.hidden > 0 || !m.tty.take() {
		return
	}
	if m.plain {
		if line := m.state.line(m.columns(), m.colour); line != m.said {
			m.said = line
			fmt.Fprintln(m.out, line)
		}
		return
	}
	var b bytes.Buffer
	m.eraseInto(&b)
	m.drawInto(&b)
	_, _ = m.out.Write(b.Bytes()) // the terminal went away
}

func (m *Menu) erase() {
	var b bytes.Buffer
	m.eraseInto(&b)
	_, _ = m.out.Write(b.Bytes()) // the terminal went away
}

// eraseInto erases what is drawn: a line that has become several on a narrower terminal, too.
func (m *Menu) eraseInto(b *bytes.Buffer) {
	if m.drawn {
		b.WriteString("\r" + aec.EraseDisplay(aec.EraseModes.Tail).String())
	}
	m.drawn = false
}

func (m *Menu) drawInto(b *bytes.Buffer) {
	if m.open {
		return
	}
	b.WriteString(m.state.line(m.columns(), m.colour) + "\r")
	m.drawn = true
}

func (m *Menu) columns() int {
	size, err := term.GetWinsize(m.out.Fd())
	if err != nil || size.Width == 0 {
		return 80 // nobody said
	}
	return int(size.Width)
}

// space puts an empty line below the output.
func (m *Menu) space() { _, _ = m.Write(m.out, []byte("\n")) } // the terminal went away
