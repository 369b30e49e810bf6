package progress

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"tiffin/engine"
)

// fakeTerminal is a terminal with as many rows as it takes. It knows what a drawing uses.
type fakeTerminal struct {
	mu      sync.Mutex
	columns int
	lines   [][]rune
	row     int
	column  int
	writes  int
}

func (f *fakeTerminal) size() (columns, rows int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.columns, 24
}

func (f *fakeTerminal) written() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writes
}

func (f *fakeTerminal) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	text := []rune(string(p))
	for len(text) > 0 {
		if text[0] == '\x1b' {
			end := strings.IndexFunc(string(text[2:]), func(r rune) bool { return r >= 'A' })
			f.control(string(text[2:2+end]), text[2+end])
			text = text[3+end:]
			continue
		}
		f.put(text[0])
		text = text[1:]
	}
	return len(p), nil
}

func (f *fakeTerminal) control(argument string, command rune) {
	n := 0
	_, _ = fmt.Sscan(argument, &n)
	switch command {
	case 'A':
		f.row = max(f.row-n, 0)
	case 'K':
		f.line(f.row)
		f.lines[f.row] = f.lines[f.row][:min(f.column, len(f.lines[f.row]))]
	case 'J':
		f.line(f.row)
		f.lines[f.row] = f.lines[f.row][:min(f.column, len(f.lines[f.row]))]
		f.lines = f.lines[:f.row+1]
	case 'm':
	default:
		panic("what is " + string(command))
	}
}

func (f *fakeTerminal) line(n int) {
	for len(f.lines) <= n {
		f.lines = append(f.lines, nil)
	}
}

func (f *fakeTerminal) put(r rune) {
	switch r {
	case '\n':
		f.row, f.column = f.row+1, 0
		f.line(f.row)
		return
	case '\r':
		f.column = 0
		return
	}
	if f.column+runewidth.RuneWidth(r) > f.columns {
		f.row, f.column = f.row+1, 0
	}
	f.line(f.row)
	for len(f.lines[f.row]) <= f.column {
		f.lines[f.row] = append(f.lines[f.row], ' ')
	}
	f.lines[f.row][f.column] = r
	f.column++
}

// resize makes the terminal narrower, as those do that wrap what is on them.
func (f *fakeTerminal) resize(columns int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines [][]rune
	for i, l := range f.lines {
		if i == f.row {
			f.row = len(lines)
		}
		for len(l) > columns {
			lines = append(lines, l[:columns])
			l = l[columns:]
		}
		lines = append(lines, l)
	}
	f.columns, f.lines = columns, lines
}

// screen is what can be seen.
func (f *fakeTerminal) screen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for _, l := range f.lines {
		out = append(out, strings.TrimRight(string(l), " "))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

func wantScreen(t *testing.T, f *fakeTerminal, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, f.screen()); d != "" {
		t.Errorf("want -, got +\n%s", d)
	}
}

func TestDrawing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{columns: 40}
		fmt.Fprintln(term, "$ tiffin up")
		d := newDrawing(term, term.size, board{title: "up", colour: true})
		d.Report(engine.Progress{ID: "Container a-1", Status: engine.Working, Text: "Creating"})
		d.Report(engine.Progress{ID: "Container b-1", Status: engine.Working, Text: "Creating"})
		time.Sleep(frameTime + time.Millisecond)
		wantScreen(t, term, "$ tiffin up",
			"[+] up 0/2", " ⠙ Container a-1 Creating          0.1s", " ⠙ Container b-1 Creating          0.1s")

		// A warning goes above it and stays.
		d.Report(engine.Progress{Status: engine.Warning, Text: "Found orphan containers"})
		wantScreen(t, term, "$ tiffin up", "! Found orphan containers",
			"[+] up 0/2", " ⠙ Container a-1 Creating          0.1s", " ⠙ Container b-1 Creating          0.1s")
		// A frame is one write.
		before := term.written()
		time.Sleep(10 * frameTime)
		if got := term.written() - before; got > 10 {
			t.Errorf("%d writes in ten frames", got)
		}
		// A narrower terminal leaves nothing behind.
		term.resize(32)
		time.Sleep(frameTime)
		wantScreen(t, term, "$ tiffin up", "! Found orphan containers",
			"[+] up 0/2", " ⠹ Container a-1 Creating  1.2s", " ⠹ Container b-1 Creating  1.2s")
		// The end shows everything and is left alone.
		d.Report(engine.Progress{ID: "Container a-1", Status: engine.Done, Text: "Created"})
		d.Report(engine.Progress{ID: "Container b-1", Status: engine.Done, Text: "Created"})
		d.Finish()
		fmt.Fprintln(term, "$")
		wantScreen(t, term, "$ tiffin up", "! Found orphan containers",
			"[+] up 2/2", " ✔ Container a-1 Created   1.2s", " ✔ Container b-1 Created   1.2s", "$")
	})
}

func TestDrawingOfManyScrollsOnlyAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &fakeTerminal{columns: 80}
		d := newDrawing(term, term.size, board{title: "down"})
		for i := range 50 {
			d.Report(engine.Progress{ID: fmt.Sprintf("Container many-%02d", i), Status: engine.Working, Text: "Stopping"})
		}
		time.Sleep(5*frameTime + time.Millisecond)
		if got := len(term.screen()); got != 23 {
			t.Errorf("%d lines while it works, want 23", got)
		}
		for i := range 50 {
			d.Report(engine.Progress{ID: fmt.Sprintf("Container many-%02d", i), Status: engine.Done, Text: "Removed"})
		}
		d.Finish()
		if got := len(term.screen()); got != 51 {
			t.Errorf("%d lines at the end, want 51", got)
		}
	})
}
