package progress

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"tiffin/engine"
)

// Writer shows what the engine reports.
type Writer interface {
	Report(engine.Progress)
	// Above calls write, which prints whole lines to the same terminal.
	Above(write func())
	// Finish shows the last state; nothing is reported after it.
	Finish()
}

// NewPlain writes a line for each event: ` Container demo-web-1 Started`.
func NewPlain(w io.Writer) Writer { return &plain{w: w, said: map[string]string{}} }

// NewJSON writes a JSON object for each event, with docker compose's keys.
func NewJSON(w io.Writer) Writer { return &asJSON{w: w} }

// NewDrawing draws on a terminal of that size, title behind the [+].
func NewDrawing(w io.Writer, size func() (columns, rows int), title string, c Colour) Writer {
	return newDrawing(w, size, board{title: title, colour: c == Coloured})
}

// Colour says whether a drawing is coloured.
type Colour bool

// Coloured is one that is.
const Coloured Colour = true

// Quiet shows nothing.
type Quiet struct{}

// Report implements Writer.
func (Quiet) Report(engine.Progress) {}

// Above implements Writer.
func (Quiet) Above(write func()) { write() }

// Finish implements Writer.
func (Quiet) Finish() {}

// plain writes a line for each event: ` Container demo-web-1 Started`.
type plain struct {
	mu sync.Mutex
	w  io.Writer
	// said is the last of each object: what has not changed is not said again.
	said map[string]string
}

// Report implements Writer.
func (p *plain) Report(e engine.Progress) {
	// The bytes of a download make no lines.
	if e.ParentID != "" && e.Status == engine.Working && e.Total > 0 {
		return
	}
	p.Above(func() {
		if e.ID == "" {
			fmt.Fprintln(p.w, WarningText(e.Text))
			return
		}
		if p.said[e.ID] != e.Text {
			p.said[e.ID] = e.Text
			fmt.Fprintf(p.w, " %s\n", OneLine(e.ID+" "+e.Text))
		}
	})
}

// Above implements Writer.
func (p *plain) Above(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	write()
}

// Finish implements Writer.
func (*plain) Finish() {}

// asJSON writes a JSON object for each event, with docker compose's keys.
type asJSON struct {
	mu sync.Mutex
	w  io.Writer
}

type jsonEvent struct {
	DryRun  bool   `json:"dry-run,omitempty"`
	ID      string `json:"id,omitempty"`
	Parent  string `json:"parent_id,omitempty"`
	Status  string `json:"status,omitempty"`
	Text    string `json:"text,omitempty"`
	Details string `json:"details,omitempty"`
	Current int64  `json:"current,omitempty"`
	Total   int64  `json:"total,omitempty"`
	Percent int    `json:"percent,omitempty"`
}

// Report implements Writer.
func (p *asJSON) Report(e engine.Progress) {
	text, err := json.Marshal(jsonEvent{
		ID: e.ID, Parent: e.ParentID, Status: string(e.Status), Text: e.Text, Details: e.Details,
		Current: e.Current, Total: e.Total, Percent: e.Percent,
	})
	if err != nil {
		return
	}
	p.Above(func() { fmt.Fprintln(p.w, string(text)) })
}

// Above implements Writer.
func (p *asJSON) Above(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	write()
}

// Finish implements Writer.
func (*asJSON) Finish() {}

// Printable keeps control characters that came from images, registries or files
// away from the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}

// WarningText is how a warning is told.
func WarningText(text string) string { return "warning: " + Printable(text) }
