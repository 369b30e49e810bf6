package timings

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"tiffin/engine"
)

// Table is the value of --timings that asks for no file.
const Table = "table"

// Collector takes the times of one command. A nil one takes none.
type Collector struct {
	mu    sync.Mutex
	spans []Span
	calls int
	file  *os.File // nil: the table alone
}

// New makes what a value of --timings asks for: nil for none. A file is made at once, so that nothing is done in vain.
func New(value string) (*Collector, error) {
	switch {
	case value == "":
		return nil, nil //nolint:nilnil // a nil collector takes nothing
	case value == Table:
		return &Collector{}, nil
	case !strings.HasSuffix(value, ".json"):
		return nil, engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("--timings=%s: the file of a trace ends with .json", value)),
			"give `--timings`, or `--timings=FILE.json`")
	}
	f, err := os.Create(value) //nolint:forbidigo // the user's file, which is written at the end
	if err != nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("--timings: %w", err))
	}
	return &Collector{file: f}, nil
}

// Begin begins something that the command does by itself, before it asks the engine; all that follows waits for it.
func (c *Collector) Begin(what string) (end func()) {
	if c == nil {
		return func() {}
	}
	began := time.Now()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.spans = append(c.spans, Span{Group: c.next(), Seq: 1, Subject: "tiffin", What: what, Ready: began, Began: began, Ended: time.Now()})
	}
}

// next is the number of a call; those of its plans follow. c.mu is held.
func (c *Collector) next() int {
	c.calls++
	return c.calls * maxPlans
}

// maxPlans is more than a call has.
const maxPlans = 100

// Take keeps what is about times in a call's reports from the others, which are handed on.
func (c *Collector) Take(report engine.Report) engine.Report {
	if c == nil {
		return report
	}
	c.mu.Lock()
	group := c.next()
	c.mu.Unlock()
	return func(p engine.Progress) {
		if p.Timing == nil {
			report(p)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		t := p.Timing
		c.spans = append(c.spans, Span{
			Group: group + t.Plan, Seq: t.Seq, Subject: t.Subject, What: t.What, After: t.After,
			Ready: t.Ready, Began: t.Began, Ended: t.Ended, Failed: t.Failed,
		})
	}
}

// Show writes the table, and the file if there is to be one.
func (c *Collector) Show(w io.Writer) error {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r := Arrange(c.spans)
	if err := r.Table(w); err != nil || c.file == nil {
		return err
	}
	err := r.Trace(c.file)
	if closed := c.file.Close(); err == nil {
		err = closed
	}
	c.file = nil
	return err
}
