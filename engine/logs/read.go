package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tiffin/engine/logs/frame"
)

// Query selects output.
type Query struct {
	// Since and Until are compared with the time at which the output was read from
	// the container; zero times are open ends.
	Since, Until time.Time
	// Tail is the number of last lines; negative means all.
	Tail int
	// Follow goes on until the container has ended.
	Follow bool
	// Stdout and Stderr choose the streams.
	Stdout, Stderr bool
}

func (q *Query) wants(s frame.Stream) bool {
	return s == frame.Stdout && q.Stdout || s == frame.Stderr && q.Stderr
}

// Entry is a piece of output: any number of lines, of which the last may go on in the
// next entry of its stream.
type Entry struct {
	Time   time.Time
	Stream frame.Stream
	Data   []byte // valid until the receiver returns
}

// Read calls emit for the selected output of the log in dir, in the order in which it
// was written. A folder without a log is an empty one. With Follow it goes on until
// done is closed, and then reads to the end; done may be nil otherwise.
//
// Errors: what emit returns, and that of ctx.
func Read(ctx context.Context, dir string, q Query, done <-chan struct{}, emit func(Entry) error) error {
	r := &reader{dir: dir, q: q, emit: emit, buf: make([]byte, 0, readSize)}
	defer r.close()
	if q.Follow {
		return r.follow(ctx, done)
	}
	if err := r.begin(); err != nil {
		return err
	}
	err := r.drain(ctx)
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}

// readSize is how much is read at once; it holds several frames.
const readSize = 4 * (frame.MaxPayload + frame.Overhead)

// errUntil ends a reading at Query.Until.
var errUntil = errors.New("past the end of the query")

// reader is a place in a log.
type reader struct {
	dir  string
	q    Query
	emit func(Entry) error

	file *os.File // nil: no file yet
	off  int64    // of buf in file
	buf  []byte   // read and not yet emitted
	skip int      // bytes of the next payload that are left out: lines before the tail
}

func (r *reader) close() {
	if r.file != nil {
		_ = r.file.Close() //nolint:errcheck // only read
		r.file = nil
	}
}

// begin finds the first frame to emit.
func (r *reader) begin() error {
	files, err := logFiles(r.dir)
	if err != nil || len(files) == 0 {
		return err
	}
	start := position{path: files[0]}
	if r.q.Tail >= 0 {
		if start, err = findTail(files, r.q); err != nil {
			return err
		}
	}
	r.skip = start.skip
	return r.open(start.path, start.off)
}

func (r *reader) open(path string, off int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	r.close()
	r.file, r.off, r.buf = f, off, r.buf[:0]
	return nil
}

// drain emits all that there is, from this file and those after it.
func (r *reader) drain(ctx context.Context) error {
	for r.file != nil {
		if err := r.drainFile(ctx); err != nil {
			return err
		}
		// Whether there is a next file is asked first: what came into this one before
		// it was set aside is then seen by the second look.
		next, err := nextFile(r.dir, r.file)
		if err != nil || next == "" {
			return err
		}
		if err := r.drainFile(ctx); err != nil {
			return err
		}
		if err := r.open(next, 0); err != nil {
			return err
		}
	}
	return nil
}

// drainFile emits the whole frames of the file from here on.
func (r *reader) drainFile(ctx context.Context) error {
	for {
		n, err := r.file.ReadAt(r.buf[len(r.buf):cap(r.buf)], r.off+int64(len(r.buf)))
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read log: %w", err)
		}
		r.buf = r.buf[:len(r.buf)+n]
		used, ferr := r.emitFrames()
		r.off += int64(used)
		r.buf = r.buf[:copy(r.buf, r.buf[used:])]
		switch {
		case ferr != nil:
			return ferr
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case n == 0:
			return nil
		}
	}
}

// emitFrames emits the whole frames in buf and returns how many bytes they have.
func (r *reader) emitFrames() (used int, err error) {
	for {
		rest := r.buf[used:]
		h, err := frame.ParseHeader(rest)
		if err != nil || len(rest) < h.Size() {
			// The end of what is there, or the torn end of a file whose writer was killed.
			return used, nil
		}
		if err := r.emitFrame(h, rest[frame.HeaderSize:frame.HeaderSize+h.Length]); err != nil {
			return used, err
		}
		used += h.Size()
	}
}

func (r *reader) emitFrame(h frame.Header, payload []byte) error {
	at := time.Unix(0, h.Time)
	skip := r.skip
	r.skip = 0
	switch {
	case !r.q.Until.IsZero() && at.After(r.q.Until):
		return errUntil
	case !r.q.wants(h.Stream), at.Before(r.q.Since):
		return nil
	case h.Flags&frame.Lost != 0:
		lost, err := frame.LostBytes(payload)
		if err != nil {
			return nil //nolint:nilerr // a frame that nobody can read says nothing
		}
		payload = fmt.Appendf(nil, "[%d bytes of output were lost: there was no room on the disk]\n", lost)
	default:
		payload = payload[min(skip, len(payload)):]
	}
	return r.emit(Entry{Time: at, Stream: h.Stream, Data: payload})
}
