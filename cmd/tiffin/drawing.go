package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/mattn/go-runewidth"
	"github.com/moby/term"
	"github.com/morikuni/aec"

	"tiffin/engine"
)

// drawing is the progress that users of docker compose know: one line an object,
// drawn again in place. It draws a frame at most every frameTime; what is beyond the
// height of the terminal is left to the last drawing, which shows everything.
type drawing struct {
	w    io.Writer
	fd   uintptr
	opts drawingOptions

	mu     sync.Mutex
	lines  []*drawnLine
	byID   map[string]*drawnLine
	drawn  int // lines on the screen that belong to us
	begin  time.Time
	frame  int
	closed chan struct{}
	done   sync.WaitGroup
}

type drawingOptions struct {
	title  string
	colour bool
}

type drawnLine struct {
	last     engine.Progress
	begin    time.Time
	end      time.Time // zero while it works
	children map[string]engine.Progress
}

const frameTime = 100 * time.Millisecond

func newDrawing(w io.Writer, fd uintptr, opts drawingOptions) *drawing {
	d := &drawing{w: w, fd: fd, opts: opts, byID: map[string]*drawnLine{}, begin: time.Now(), closed: make(chan struct{})}
	d.done.Go(func() {
		t := time.NewTicker(frameTime)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				d.mu.Lock()
				d.frame++
				d.draw(d.height())
				d.mu.Unlock()
			case <-d.closed:
				return
			}
		}
	})
	return d
}

func (d *drawing) report(e engine.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.ID == "" {
		d.erase()
		fmt.Fprintln(d.w, d.paint(aec.YellowF, "! ")+printable(e.Text))
		return
	}
	id := e.ID
	if e.ParentID != "" {
		id = e.ParentID
	}
	l, known := d.byID[id]
	if !known {
		l = &drawnLine{begin: time.Now(), children: map[string]engine.Progress{}, last: engine.Progress{ID: id, Status: engine.Working}}
		d.byID[id] = l
		d.lines = append(d.lines, l)
	}
	if e.ParentID != "" {
		l.children[e.ID] = e
		return
	}
	l.last, l.end = e, time.Time{}
	if e.Status != engine.Working {
		l.end = time.Now()
	}
}

func (d *drawing) finish() {
	close(d.closed)
	d.done.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.lines) > 0 {
		d.draw(len(d.lines) + 1)
	}
	d.drawn = 0
}

// height is how many lines fit on the terminal.
func (d *drawing) height() int {
	size, err := term.GetWinsize(d.fd)
	if err != nil || size.Height < 3 {
		return 23
	}
	return int(size.Height) - 1
}

func (d *drawing) width() int {
	size, err := term.GetWinsize(d.fd)
	if err != nil || size.Width < 20 {
		return 80
	}
	return int(size.Width)
}

// erase removes what was drawn.
func (d *drawing) erase() {
	if d.drawn > 0 {
		fmt.Fprint(d.w, aec.Up(uint(d.drawn)), aec.Column(0), aec.EraseDisplay(aec.EraseModes.Tail))
	}
	d.drawn = 0
}

// draw shows at most height lines: the header and the newest objects, those that
// work before those that are done.
func (d *drawing) draw(height int) {
	if len(d.lines) == 0 {
		return
	}
	width := d.width()
	done := 0
	for _, l := range d.lines {
		if !l.end.IsZero() {
			done++
		}
	}
	show := d.lines
	if len(show) > height-1 {
		show = pickLines(show, height-1)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[+] %s %d/%d\n", d.opts.title, done, len(d.lines))
	for _, l := range show {
		b.WriteString(d.line(l, width))
		b.WriteByte('\n')
	}
	d.erase()
	fmt.Fprint(d.w, b.String())
	d.drawn = 1 + len(show)
}

// pickLines leaves out finished lines, oldest first, until n are left.
func pickLines(lines []*drawnLine, n int) []*drawnLine {
	drop := len(lines) - n
	out := make([]*drawnLine, 0, n)
	for _, l := range lines {
		if drop > 0 && !l.end.IsZero() {
			drop--
			continue
		}
		out = append(out, l)
	}
	return out[:min(n, len(out))]
}

// line is ` ✔ Container demo-web-1  Started   0.3s`, cut to the width of the terminal.
func (d *drawing) line(l *drawnLine, width int) string {
	mark, style := d.mark(l)
	end := l.end
	if end.IsZero() {
		end = time.Now()
	}
	took := fmt.Sprintf("%.1fs", end.Sub(l.begin).Seconds())
	text := printable(l.last.ID) + " " + printable(l.last.Text) + l.transfer()
	if l.last.Details != "" {
		text += " " + printable(strings.ReplaceAll(l.last.Details, "\n", " "))
	}
	room := width - len(took) - 5
	text = runewidth.FillRight(runewidth.Truncate(text, room, "…"), room)
	return " " + d.paint(style, mark) + " " + d.paint(style, text) + " " + d.paint(aec.BlueF, took)
}

func (d *drawing) mark(l *drawnLine) (string, aec.ANSI) {
	switch l.last.Status {
	case engine.Done:
		return "✔", aec.GreenF
	case engine.Warning:
		return "!", aec.YellowF
	case engine.Failed:
		return "✘", aec.RedF
	default:
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		return string(frames[d.frame%len(frames)]), aec.EmptyBuilder.ANSI
	}
}

func (d *drawing) paint(style aec.ANSI, text string) string {
	if !d.opts.colour || style == aec.EmptyBuilder.ANSI {
		return text
	}
	return style.Apply(text)
}

// transfer sums up the layers of an image: ` [3/5] 12MB / 48MB`.
func (l *drawnLine) transfer() string {
	if len(l.children) == 0 || !l.end.IsZero() {
		return ""
	}
	var done int
	var current, total int64
	for _, c := range l.children {
		if c.Status == engine.Done {
			done++
		}
		current += c.Current
		total += c.Total
	}
	text := fmt.Sprintf(" [%d/%d]", done, len(l.children))
	if total > 0 {
		text += " " + units.HumanSize(float64(current)) + " / " + units.HumanSize(float64(total))
	}
	return text
}
