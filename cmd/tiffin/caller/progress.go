package caller

import (
	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
)

// NewProgress chooses how progress is shown: a drawing on a terminal, else a line an
// event. title is the word behind [+].
func (c *Caller) NewProgress(title string) progress.Writer {
	w := c.Err
	if c.Setting("COMPOSE_STATUS_STDOUT") == "1" {
		w = c.Out
	}
	fd, isTerminal := Terminal(w)
	p := progress.NewPlain(w)
	switch mode := c.Opts.Progress; {
	case mode == "quiet":
		p = progress.Quiet{}
	case mode == "json":
		p = progress.NewJSON(w)
	case mode == "tty", (mode == "" || mode == "auto") && isTerminal && c.Opts.ANSI != "never" && c.Getenv("TERM") != "dumb":
		p = progress.NewDrawing(w, progress.SizeOf(fd), title, progress.Colour(c.Colour()))
	}
	return &noting{p, c}
}

// noting remembers what went wrong: the error of a command is that of one step.
type noting struct {
	progress.Writer
	c *Caller
}

// Report implements progress.Writer.
func (n *noting) Report(e engine.Progress) {
	if e.Status == engine.Failed && e.Details != "" {
		n.c.note(e.Details)
	}
	n.Writer.Report(e)
}

// Colour says whether output may be coloured.
func (c *Caller) Colour() bool {
	if c.Opts.ANSI == "always" {
		return true
	}
	return c.Opts.ANSI != "never" && c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb"
}
