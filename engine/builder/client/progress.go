package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/opencontainers/go-digest"
)

// Mode is how progress is shown.
type Mode string

// The modes. Auto is a drawing on a terminal and lines elsewhere.
const (
	Auto  Mode = "auto"
	TTY   Mode = "tty"
	Plain Mode = "plain"
	JSON  Mode = "rawjson"
	Quiet Mode = "quiet"
)

// Progress says where and how progress is shown. The zero value shows none.
type Progress struct {
	Out  io.Writer
	Mode Mode
	// Watch is called with what the builds tell, and nothing else shows it; it may be nil.
	Watch func(*bk.SolveStatus)
}

// display is the one progress of all builds.
type display struct {
	progress Progress
	in       chan *bk.SolveStatus
	shown    chan struct{} // closed when all was
	feeding  sync.WaitGroup

	mu       sync.Mutex
	owners   owners
	warnings []warning
	tail     *tail // of quiet builds
}

func newDisplay(p Progress) (*display, error) {
	if p.Out == nil || p.Watch != nil {
		p.Out, p.Mode = io.Discard, Quiet
	}
	mode := progressui.DisplayMode(p.Mode)
	ui, err := progressui.NewDisplay(p.Out, mode)
	if err != nil {
		return nil, invalid("progress %s: %w", p.Mode, err)
	}
	d := &display{progress: p, in: make(chan *bk.SolveStatus), shown: make(chan struct{}), owners: owners{}}
	if p.Mode == Quiet {
		d.tail = newTail()
	}
	go func() {
		defer close(d.shown)
		if p.Watch != nil {
			for s := range d.in {
				p.Watch(s)
			}
			return
		}
		// It ends with its channel: what a build said before it was interrupted is shown.
		_, _ = ui.UpdateFrom(context.Background(), d.in)
	}()
	return d, nil
}

// feed returns the channel for one build, whose steps are shown under its name if it has one.
func (d *display) feed(target, prefix string) chan *bk.SolveStatus {
	ch := make(chan *bk.SolveStatus)
	f := &feed{target: target, prefix: prefix}
	d.feeding.Go(func() {
		for s := range ch {
			if d.note(f, s); !isEmpty(s) {
				d.in <- s
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		f.ended = true
	})
	return ch
}

func (d *display) note(f *feed, s *bk.SolveStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range s.Warnings {
		d.warnings = addWarning(d.warnings, f.target, w)
	}
	d.owners.keep(f, s)
	rename(f.prefix, s)
	if d.tail != nil {
		d.tail.take(s)
	}
}

// feed is what one build tells.
type feed struct {
	target, prefix string
	ended          bool
}

// owners are the builds that tell of steps: builds tell of a step that they share, each of all that happens to it.
type owners map[digest.Digest]*feed

// keep leaves out of s what another build tells.
func (o owners) keep(f *feed, s *bk.SolveStatus) {
	others := func(id digest.Digest) bool {
		if o[id] == nil || o[id].ended {
			o[id] = f
		}
		return o[id] != f
	}
	s.Vertexes = slices.DeleteFunc(s.Vertexes, func(v *bk.Vertex) bool { return others(v.Digest) })
	s.Statuses = slices.DeleteFunc(s.Statuses, func(v *bk.VertexStatus) bool { return others(v.Vertex) })
	s.Logs = slices.DeleteFunc(s.Logs, func(v *bk.VertexLog) bool { return others(v.Vertex) })
	s.Warnings = slices.DeleteFunc(s.Warnings, func(v *bk.VertexWarning) bool { return others(v.Vertex) })
}

func isEmpty(s *bk.SolveStatus) bool {
	return len(s.Vertexes)+len(s.Statuses)+len(s.Logs)+len(s.Warnings) == 0
}

// finish waits until all was shown, then says what the builds warned of.
func (d *display) finish() {
	d.feeding.Wait()
	close(d.in)
	<-d.shown
	switch d.progress.Mode {
	case Quiet:
		d.tail.print(d.progress.Out)
	case JSON:
	default:
		fmt.Fprint(d.progress.Out, warningText(d.warnings))
	}
}

// rename puts the name of the build before those of its steps.
func rename(prefix string, s *bk.SolveStatus) {
	if prefix == "" {
		return
	}
	for _, v := range s.Vertexes {
		v.Name = prefixed(prefix, v.Name)
		if v.ProgressGroup != nil {
			v.ProgressGroup.Name = prefixed(prefix, v.ProgressGroup.Name)
		}
	}
}

// prefixed turns [2/3] RUN x into [web 2/3] RUN x.
func prefixed(prefix, name string) string {
	if rest, ok := strings.CutPrefix(name, "["); ok {
		return "[" + prefix + " " + rest
	}
	return "[" + prefix + "] " + name
}

// warning is one of the frontend's, for the targets that have it.
type warning struct {
	targets []string
	text    string
}

func addWarning(list []warning, target string, w *bk.VertexWarning) []warning {
	text := string(w.Short)
	for i := range list {
		if list[i].text == text {
			if !slices.Contains(list[i].targets, target) {
				list[i].targets = append(list[i].targets, target)
			}
			return list
		}
	}
	return append(list, warning{[]string{target}, text})
}

func warningText(list []warning) string {
	if len(list) == 0 {
		return ""
	}
	var b strings.Builder
	count := "1 warning"
	if len(list) > 1 {
		count = fmt.Sprintf("%d warnings", len(list))
	}
	fmt.Fprintf(&b, "\n %s (build --check says more):\n", count)
	for _, w := range list {
		fmt.Fprintf(&b, " - %s: %s\n", strings.Join(slices.Sorted(slices.Values(w.targets)), ", "), w.text)
	}
	return b.String()
}

const (
	tailLines = 40
	tailBytes = 32 << 10
)

// tail keeps the end of what each running step prints: quiet builds are so until they fail.
type tail struct {
	logs   map[digest.Digest][]byte
	names  map[digest.Digest]string
	failed []digest.Digest
}

func newTail() *tail {
	return &tail{logs: map[digest.Digest][]byte{}, names: map[digest.Digest]string{}}
}

func (t *tail) take(s *bk.SolveStatus) {
	for _, l := range s.Logs {
		text := append(t.logs[l.Vertex], l.Data...)
		t.logs[l.Vertex] = text[max(0, len(text)-tailBytes):]
	}
	for _, v := range s.Vertexes {
		t.names[v.Digest] = v.Name
		switch {
		case v.Completed == nil:
		case v.Error == "" || strings.HasSuffix(v.Error, context.Canceled.Error()):
			delete(t.logs, v.Digest)
		case !slices.Contains(t.failed, v.Digest):
			t.failed = append(t.failed, v.Digest)
		}
	}
}

func (t *tail) print(w io.Writer) {
	for _, id := range t.failed {
		text := bytes.TrimRight(t.logs[id], "\n")
		if len(text) == 0 {
			continue // the error says it all
		}
		lines := bytes.Split(text, []byte("\n"))
		fmt.Fprintf(w, "------\n > %s:\n", t.names[id])
		for _, line := range lines[max(0, len(lines)-tailLines):] {
			if len(line) > 0 {
				fmt.Fprintf(w, "%s\n", line)
			}
		}
		fmt.Fprintln(w, "------")
	}
}
