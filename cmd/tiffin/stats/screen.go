package stats

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"github.com/morikuni/aec"

	"tiffin/cmd/tiffin/format"
)

// column is one of the table that is shown when nothing else was asked for.
type column struct {
	heading string
	cell    func(*row) string
	// spare says how soon it goes when the terminal is too narrow; 0: it stays.
	spare int
}

func columns() []column {
	return []column{
		{"CONTAINER ID", func(r *row) string { return r.ID }, 1},
		{"NAME", func(r *row) string { return r.Name }, 0},
		{"CPU %", func(r *row) string { return r.CPUPerc }, 0},
		{"MEM USAGE / LIMIT", func(r *row) string { return r.MemUsage }, 0},
		{"MEM %", func(r *row) string { return r.MemPerc }, 3},
		{"NET I/O", func(r *row) string { return r.NetIO }, 4},
		{"BLOCK I/O", func(r *row) string { return r.BlockIO }, 2},
		{"PIDS", func(r *row) string { return r.PIDs }, 5},
	}
}

// write writes rows as --format has it. room is the width of the terminal, 0: there is none.
func write(w io.Writer, layout string, rows []row, room int) error {
	switch layout {
	case "", "table":
		return writeTable(w, rows, room)
	case "json":
		return format.JSONLines(w, rows)
	default:
		return format.Headed(w, layout, rows, headings)
	}
}

// writeTable leaves out as many columns as have to be for it to fit.
func writeTable(w io.Writer, rows []row, room int) error {
	shown := columns()
	for {
		var b bytes.Buffer
		if err := format.Table(&b, headingsOf(shown), cellsOf(shown, rows)); err != nil {
			return err
		}
		i := leastWanted(shown)
		if room == 0 || i < 0 || widest(b.String()) < room {
			_, err := w.Write(b.Bytes())
			return err
		}
		shown = slices.Delete(shown, i, i+1)
	}
}

func headingsOf(shown []column) []string {
	var out []string
	for _, c := range shown {
		out = append(out, c.heading)
	}
	return out
}

func cellsOf(shown []column, rows []row) [][]string {
	var out [][]string
	for i := range rows {
		var cells []string
		for _, c := range shown {
			cells = append(cells, c.cell(&rows[i]))
		}
		out = append(out, cells)
	}
	return out
}

// leastWanted is the column to leave out next, -1 when all others have to stay.
func leastWanted(shown []column) int {
	at := -1
	for i, c := range shown {
		if c.spare > 0 && (at < 0 || c.spare < shown[at].spare) {
			at = i
		}
	}
	return at
}

func widest(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		n = max(n, runewidth.StringWidth(strings.TrimRight(line, " \n")))
	}
	return n
}

// frame is text as it is written over the one before it on a terminal, in one piece so that nothing flickers. No line is
// as wide as the terminal, so that none wraps, and there are not more than fit.
func frame(text string, width, height int) []byte {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if room := max(height-1, 1); len(lines) > room { // the cursor has the last row
		left := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… and %d more", left))
	}
	var b bytes.Buffer
	b.WriteString(aec.Position(1, 1).String())
	for _, line := range lines {
		b.WriteString(runewidth.Truncate(strings.TrimRight(line, " "), max(width-1, 1), "…"))
		b.WriteString(aec.EraseLine(aec.EraseModes.Tail).String())
		b.WriteByte('\n')
	}
	b.WriteString(aec.EraseDisplay(aec.EraseModes.Tail).String())
	return b.Bytes()
}
