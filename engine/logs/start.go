package logs

import (
	"bytes"
	"errors"
	"math"
	"os"
	"slices"

	"tiffin/engine/logs/frame"
)

// maxLookBack bounds how far, in bytes, the beginning of a line is searched for whose
// end is to be shown.
const maxLookBack = 1 << 20

// cut is where the wanted output of a stream begins: byte of the frame at an offset of
// a file. What comes before is skipped.
type cut struct {
	file int // counted from the one that is being read
	at   int64
	skip int // bytes of the payload
}

// cuts are those of the streams, by frame.Stream; one that is not set skips nothing.
type cuts [3]*cut

// apply returns what is left of the payload of a frame in the file that is being read.
func (c *cuts) apply(s frame.Stream, at int64, payload []byte) []byte {
	switch own := c[s]; {
	case own == nil:
		return payload
	case own.file > 0 || at < own.at:
		return nil
	case at == own.at:
		c[s] = nil
		return payload[min(own.skip, len(payload)):]
	default:
		c[s] = nil
		return payload
	}
}

// drop counts the files anew when the first one is left behind.
func (c *cuts) drop() {
	for s, own := range c {
		if own == nil {
			continue
		}
		if own.file--; own.file < 0 {
			c[s] = nil
		}
	}
}

// start finds where reading begins: walking back from the end, over as many lines as
// are wanted, as far as Since.
func (r *reader) start() (first int, at int64, err error) {
	if r.query.Tail < 0 && r.query.Since.IsZero() {
		return 0, 0, nil
	}
	w := walk{reader: r, want: r.query.Tail, since: math.MinInt64, until: math.MaxInt64}
	if w.want < 0 {
		w.want = math.MaxInt
	}
	if !r.query.Since.IsZero() {
		w.since = r.query.Since.UnixNano()
	}
	if !r.query.Until.IsZero() {
		w.until = r.query.Until.UnixNano()
	}
	for file := range slices.Backward(r.files) {
		r.scanner.reset()
		var over bool
		if at, over, err = w.file(file); err != nil {
			return 0, 0, err
		}
		if over {
			first = file
			break
		}
	}
	r.cuts = w.cuts
	r.scanner.reset()
	return first, at, nil
}

// walk is a way back through the frames.
type walk struct {
	*reader
	want         int // lines
	since, until int64

	lines   int   // found
	far     int64 // bytes walked since all were found
	streams [3]struct {
		seen bool
		// open says that a wanted line of the stream has been found, but not where it begins.
		open bool
	}
	cuts cuts
}

// file walks a file back and returns where it stopped; over says that this is where reading begins.
func (w *walk) file(n int) (at int64, over bool, err error) {
	f := w.files[n]
	end, err := w.lastEnd(f, n)
	if err != nil {
		return 0, false, err
	}
	for end > 0 {
		if w.enough() {
			return end, true, nil
		}
		h, payload, err := w.scanner.before(f, end)
		switch {
		case errors.Is(err, errNoFrame): // what is before is damaged
			return end, true, nil
		case err != nil:
			return 0, false, err
		case h.Time < w.since:
			return end, true, nil
		}
		end -= int64(h.Size())
		if w.lines >= w.want {
			w.far += int64(h.Size())
		}
		if w.wants(h.Stream) && h.Time <= w.until {
			w.take(h.Stream, cut{file: n, at: end}, text(h, payload))
		}
	}
	return 0, w.enough(), nil
}

// lastEnd is where the last whole frame of a file ends. A file that ends within one is
// read from its start to find out.
func (w *walk) lastEnd(f *os.File, n int) (int64, error) {
	end := w.end
	if n < len(w.files)-1 {
		var err error
		if end, err = size(f); err != nil {
			return 0, err
		}
	}
	if end == 0 {
		return 0, nil
	}
	_, _, err := w.scanner.before(f, end)
	if !errors.Is(err, errNoFrame) {
		return end, err
	}
	at := int64(0)
	for {
		h, _, err := w.scanner.after(f, at)
		if errors.Is(err, errNoFrame) || err == nil && at+int64(h.Size()) > end {
			return at, nil
		}
		if err != nil {
			return 0, err
		}
		at += int64(h.Size())
	}
}

// enough says that all wanted lines have been found, with their beginnings.
func (w *walk) enough() bool {
	if w.lines < w.want {
		return false
	}
	return w.far > maxLookBack || !w.streams[frame.Stdout].open && !w.streams[frame.Stderr].open
}

// take counts the lines that end in a frame. Each newline is the end of one line of the
// stream, and says where the next one begins.
func (w *walk) take(s frame.Stream, where cut, payload []byte) {
	if w.want == math.MaxInt {
		return // all lines since a time: nothing to be counted
	}
	state := &w.streams[s]
	if !state.seen && len(payload) > 0 {
		state.seen = true
		if payload[len(payload)-1] != '\n' {
			where.skip = len(payload)
			w.line(s, where)
		}
	}
	for to := len(payload); w.cuts[s] == nil; {
		i := bytes.LastIndexByte(payload[:to], '\n')
		if i < 0 {
			return
		}
		where.skip = i + 1
		w.line(s, where)
		to = i
	}
}

// line is told where a line of a stream ends, and the next one begins.
func (w *walk) line(s frame.Stream, where cut) {
	state := &w.streams[s]
	state.open = w.lines < w.want
	if state.open {
		w.lines++
		return
	}
	w.cuts[s] = &where
}
