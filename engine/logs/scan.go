package logs

import (
	"errors"
	"fmt"
	"io"
	"os"

	"tiffin/engine/logs/frame"
)

// windowSize is how much of a file is read at once: several of the longest frames.
const windowSize = 256 << 10

// errNoFrame says that there is no whole frame: the file ends here, or the writer was
// killed within one, or is at it.
var errNoFrame = errors.New("no whole frame")

// scanner finds frames through a window on a file.
type scanner struct {
	buffer []byte
	start  int64 // where in the file the window begins
	window []byte
}

func newScanner() scanner { return scanner{buffer: make([]byte, windowSize)} }

// reset forgets what is in the window, for another file.
func (s *scanner) reset() { s.window = nil }

// after returns the frame that begins at an offset. The payload is valid until the
// next call. What turns out incomplete is read anew each time: the writer takes back
// what the disk took half of.
func (s *scanner) after(f *os.File, at int64) (frame.Header, []byte, error) {
	if h, payload, err := s.parse(at); err == nil {
		return h, payload, nil
	}
	if err := s.fill(f, at); err != nil {
		return frame.Header{}, nil, err
	}
	return s.parse(at)
}

// before returns the frame that ends at an offset.
func (s *scanner) before(f *os.File, end int64) (frame.Header, []byte, error) {
	if h, payload, err := s.parseBack(end); err == nil {
		return h, payload, nil
	}
	if err := s.fill(f, max(0, end-windowSize)); err != nil {
		return frame.Header{}, nil, err
	}
	return s.parseBack(end)
}

func (s *scanner) fill(f *os.File, start int64) error {
	n, err := f.ReadAt(s.buffer, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log: %w", err)
	}
	s.start, s.window = start, s.buffer[:n]
	return nil
}

func (s *scanner) parse(at int64) (frame.Header, []byte, error) {
	from := at - s.start
	if from < 0 || from > int64(len(s.window)) {
		return frame.Header{}, nil, errNoFrame
	}
	return parse(s.window[from:])
}

// parse reads the frame at the start of b.
func parse(b []byte) (frame.Header, []byte, error) {
	h, err := frame.ParseHeader(b)
	if err != nil || len(b) < h.Size() {
		return frame.Header{}, nil, errNoFrame
	}
	payload := b[frame.HeaderSize:][:h.Length:h.Length]
	if length, err := frame.ParseTrailer(b[h.Size()-frame.TrailerSize:]); err != nil || length != h.Length {
		return frame.Header{}, nil, errNoFrame
	}
	return h, payload, nil
}

func (s *scanner) parseBack(end int64) (frame.Header, []byte, error) {
	to := end - s.start
	if to < frame.Overhead || to > int64(len(s.window)) {
		return frame.Header{}, nil, errNoFrame
	}
	length, err := frame.ParseTrailer(s.window[to-frame.TrailerSize : to])
	if err != nil || int64(length)+frame.Overhead > to {
		return frame.Header{}, nil, errNoFrame
	}
	h, payload, err := parse(s.window[to-int64(length)-frame.Overhead : to])
	if err == nil && h.Length != length {
		err = errNoFrame
	}
	return h, payload, err
}

// text is what a frame says: its payload, or that output is missing.
func text(h frame.Header, payload []byte) []byte {
	if h.Flags&frame.Lost == 0 {
		return payload
	}
	missing, err := frame.LostBytes(payload)
	if err != nil {
		return nil
	}
	return fmt.Appendf(nil, "[tiffin: %d bytes of output are missing here: the disk did not take them]\n", missing)
}
