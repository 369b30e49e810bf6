package progress

import (
	"fmt"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/mattn/go-runewidth"
	"github.com/morikuni/aec"

	"tiffin/engine"
)

// board is the progress that users of docker compose know, one line an object. It holds
// what was reported and makes rows of it; it draws nothing itself.
type board struct {
	title  string // the word behind [+]
	colour bool
	lines  []*boardLine
	byID   map[string]*boardLine
}

type boardLine struct {
	last  engine.Progress
	begin time.Time
	end   time.Time // zero while it works
	// parts are the layers of an image.
	parts map[string]engine.Progress
}

// view is what a board is looked at through.
type view struct {
	columns, rows int
	now           time.Time
	spin          int
}

// row is a line as it is printed, and the columns that it takes.
type row struct {
	text  string
	width int
}

// take notes what was reported of an object, or of a part of it.
func (b *board) take(e engine.Progress, now time.Time) {
	id := e.ID
	if e.ParentID != "" {
		id = e.ParentID
	}
	l, known := b.byID[id]
	if !known {
		l = &boardLine{begin: now, parts: map[string]engine.Progress{}, last: engine.Progress{ID: id, Status: engine.Working}}
		if b.byID == nil {
			b.byID = map[string]*boardLine{}
		}
		b.byID[id] = l
		b.lines = append(b.lines, l)
	}
	if e.ParentID != "" {
		l.parts[e.ID] = e
		return
	}
	l.last, l.end = e, time.Time{}
	if e.Status != engine.Working {
		l.end = now
	}
}

// rows are the header and as many lines as there is room for; one line stays free for
// the cursor.
func (b *board) rows(v view) []row {
	if len(b.lines) == 0 {
		return nil
	}
	done := 0
	for _, l := range b.lines {
		if !l.end.IsZero() {
			done++
		}
	}
	head := fmt.Sprintf("[+] %s %d/%d", b.title, done, len(b.lines))
	out := []row{{head, runewidth.StringWidth(head)}}
	for _, l := range mostWanted(b.lines, max(v.rows-2, 1)) {
		out = append(out, b.row(l, v))
	}
	return out
}

// mostWanted leaves out finished lines, oldest first, and then the last ones, until n are left.
func mostWanted(lines []*boardLine, n int) []*boardLine {
	drop := len(lines) - n
	var out []*boardLine
	for _, l := range lines {
		if drop > 0 && l.last.Status == engine.Done {
			drop--
			continue
		}
		out = append(out, l)
	}
	return out[:min(n, len(out))]
}

// row is ` ✔ Container demo-web-1  Started   0.3s`, cut to the width of the terminal. The
// last column stays free: some terminals go to the next line once it is written to.
func (b *board) row(l *boardLine, v view) row {
	mark, style := markOf(l.last.Status, v.spin)
	end := l.end
	if end.IsZero() {
		end = v.now
	}
	took := fmt.Sprintf("%.1fs", max(end.Sub(l.begin), 0).Seconds())
	room := max(v.columns-len(took)-5, 1)
	text := runewidth.FillRight(runewidth.Truncate(OneLine(l.last.ID+" "+l.last.Text+l.transfer()), room, "…"), room)
	return row{
		text:  " " + paint(b.colour, style, mark) + " " + paint(b.colour, style, text) + " " + paint(b.colour, aec.BlueF, took),
		width: 4 + room + len(took),
	}
}

// OneLine is text from outside that cannot leave its line.
func OneLine(s string) string {
	return Printable(strings.Join(strings.Fields(s), " "))
}

func markOf(s engine.ProgressStatus, spin int) (mark string, style aec.ANSI) {
	switch s {
	case engine.Done:
		return "✔", aec.GreenF
	case engine.Warning:
		return "!", aec.YellowF
	case engine.Failed:
		return "✘", aec.RedF
	default:
		frames := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
		return string(frames[spin%len(frames)]), nil
	}
}

// transfer sums up the layers of an image: ` [3/5] 12MB / 48MB`.
func (l *boardLine) transfer() string {
	if len(l.parts) == 0 || !l.end.IsZero() {
		return ""
	}
	var done int
	var current, total int64
	for _, p := range l.parts {
		if p.Status == engine.Done {
			done++
		}
		current += p.Current
		total += p.Total
	}
	text := fmt.Sprintf(" [%d/%d]", done, len(l.parts))
	if total > 0 {
		text += " " + units.HumanSize(float64(current)) + " / " + units.HumanSize(float64(total))
	}
	return text
}
