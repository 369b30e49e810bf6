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
// the last, the result or the error.
type line struct {
	Progress *engine.Progress `json:",omitempty"`
	Event    *engine.Event    `json:",omitempty"`
	Result   json.RawMessage  `json:",omitempty"`
	Error    *wireError       `json:",omitempty"`
}

// lineWriter writes lines, each at once; many may write at a time.
type lineWriter struct {
	mu  sync.Mutex
	w   http.ResponseWriter
	enc *json.Encoder
}

func newLineWriter(w http.ResponseWriter) *lineWriter {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return &lineWriter{w: w, enc: json.NewEncoder(w)}
}

func (l *lineWriter) write(ln line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.enc.Encode(ln); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return http.NewResponseController(l.w).Flush()
}

// report is the engine.Report that writes to l. A client that went away is noticed
// by the request's context, not here.
func (l *lineWriter) report(p engine.Progress) {
	_ = l.write(line{Progress: &p}) //nolint:errcheck // see above
}

// finish writes the last line.
func (l *lineWriter) finish(result any, err error) error {
	if err != nil {
		return l.write(line{Error: toWire(err)})
	}
	text, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	return l.write(line{Result: text})
}

// errTruncated is an answer without its last line: the engine went away.
var errTruncated = engine.Hint(
	engine.Problem(engine.ErrUnavailable, errors.New("the engine went away before it answered")),
	"run the command again: it goes on where it was; `tiffin engine status` tells whether an engine runs")

// readLines reads an answer up to its last line.
func readLines(r io.Reader, onLine func(line), result any) error {
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
		default:
			onLine(ln)
		}
	}
}

func decodeResult(text json.RawMessage, result any) error {
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(text, result); err != nil {
		return fmt.Errorf("decode result: %w", err)
	}
	return nil
}
