package api

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"tiffin/engine"
)

// line is one line of an answer that reports progress: a progress, an event, or, as
// the last, the result or the error. An empty line is a sign of life.
type line struct {
	Progress *engine.Progress `json:",omitempty"`
	Event    *engine.Event    `json:",omitempty"`
	Result   json.RawMessage  `json:",omitempty"`
	Error    *wireError       `json:",omitempty"`
}

// lineWriter writes lines, one caller at a time.
type lineWriter struct {
	enc  *json.Encoder
	http *http.ResponseController
}

// newLineWriter begins an answer. What comes of the request's body can be read on.
func newLineWriter(w http.ResponseWriter) *lineWriter {
	l := &lineWriter{enc: json.NewEncoder(w), http: http.NewResponseController(w)}
	_ = l.http.EnableFullDuplex() // HTTP/1 can
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return l
}

// write writes lines and sends them off.
func (l *lineWriter) write(lines ...line) error {
	for _, ln := range lines {
		if err := l.enc.Encode(ln); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
	}
	return l.http.Flush()
}

// finish writes the last line.
func (l *lineWriter) finish(result any, err error) error {
	if err != nil {
		return l.write(line{Error: toWire(err)})
	}
	text, err := json.Marshal(result)
	if err != nil {
		return l.write(line{Error: toWire(fmt.Errorf("encode result: %w", err))})
	}
	return l.write(line{Result: text})
}

// reporter sends progress. Who reports never waits for the client: a stopped terminal
// would hold the engine up. What waits to be sent is bounded by what there is to do, for
// a newer state of the same work takes the place of an older one.
type reporter struct {
	out  *lineWriter
	wake chan struct{} // told when lines wait
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	waiting []line
	last    map[work]int // the last line about it, in waiting
}

// work is what a progress is about.
type work struct{ id, parent string }

func newReporter(out *lineWriter) *reporter {
	r := &reporter{out: out, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}), last: map[work]int{}}
	go r.run()
	return r
}

// report is the engine.Report that sends to the client.
func (r *reporter) report(p engine.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	on := work{p.ID, p.ParentID}
	if i, there := r.last[on]; there && p.ID != "" {
		if was := r.waiting[i].Progress; was.Text == p.Text && was.Status == p.Status {
			r.waiting[i].Progress = &p
			return
		}
	}
	r.last[on] = len(r.waiting)
	r.waiting = append(r.waiting, line{Progress: &p})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reporter) take() []line {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.waiting
	r.waiting = nil
	clear(r.last)
	return lines
}

func (r *reporter) run() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
			if r.out.write(r.take()...) != nil {
				return // the client went away, of which the request's context tells
			}
		case <-r.stop:
			return
		}
	}
}

// finish sends what waits, and the last line.
func (r *reporter) finish(result any, err error) error {
	close(r.stop)
	<-r.done
	return errors.Join(r.out.write(r.take()...), r.out.finish(result, err))
}

// errTruncated is an answer without its end: the engine went away.
var errTruncated = engine.Hint(
	engine.Problem(engine.ErrUnavailable, errors.New("the engine went away before it answered")),
	"run the command again: it goes on where it was; `tiffin engine status` tells whether an engine runs")

// readLines calls on for each line of an answer up to the last one, whose result it
// decodes.
func readLines(r io.Reader, result any, on func(line) error) error {
	dec := json.NewDecoder(bufio.NewReader(r))
	for {
		var ln line
		if err := dec.Decode(&ln); err != nil {
			return errTruncated
		}
		switch {
		case ln.Error != nil:
			return fromWire(ln.Error)
		case ln.Result != nil:
			return decodeResult(ln.Result, result)
		}
		if err := on(ln); err != nil {
			return err
		}
	}
}

// decodeResult decodes the result of an answer; result may be nil.
func decodeResult(text []byte, result any) error {
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(text, result); err != nil {
		return fmt.Errorf("decode result: %w", err)
	}
	return nil
}
