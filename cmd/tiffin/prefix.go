package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/morikuni/aec"

	"tiffin/engine"
)

// logPrinter writes the output of containers as docker compose does: each line behind
// the name of its container, `web-1  | `, the names padded to one width.
type logPrinter struct {
	out, err io.Writer
	opts     logOptions

	mu      sync.Mutex
	width   int
	sources map[string]*logSource
	next    int
}

type logOptions struct {
	project    string
	noPrefix   bool
	colour     bool
	timestamps bool
	// split sends standard error to standard error, as attached up does; logs sends
	// everything to standard output.
	split bool
}

type logSource struct {
	name  string
	style aec.ANSI
	// open are lines that have begun but not ended, by stream.
	open map[engine.Stream]bool
}

func newLogPrinter(out, err io.Writer, opts logOptions) *logPrinter {
	return &logPrinter{out: out, err: err, opts: opts, sources: map[string]*logSource{}}
}

// announce makes names known before their first line, so that the width is right.
func (p *logPrinter) announce(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range names {
		p.width = max(p.width, len(p.short(n)))
	}
}

// short is the name without the project: web-1 for demo-web-1.
func (p *logPrinter) short(name string) string {
	return strings.TrimPrefix(name, p.opts.project+"-")
}

// entry writes one piece of output, or the news that a container ended.
func (p *logPrinter) entry(e engine.LogEntry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.source(e.Source)
	if e.Exit != nil {
		return p.exited(s, e.Exit)
	}
	w := p.out
	if p.opts.split && e.Stream == engine.Stderr {
		w = p.err
	}
	if p.opts.noPrefix && !p.opts.timestamps {
		_, err := w.Write(e.Data)
		return err
	}
	return p.lines(w, s, e)
}

func (p *logPrinter) source(src *engine.LogSource) *logSource {
	s, known := p.sources[src.Name]
	if !known {
		s = &logSource{name: p.short(src.Name), style: rainbow(p.next), open: map[engine.Stream]bool{}}
		p.next++
		p.sources[src.Name] = s
		p.width = max(p.width, len(s.name))
	}
	return s
}

// rainbow gives each container its colour, in docker compose's order.
func rainbow(n int) aec.ANSI {
	colours := []aec.ANSI{
		aec.CyanF, aec.YellowF, aec.GreenF, aec.MagentaF, aec.BlueF,
		aec.LightCyanF, aec.LightYellowF, aec.LightGreenF, aec.LightMagentaF, aec.LightBlueF,
	}
	return colours[n%len(colours)]
}

func (p *logPrinter) lines(w io.Writer, s *logSource, e engine.LogEntry) error {
	var b bytes.Buffer
	prefix := p.prefix(s, e.Time)
	for data := e.Data; len(data) > 0; {
		if !s.open[e.Stream] {
			b.WriteString(prefix)
		}
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			b.Write(data)
			s.open[e.Stream] = true
			break
		}
		b.Write(data[:i+1])
		s.open[e.Stream] = false
		data = data[i+1:]
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (p *logPrinter) prefix(s *logSource, at time.Time) string {
	text := ""
	if !p.opts.noPrefix {
		text = p.paint(s, fmt.Sprintf("%-*s | ", p.width+1, s.name))
	}
	if p.opts.timestamps {
		text += at.UTC().Format("2006-01-02T15:04:05.000000000Z") + " "
	}
	return text
}

func (p *logPrinter) paint(s *logSource, text string) string {
	if !p.opts.colour {
		return text
	}
	return s.style.Apply(text)
}

// exited ends lines that are open and says how the container ended.
func (p *logPrinter) exited(s *logSource, exit *engine.LogExit) error {
	for stream, open := range s.open {
		if open {
			fmt.Fprintln(p.out)
			s.open[stream] = false
		}
	}
	if !p.opts.split {
		return nil
	}
	how := fmt.Sprintf("exited with code %d", exit.Code)
	if exit.Restarting {
		how += " (restarting)"
	}
	_, err := fmt.Fprintln(p.out, p.paint(s, s.name+" "+how))
	return err
}
