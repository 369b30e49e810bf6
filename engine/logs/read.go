package logs

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tiffin/engine/logs/frame"
)

// Query says what is to be read.
type Query struct {
	// Since and Until bound the time at which output was taken from the container;
	// zero is no bound.
	Since, Until time.Time
	// Tail is the number of last lines, of both streams together; negative is all. A
	// line that has not ended yet counts.
	Tail int
	// Follow goes on with what is written later.
	Follow bool
	// Stdout and Stderr choose the streams.
	Stdout, Stderr bool
}

// Entry is a piece of output: any number of lines, the last of which may go on in the
// next entry of the same stream.
type Entry struct {
	Time   time.Time
	Stream frame.Stream
	Data   []byte // valid until the receiver returns
}

// Read calls emit for the output in a folder, oldest first. With Query.Follow it goes
// on until done is closed, which says that nothing more will be written; what has been
// written is then read to the end. done may be nil. A folder that is not there is
// empty; to be followed it must be there.
//
// Errors: that of emit, which ends the reading; ctx.Err().
func Read(ctx context.Context, dir string, q Query, done <-chan struct{}, emit func(Entry) error) error {
	r := &reader{dir: dir, query: q, emit: emit, scanner: newScanner()}
	defer r.close()
	wait := waiter{done: done}
	if q.Follow {
		changed, forget, err := watching.watch(dir)
		if err != nil {
			return err
		}
		defer forget()
		wait.changed = changed
		if !q.Until.IsZero() {
			timer := time.NewTimer(time.Until(q.Until))
			defer timer.Stop()
			wait.until = timer.C
		}
	}
	if err := r.begin(); err != nil {
		return err
	}
	for {
		if err := r.drain(ctx); err != nil {
			return err
		}
		moved, err := r.advance(ctx)
		if err != nil {
			return err
		}
		if moved {
			continue
		}
		if !q.Follow || wait.over {
			return nil
		}
		if err := wait.next(ctx); err != nil {
			return err
		}
	}
}

// waiter is what a follower waits for.
type waiter struct {
	changed <-chan struct{}
	done    <-chan struct{}
	until   <-chan time.Time
	over    bool // one more look, and that is all
}

func (w *waiter) next(ctx context.Context) error {
	select {
	case <-w.changed:
	case <-w.done:
		w.over = true
	case <-w.until:
		w.over = true
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// reader is somewhere in the files of a folder.
type reader struct {
	dir     string
	query   Query
	emit    func(Entry) error
	scanner scanner
	files   []*os.File // those that are still to be read, the oldest first
	at      int64      // in the first of them
	// end is where reading ends in the last file when nobody follows: a container that
	// prints faster than we read would keep us for ever.
	end  int64
	cuts cuts
}

func (r *reader) close() {
	for _, f := range r.files {
		_ = f.Close() // it was only read
	}
}

// begin opens the files and goes to where reading starts.
func (r *reader) begin() error {
	var err error
	r.files, err = openFiles(r.dir)
	if err != nil || len(r.files) == 0 {
		return err
	}
	if r.end, err = size(r.files[len(r.files)-1]); err != nil {
		return err
	}
	first, at, err := r.start()
	if err != nil {
		return err
	}
	for range first {
		r.drop()
	}
	r.at = at
	return nil
}

// drop leaves the first file behind.
func (r *reader) drop() {
	_ = r.files[0].Close() // it was only read
	r.files = r.files[1:]
	r.at = 0
	r.cuts.drop()
	r.scanner.reset()
}

// drain emits the whole frames that the first file has.
func (r *reader) drain(ctx context.Context) error {
	if len(r.files) == 0 {
		return nil
	}
	for ctx.Err() == nil {
		if !r.query.Follow && len(r.files) == 1 && r.at >= r.end {
			return nil
		}
		h, payload, err := r.scanner.after(r.files[0], r.at)
		if errors.Is(err, errNoFrame) {
			return nil
		}
		if err != nil {
			return err
		}
		at := r.at
		r.at += int64(h.Size())
		if err := r.offer(h, r.cuts.apply(h.Stream, at, text(h, payload))); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (r *reader) offer(h frame.Header, data []byte) error {
	if len(data) == 0 || !r.wants(h.Stream) {
		return nil
	}
	t := time.Unix(0, h.Time)
	if !r.query.Until.IsZero() && t.After(r.query.Until) {
		return nil
	}
	return r.emit(Entry{Time: t, Stream: h.Stream, Data: data})
}

func (r *reader) wants(s frame.Stream) bool {
	return s == frame.Stdout && r.query.Stdout || s == frame.Stderr && r.query.Stderr
}

// advance goes to the next file once the first one has become an older one: nothing is
// written to it any more.
func (r *reader) advance(ctx context.Context) (moved bool, err error) {
	if len(r.files) > 1 {
		r.drop()
		return true, nil
	}
	if !r.query.Follow {
		return false, nil
	}
	if len(r.files) == 1 {
		current, err := isCurrent(r.dir, r.files[0])
		if err != nil || current {
			return false, err
		}
		// What came between the end that we saw and its becoming an older file.
		if err := r.drain(ctx); err != nil {
			return false, err
		}
	}
	newer, err := openNewer(r.dir, r.files)
	if err != nil || len(newer) == 0 {
		return false, err
	}
	r.files = append(r.files, newer...)
	if len(r.files) > len(newer) {
		r.drop()
	}
	return true, nil
}

// isCurrent says that a file is the one that is written to.
func isCurrent(dir string, f *os.File) (bool, error) {
	own, err := f.Stat()
	if err != nil {
		return false, err
	}
	current, err := os.Stat(filepath.Join(dir, baseName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(own, current), err
}
