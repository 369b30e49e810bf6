package keeper

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPauseAfter(t *testing.T) {
	var pauses []int64
	for tries := 1; tries <= 11; tries++ {
		pauses = append(pauses, pauseAfter(tries))
	}
	want := []int64{100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}
	if !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
}

func TestWhenAnEngineIsRevived(t *testing.T) {
	for _, c := range []struct {
		name        string
		came, tries int64
		left        bool
		next        int64 // after it is lost at 100,000
	}{
		{"the first time at once", 50_000, 0, false, 100_020},
		{"one that ends soon after it came, later", 99_000, 3, false, 100_400},
		{"one that stayed for long is a good one", 80_000, 3, false, 100_020},
		{"and so is one that left", 99_000, 3, true, 100_020},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := revival{delay: 20, came: c.came, tries: int(c.tries), left: c.left}
			r.lost(100_000)
			if r.next != c.next {
				t.Errorf("next %d, want %d", r.next, c.next)
			}
		})
	}
}

// An engine that has left is called by who connects to a socket that is kept as one to listen on, and by nobody else.
func TestWhoCallsAnEngine(t *testing.T) {
	for name, c := range map[string]struct {
		before func(e *engine, id ID, socket int)
		leaves bool // the engine, before it is gone
		called bool
	}{
		"a listener":                 {func(e *engine, id ID, socket int) { e.send(Marshal(KeepListener{ID: id}), socket, socket) }, true, true},
		"one of an engine that died": {func(e *engine, id ID, socket int) { e.send(Marshal(KeepListener{ID: id}), socket) }, false, false},
		"one that was forgotten": {func(e *engine, id ID, socket int) {
			e.send(Marshal(KeepListener{ID: id}), socket)
			e.send(Marshal(Forget{ID: id}))
		}, true, false},
		"one that is only kept": {func(e *engine, id ID, socket int) {
			e.send(Marshal(KeepListener{ID: id}), socket)
			e.send(Marshal(Keep{ID: id}), socket)
		}, true, false},
		"none":         {func(e *engine, id ID, _ int) { e.send(Marshal(KeepListener{ID: id})) }, true, false},
		"a wrong name": {func(e *engine, _ ID, socket int) { e.send(Marshal(KeepListener{}), socket) }, true, false},
		"too many once": {func(e *engine, id ID, socket int) {
			e.send(Marshal(KeepListener{ID: id}), slices.Repeat([]int{socket}, MaxFiles+1)...)
		}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			k, e := newInside(t)
			dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's path is too long for a socket
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir) //nolint:errcheck // of a test
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // of a test
			socket, err := l.File()
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close() //nolint:errcheck // the keeper has its own
			conn, err := net.Dial("unix", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // nothing was said
			c.before(e, mustID(t, "socket"), int(socket.Fd()))
			for range 4 { // one message a turn
				k.turn(0)
			}
			if k.revival.called {
				t.Error("it is called while it is there")
			}
			if c.leaves {
				e.send(Marshal(Leave{}))
			}
			if err := unix.Shutdown(e.socket, unix.SHUT_RDWR); err != nil {
				t.Fatal(err)
			}
			for range 4 { // its end, and the call
				k.turn(0)
			}
			if k.engine != 0 || k.revival.called != c.called {
				t.Errorf("engine %d, called: %v, want %v", k.engine, k.revival.called, c.called)
			}
			for i := range k.kept.high {
				k.kept.entries[i].closeFiles()
			}
		})
	}
}

func TestACallWaitsItsTurn(t *testing.T) {
	for name, c := range map[string]struct{ next, delay, want int64 }{
		"at once":                               {1000, 0, 5000},
		"other keepers go first":                {1000, 400, 5400},
		"engines that do not stay, more seldom": {9000, 400, 9000},
	} {
		r := revival{next: c.next, delay: c.delay}
		if r.call(5000); r.next != c.want || !r.called {
			t.Errorf("%s: next %d, want %d", name, r.next, c.want)
		}
	}
}
