package main

import (
	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
)

// newProgress chooses how progress is shown: a drawing on a terminal, else a line an
// event. title is the word behind [+].
func (c *cli) newProgress(title string) progress.Writer {
	w := c.err
	if c.setting("COMPOSE_STATUS_STDOUT") == "1" {
		w = c.out
	}
	fd, isTerminal := terminal(w)
	p := progress.NewPlain(w)
	switch mode := c.opts.progress; {
	case mode == "quiet":
		p = progress.Quiet{}
	case mode == "json":
		p = progress.NewJSON(w)
	case mode == "tty", (mode == "" || mode == "auto") && isTerminal && c.opts.ansi != "never" && c.getenv("TERM") != "dumb":
		p = progress.NewDrawing(w, progress.SizeOf(fd), title, progress.Colour(c.colour()))
	}
	return &noting{p, c}
}

// noting remembers what went wrong: the error of a command is that of one step.
type noting struct {
	progress.Writer
	c *cli
}

// Report implements progress.Writer.
func (n *noting) Report(e engine.Progress) {
	if e.Status == engine.Failed && e.Details != "" {
		n.c.note(e.Details)
	}
	n.Writer.Report(e)
}

// colour says whether output may be coloured.
func (c *cli) colour() bool {
	if c.opts.ansi == "always" {
		return true
	}
	return c.opts.ansi != "never" && c.getenv("NO_COLOR") == "" && c.getenv("TERM") != "dumb"
}
