package logs

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"tiffin/engine/logs/frame"
)

// position is a frame in a file, and how much of its payload lies before the place.
type position struct {
	path string
	off  int64
	skip int
}

// tailer walks a log backwards and counts line ends.
type tailer struct {
	q    Query
	need int  // line ends still to be passed
	seen bool // whether the last byte of the output was seen
	at   position
	buf  []byte
}

// findTail finds where the last q.Tail lines begin.
func findTail(files []string, q Query) (position, error) {
	t := &tailer{q: q, need: q.Tail}
	for i := len(files) - 1; i >= 0; i-- {
		found, err := t.walk(files[i])
		if err != nil || found {
			return t.at, err
		}
	}
	return position{path: files[0]}, nil
}

// walk goes through one file from its end; found says that the place is in it.
func (t *tailer) walk(path string) (found bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // rotated away meanwhile
	}
	if err != nil {
		return false, fmt.Errorf("open log: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	end, err := wholeEnd(f)
	if err != nil {
		return false, err
	}
	if t.at.path == "" && t.need == 0 {
		t.at = position{path: path, off: end}
		return true, nil
	}
	for end > 0 {
		h, payload, err := t.frameBefore(f, end)
		if err != nil {
			return false, err
		}
		end -= int64(h.Size())
		t.at = position{path: path, off: end}
		if t.q.wants(h.Stream) && h.Flags&frame.Lost == 0 && t.count(payload) {
			return true, nil
		}
	}
	return false, nil
}

// count passes the line ends of one payload, last first.
func (t *tailer) count(payload []byte) (found bool) {
	if !t.seen && len(payload) > 0 {
		t.seen = true
		if payload[len(payload)-1] == '\n' {
			t.need++ // it ends the last line, it begins none
		}
	}
	end := len(payload)
	for t.need > 0 {
		i := bytes.LastIndexByte(payload[:end], '\n')
		if i < 0 {
			return false
		}
		if t.need--; t.need == 0 {
			t.at.skip = i + 1
			return true
		}
		end = i
	}
	return true
}

// frameBefore reads the frame that ends at end.
func (t *tailer) frameBefore(f *os.File, end int64) (frame.Header, []byte, error) {
	var trailer [frame.TrailerSize]byte
	if _, err := f.ReadAt(trailer[:], end-frame.TrailerSize); err != nil {
		return frame.Header{}, nil, fmt.Errorf("read log: %w", err)
	}
	length, err := frame.ParseTrailer(trailer[:])
	if err != nil {
		return frame.Header{}, nil, fmt.Errorf("read log: %w", err)
	}
	size := length + frame.Overhead
	if cap(t.buf) < size {
		t.buf = make([]byte, frame.MaxPayload+frame.Overhead)
	}
	b := t.buf[:size]
	if end < int64(size) {
		return frame.Header{}, nil, fmt.Errorf("read log: %w", frame.ErrInvalid)
	}
	if _, err := f.ReadAt(b, end-int64(size)); err != nil {
		return frame.Header{}, nil, fmt.Errorf("read log: %w", err)
	}
	h, err := frame.ParseHeader(b)
	if err == nil && h.Length != length {
		err = frame.ErrInvalid
	}
	if err != nil {
		return frame.Header{}, nil, fmt.Errorf("read log: %w", err)
	}
	return h, b[frame.HeaderSize : frame.HeaderSize+length], nil
}

// wholeEnd is the end of the last whole frame. Usually that is the end of the file;
// otherwise its writer was killed, or is writing now, and the frames are walked from
// the beginning.
func wholeEnd(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at log: %w", err)
	}
	size := info.Size()
	if size == 0 || endsWhole(f, size) {
		return size, nil
	}
	var off int64
	var b [frame.HeaderSize]byte
	for {
		if _, err := f.ReadAt(b[:], off); err != nil {
			return off, nil //nolint:nilerr // what does not hold a header is the torn end
		}
		h, err := frame.ParseHeader(b[:])
		if err != nil || off+int64(h.Size()) > size {
			return off, nil //nolint:nilerr // see above
		}
		off += int64(h.Size())
	}
}

func endsWhole(f *os.File, size int64) bool {
	t := tailer{}
	_, _, err := t.frameBefore(f, size)
	return err == nil && size >= frame.Overhead
}
