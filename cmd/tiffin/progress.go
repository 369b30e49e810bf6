package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"tiffin/engine"
)

// progressWriter shows what the engine reports.
type progressWriter interface {
	report(engine.Progress)
	// above calls write, which prints whole lines to the same terminal.
	above(write func())
	// finish shows the last state; nothing is reported after it.
	finish()
}

// newProgress chooses how progress is shown: a drawing on a terminal, else a line an
// event. title is the word behind [+].
func (c *cli) newProgress(title string) progressWriter {
	w := c.err
	if c.setting("COMPOSE_STATUS_STDOUT") == "1" {
		w = c.out
	}
	fd, isTerminal := terminal(w)
	p := progressWriter(&plainProgress{w: w, said: map[string]string{}})
	switch mode := c.opts.progress; {
	case mode == "quiet":
		p = quietProgress{}
	case mode == "json":
		p = &jsonProgress{w: w}
	case mode == "tty", (mode == "" || mode == "auto") && isTerminal && c.opts.ansi != "never" && c.getenv("TERM") != "dumb":
		p = newDrawing(w, sizeOf(fd), board{title: title, colour: c.colour()})
	}
	return &noting{p, c}
}

// noting remembers what went wrong: the error of a command is that of one step.
type noting struct {
	progressWriter
	c *cli
}

func (n *noting) report(e engine.Progress) {
	if e.Status == engine.Failed && e.Details != "" {
		n.c.note(e.Details)
	}
	n.progressWriter.report(e)
}

// colour says whether output may be coloured.
func (c *cli) colour() bool {
	if c.opts.ansi == "always" {
		return true
	}
	return c.opts.ansi != "never" && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
}

type quietProgress struct{}

func (quietProgress) report(engine.Progress) {}
func (quietProgress) above(write func())     { write() }
func (quietProgress) finish()                {}

// plainProgress writes a line for each event: ` Container demo-web-1 Started`.
type plainProgress struct {
	mu sync.Mutex
	w  io.Writer
	// said is the last of each object: what has not changed is not said again.
	said map[string]string
}

func (p *plainProgress) report(e engine.Progress) {
	// The bytes of a download make no lines.
	if e.ParentID != "" && e.Status == engine.Working && e.Total > 0 {
		return
	}
	p.above(func() {
		if e.ID == "" {
			fmt.Fprintln(p.w, warningText(e.Text))
			return
		}
		if p.said[e.ID] != e.Text {
			p.said[e.ID] = e.Text
			fmt.Fprintf(p.w, " %s\n", oneLine(e.ID+" "+e.Text))
		}
	})
}

func (p *plainProgress) above(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	write()
}

func (*plainProgress) finish() {}

// jsonProgress writes a JSON object for each event, with docker compose's keys.
type jsonProgress struct {
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

func (p *jsonProgress) report(e engine.Progress) {
	text, err := json.Marshal(jsonEvent{
		ID: e.ID, Parent: e.ParentID, Status: string(e.Status), Text: e.Text, Details: e.Details,
		Current: e.Current, Total: e.Total, Percent: e.Percent,
	})
	if err != nil {
		return
	}
	p.above(func() { fmt.Fprintln(p.w, string(text)) })
}

func (p *jsonProgress) above(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	write()
}

func (*jsonProgress) finish() {}
