package menu

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/cmd/tiffin/caller"
)

// screen is a terminal with somebody before it; see pty(7).
type screen struct {
	user, terminal *os.File
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here:", err)
	}
	t.Cleanup(func() { _ = user.Close() })
	must(t, unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	must(t, err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _ = terminal.Close() })
	s := &screen{user, terminal}
	s.resize(t, 80)
	return s
}

func (s *screen) resize(t *testing.T, columns uint16) {
	t.Helper()
	must(t, unix.IoctlSetWinsize(int(s.user.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
}

func (s *screen) open(t *testing.T, state State, ansi string, act func(context.Context, Action)) *Menu {
	t.Helper()
	c := caller.New(s.terminal, s.terminal, s.terminal, []string{"NO_COLOR=1", "TERM=xterm"})
	c.Opts.ANSI = ansi
	m, err := Open(c, state, act)
	must(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// shows wants what was written since the last time.
func (s *screen) shows(t *testing.T, want string) {
	t.Helper()
	want = strings.ReplaceAll(want, "\n", "\r\n")
	buf := make([]byte, 4096)
	n := 0
	for n < len(want) {
		more, err := s.user.Read(buf[n:])
		must(t, err)
		n += more
	}
	if waiting, err := unix.IoctlGetInt(int(s.user.Fd()), unix.TIOCINQ); err != nil || waiting > 0 {
		t.Errorf("%d more bytes, %v", waiting, err)
	}
	if d := cmp.Diff(want, string(buf[:n])); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func (s *screen) modes(t *testing.T) unix.Termios {
	t.Helper()
	modes, err := unix.IoctlGetTermios(int(s.terminal.Fd()), unix.TCGETS)
	must(t, err)
	return *modes
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLineStaysBelowTheOutput(t *testing.T) {
	s := newScreen(t)
	m := s.open(t, State{Watchable: true}, "", nil)
	s.shows(t, "w Enable Watch   d Detach\r")
	write := func(text string) {
		if n, err := m.Write(s.terminal, []byte(text)); n != len(text) || err != nil {
			t.Errorf("wrote %d of %d bytes, %v", n, len(text), err)
		}
	}
	write("one\n")
	s.shows(t, "\r\x1b[0Jone\nw Enable Watch   d Detach\r")
	write("be")
	s.shows(t, "\r\x1b[0Jbe")
	write("gin\n")
	s.shows(t, "gin\nw Enable Watch   d Detach\r")
	m.Show(State{Watchable: true})
	m.Show(State{Watchable: true, Watching: true})
	s.shows(t, "\r\x1b[0Jw Disable Watch   d Detach\r")

	s.resize(t, 24)
	m.heed(unix.SIGWINCH)
	s.shows(t, "\r\x1b[0Jw Unwatch   d Detach\r")

	show := m.Hide()
	write("a build\n")
	show()
	s.shows(t, "\r\x1b[0Ja build\nw Unwatch   d Detach\r")

	if !m.Close() || m.Close() {
		t.Error("it is closed once")
	}
	write("the end\n")
	s.shows(t, "\r\x1b[0Jthe end\n")
}

func TestWithoutControlSequencesTheLineIsPrintedWhenItChanges(t *testing.T) {
	s := newScreen(t)
	m := s.open(t, State{Watchable: true}, "never", nil)
	_, _ = m.Write(s.terminal, []byte("one\n"))
	m.Show(State{Watchable: true, Watching: true})
	m.heed(unix.SIGWINCH)
	m.Close()
	s.shows(t, "w Enable Watch   d Detach\none\nw Disable Watch   d Detach\n")
}

func TestKeysComeOneByOneAndOnlyToUs(t *testing.T) {
	s := newScreen(t)
	_, err := s.user.WriteString("d") // before anybody could know what it means
	must(t, err)
	s.shows(t, "d")
	actions := make(chan Action)
	before := s.modes(t)
	m := s.open(t, State{}, "", func(ctx context.Context, a Action) {
		select {
		case actions <- a:
		case <-ctx.Done():
		}
	})
	s.shows(t, "d Detach\r")
	for _, keys := range []string{"w", "\n", "d"} {
		_, err := s.user.WriteString(keys)
		must(t, err)
		switch keys {
		case "w":
			if a := <-actions; a != Watch {
				t.Errorf("%q is %d", keys, a)
			}
		case "d":
			if a := <-actions; a != Detach {
				t.Errorf("%q is %d", keys, a)
			}
		case "\n":
			s.shows(t, "\r\x1b[0J\nd Detach\r")
		}
	}
	// Nobody takes this one: the menu ends all the same.
	_, err = s.user.WriteString("w")
	must(t, err)
	m.Close()
	if d := cmp.Diff(before, s.modes(t)); d != "" {
		t.Errorf("the terminal is not as it was: want -, got +\n%s", d)
	}
}

func TestAPanicGivesTheTerminalBack(t *testing.T) {
	s := newScreen(t)
	before := s.modes(t)
	m := s.open(t, State{}, "", nil)
	if cmp.Equal(before, s.modes(t)) {
		t.Error("the terminal was not taken")
	}
	func() {
		defer func() { _ = recover() }()
		m.Guard(func() { panic("oh") })()
	}()
	if d := cmp.Diff(before, s.modes(t)); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
	s.shows(t, "d Detach\r\r\x1b[0J")
}

func TestWithoutATerminalThereIsNoMenu(t *testing.T) {
	s := newScreen(t)
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close() //nolint:errcheck // nothing was written
	defer w.Close() //nolint:errcheck // nothing was written
	for name, c := range map[string]*caller.Caller{
		"to read from": caller.New(r, s.terminal, s.terminal, nil),
		"to write to":  caller.New(s.terminal, w, s.terminal, nil),
	} {
		if m, err := Open(c, State{}, nil); m != nil || err != nil {
			t.Errorf("without a terminal %s: %v, %v", name, m, err)
		}
	}
	var m *Menu
	m.Show(State{})
	m.Hide()()
	if m.Close() {
		t.Error("there was nothing to close")
	}
}
