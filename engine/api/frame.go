package api

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Streams of bytes are cut into frames: a header of 16 bytes, little endian, and a
// payload.
//
//	0       1       2           4               8                              16
//	│ kind  │stream │  source   │    length     │   time, Unix nanoseconds      │ payload…
//
// From the engine: source (JSON, names the number that later frames carry), data,
// exited (JSON, a container ended), taken (an input frame was read to its end), and, as the
// last frame, result or failure (JSON). From the client: input, inputEnd, resize (JSON [rows, columns]),
// signal. A reader passes over kinds that it does not know.
type frameKind uint8

const (
	frameData frameKind = iota + 1
	frameSource
	frameExited
	frameResult
	frameFailure
	frameInput
	frameInputEnd
	frameResize
	frameSignal
	frameTaken
)

const (
	frameHeader = 16
	// maxFrame bounds what a reader takes in at once.
	maxFrame = 1 << 20
)

type frame struct {
	kind    frameKind
	stream  uint8
	source  uint16
	at      time.Time
	payload []byte
}

// frameWriter writes frames; many may write at a time.
type frameWriter struct {
	mu    sync.Mutex
	w     io.Writer
	flush func() error // after each frame; may be nil
	buf   []byte
}

func (fw *frameWriter) write(f frame) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	for {
		part := f.payload[:min(len(f.payload), maxFrame)]
		if err := fw.writeOne(f, part); err != nil {
			return err
		}
		if f.payload = f.payload[len(part):]; len(f.payload) == 0 {
			break
		}
	}
	if fw.flush != nil {
		return fw.flush()
	}
	return nil
}

func (fw *frameWriter) writeOne(f frame, payload []byte) error {
	b := append(fw.buf[:0], byte(f.kind), f.stream)
	b = binary.LittleEndian.AppendUint16(b, f.source)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	var at int64
	if !f.at.IsZero() {
		at = f.at.UnixNano()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	fw.buf = append(b, payload...)
	_, err := fw.w.Write(fw.buf)
	return err
}

func (fw *frameWriter) writeJSON(kind frameKind, source uint16, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	return fw.write(frame{kind: kind, source: source, payload: text})
}

// finish writes the last frame: the result or the error.
func (fw *frameWriter) finish(result any, err error) error {
	if err != nil {
		return fw.writeJSON(frameFailure, 0, toWire(err))
	}
	return fw.writeJSON(frameResult, 0, result)
}

var errFrameTooLong = errors.New("frame is longer than 1 MiB")

// frameReader reads frames.
type frameReader struct {
	r   io.Reader
	buf []byte
}

// next reads a frame; its payload is valid until the next call.
//
// Errors: io.EOF at a clean end.
func (fr *frameReader) next() (frame, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(fr.r, h[:]); err != nil {
		return frame{}, err
	}
	f := frame{kind: frameKind(h[0]), stream: h[1], source: binary.LittleEndian.Uint16(h[2:])}
	if at := int64(binary.LittleEndian.Uint64(h[8:])); at != 0 {
		f.at = time.Unix(0, at)
	}
	n := binary.LittleEndian.Uint32(h[4:])
	if n > maxFrame {
		return frame{}, errFrameTooLong
	}
	if uint32(cap(fr.buf)) < n {
		fr.buf = make([]byte, n)
	}
	f.payload = fr.buf[:n]
	if _, err := io.ReadFull(fr.r, f.payload); err != nil {
		return frame{}, io.ErrUnexpectedEOF
	}
	return f, nil
}

// read calls on for each frame of an answer up to its last one, whose result it decodes.
func (fr *frameReader) read(result any, on func(frame) error) error {
	for {
		f, err := fr.next()
		if err != nil {
			return errTruncated
		}
		switch f.kind {
		case frameResult:
			return decodeResult(f.payload, result)
		case frameFailure:
			var w wireError
			if err := json.Unmarshal(f.payload, &w); err != nil {
				return fmt.Errorf("read failure: %w", err)
			}
			return fromWire(&w)
		default:
			if err := on(f); err != nil {
				return err
			}
		}
	}
}
