package lines

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/morikuni/aec"

	"tiffin/engine/call"
)

// Printer writes the output of containers as docker compose does: each line behind
// the name of its container, `web-1  | `, the names padded to one width. A line is printed
// when it has ended, so that those of several containers never mix.
type Printer struct {
	out, err io.Writer
	opts     Options

	mu      sync.Mutex
	width   int
	sources []*source
	buf     bytes.Buffer
}

// Options say how lines look.
type Options struct {
	// Project is left out of the names: web-1 for demo-web-1.
	Project    string
	NoPrefix   bool
	Colour     bool
	Timestamps bool
	// Split sends standard error to standard error and says how containers ended, as attached
	// up does; logs sends everything to standard output.
	Split bool
}

type source struct {
	container string
	name      string // without the project
	style     aec.ANSI
	open      map[call.Stream]*openLine
}

// openLine is a line that has begun but not ended.
type openLine struct {
	text []byte
	at   time.Time
	// shown says that its beginning was printed already, being too long to be kept.
	shown bool
}

// maxOpenLine is how much of a line is kept until it ends.
const maxOpenLine = 1 << 20

// New makes a printer. err is used with Options.Split alone.
func New(out, err io.Writer, opts Options) *Printer {
	return &Printer{out: out, err: err, opts: opts}
}

// Announce makes names known before their first line, so that the width is right.
func (p *Printer) Announce(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range names {
		p.of(n)
	}
}

// Short is the name without the project: web-1 for demo-web-1.
func (p *Printer) Short(name string) string {
	return strings.TrimPrefix(name, p.opts.Project+"-")
}

// Indent is as wide as the names, for lines that no container writes.
func (p *Printer) Indent() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opts.NoPrefix {
		return " "
	}
	return strings.Repeat(" ", p.width+1)
}

// Entry writes one piece of output, or the news that a container ended.
func (p *Printer) Entry(e call.LogEntry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.of(e.Source.Name)
	if e.Exit != nil {
		return p.exited(s, e.Exit)
	}
	p.buf.Reset()
	p.lines(s, e)
	if p.buf.Len() == 0 {
		return nil
	}
	_, err := p.stream(e.Stream).Write(p.buf.Bytes())
	return err
}

// Close prints the lines that never ended.
func (p *Printer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.sources {
		if err := p.end(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *Printer) stream(s call.Stream) io.Writer {
	if p.opts.Split && s == call.Stderr {
		return p.err
	}
	return p.out
}

func (p *Printer) of(container string) *source {
	i := slices.IndexFunc(p.sources, func(s *source) bool { return s.container == container })
	if i >= 0 {
		return p.sources[i]
	}
	s := &source{container: container, name: p.Short(container), style: rainbow(len(p.sources)), open: map[call.Stream]*openLine{}}
	p.sources = append(p.sources, s)
	p.width = max(p.width, len(s.name))
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

// lines puts the lines that e ends into the buffer, and keeps the one that it begins.
func (p *Printer) lines(s *source, e call.LogEntry) {
	open := s.open[e.Stream]
	if open == nil {
		open = &openLine{}
		s.open[e.Stream] = open
	}
	prefix := p.prefix(s)
	for data := e.Data; len(data) > 0; {
		if len(open.text) == 0 && !open.shown {
			open.at = e.Time
		}
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			open.text = append(open.text, data...)
			break
		}
		p.begin(prefix, open)
		p.buf.Write(data[:i+1])
		open.shown = false
		data = data[i+1:]
	}
	if len(open.text) > maxOpenLine {
		p.begin(prefix, open)
		open.shown = true
	}
}

// begin puts the prefix and what there is of a line into the buffer.
func (p *Printer) begin(prefix string, l *openLine) {
	if !l.shown {
		p.buf.WriteString(prefix)
		if p.opts.Timestamps {
			p.buf.WriteString(l.at.UTC().Format("2006-01-02T15:04:05.000000000Z") + " ")
		}
	}
	p.buf.Write(l.text)
	l.text = l.text[:0]
}

func (p *Printer) prefix(s *source) string {
	if p.opts.NoPrefix {
		return ""
	}
	return p.paint(s, fmt.Sprintf("%-*s | ", p.width+1, s.name))
}

func (p *Printer) paint(s *source, text string) string {
	if !p.opts.Colour {
		return text
	}
	return s.style.Apply(text)
}

// end ends the lines of a container that are open.
func (p *Printer) end(s *source) error {
	for _, stream := range []call.Stream{call.Stdout, call.Stderr} {
		open := s.open[stream]
		if open == nil || len(open.text) == 0 && !open.shown {
			continue
		}
		p.buf.Reset()
		p.begin(p.prefix(s), open)
		p.buf.WriteByte('\n')
		open.shown = false
		if _, err := p.stream(stream).Write(p.buf.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// exited says how the container ended.
func (p *Printer) exited(s *source, exit *call.LogExit) error {
	if err := p.end(s); err != nil || !p.opts.Split {
		return err
	}
	how := fmt.Sprintf("%s exited with code %d", s.name, exit.Code)
	if exit.Restarting {
		how += " (restarting)"
	}
	_, err := fmt.Fprintln(p.out, p.paint(s, how))
	return err
}
