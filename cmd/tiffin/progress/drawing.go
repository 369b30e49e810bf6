package progress

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moby/term"
	"github.com/morikuni/aec"

	"tiffin/engine"
)

// drawing shows a board on a terminal and draws it again in place: a frame is one
// write, in which each line overwrites the one before it, so that nothing flickers. What is
// beyond the height of the terminal is left to the last frame, which shows everything.
type drawing struct {
	w    io.Writer
	size func() (columns, rows int)

	mu     sync.Mutex
	board  board
	drawn  []row // what is on the screen
	spin   int
	closed chan struct{}
	done   sync.WaitGroup
}

const frameTime = 100 * time.Millisecond

func newDrawing(w io.Writer, size func() (columns, rows int), b board) *drawing {
	d := &drawing{w: w, size: size, board: b, closed: make(chan struct{})}
	d.done.Go(func() {
		t := time.NewTicker(frameTime)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				d.mu.Lock()
				d.spin++
				d.frame()
				d.mu.Unlock()
			case <-d.closed:
				return
			}
		}
	})
	return d
}

// SizeOf asks the terminal behind fd, each time it is called.
func SizeOf(fd uintptr) func() (columns, rows int) {
	return func() (columns, rows int) {
		size, err := term.GetWinsize(fd)
		if err != nil || size.Width < 20 || size.Height < 3 {
			return 80, 24
		}
		return int(size.Width), int(size.Height)
	}
}

// Report implements Writer.
func (d *drawing) Report(e engine.Progress) {
	if e.ID == "" {
		d.Above(func() { fmt.Fprintln(d.w, paint(d.board.colour, aec.YellowF, "! ")+Printable(e.Text)) })
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.board.take(e, time.Now())
}

// Above implements Writer: the drawing moves below what is written.
func (d *drawing) Above(write func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b bytes.Buffer
	columns, _ := d.size()
	d.home(&b, columns)
	b.WriteString(aec.EraseDisplay(aec.EraseModes.Tail).String())
	_, _ = d.w.Write(b.Bytes()) // the terminal went away
	d.drawn = nil
	write()
	d.frame()
}

// Finish implements Writer.
func (d *drawing) Finish() {
	close(d.closed)
	d.done.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	columns, _ := d.size()
	d.show(d.board.rows(view{columns: columns, rows: len(d.board.lines) + 2, now: time.Now()}), columns)
	d.drawn = nil
}

// frame draws the board as it is now. d.mu is held.
func (d *drawing) frame() {
	columns, rows := d.size()
	d.show(d.board.rows(view{columns: columns, rows: rows, now: time.Now(), spin: d.spin}), columns)
}

// show replaces what is on the screen.
func (d *drawing) show(rows []row, columns int) {
	if len(rows) == 0 {
		return
	}
	var b bytes.Buffer
	d.home(&b, columns)
	for _, r := range rows {
		b.WriteString(r.text)
		b.WriteString(aec.EraseLine(aec.EraseModes.Tail).String())
		b.WriteByte('\n')
	}
	b.WriteString(aec.EraseDisplay(aec.EraseModes.Tail).String())
	_, _ = d.w.Write(b.Bytes()) // the terminal went away
	d.drawn = rows
}

// home moves to the first line of what was drawn. Lines that are wider than the terminal
// has become since are now several.
func (d *drawing) home(b *bytes.Buffer, columns int) {
	up := 0
	for _, r := range d.drawn {
		up += max(1, (r.width+columns-1)/columns)
	}
	if up > 0 {
		b.WriteString(aec.Up(uint(up)).String() + "\r")
	}
}

func paint(colour bool, style aec.ANSI, text string) string { //nolint:revive // whether colours are wanted
	if !colour || style == nil {
		return text
	}
	return style.Apply(text)
}
