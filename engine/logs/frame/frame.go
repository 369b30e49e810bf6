package frame

import (
	"encoding/binary"
	"errors"
)

// The sizes, in bytes, of what stands around a payload.
const (
	HeaderSize  = 16
	TrailerSize = 4
	Overhead    = HeaderSize + TrailerSize
)

// MaxPayload is the most bytes that one frame holds.
const MaxPayload = 64 << 10

// LostPayloadSize is the length of the payload of a frame that is flagged Lost.
const LostPayloadSize = 8

const magic = 0x71F1

// ErrInvalid says that the bytes at hand are no header or no trailer.
var ErrInvalid = errors.New("not a log frame")

// Stream says which of the container's outputs a payload came from.
type Stream uint8

// The streams. A terminal has only the first.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// Flags say what is special about a frame.
type Flags uint8

// Lost marks a frame that stands where output is missing because the disk took
// none; its payload is the number of missing bytes, see [LostBytes].
const Lost Flags = 1 << 0

// Header is what precedes a payload.
type Header struct {
	Length int   // bytes of payload
	Time   int64 // when it was read from the pipe, Unix nanoseconds
	Stream Stream
	Flags  Flags
}

// Size is the length of the whole frame in the file, in bytes.
func (h Header) Size() int { return h.Length + Overhead }

// PutHeader writes h into the first [HeaderSize] bytes of b.
func PutHeader(b []byte, h Header) {
	_ = b[HeaderSize-1]
	binary.LittleEndian.PutUint32(b, uint32(h.Length))
	binary.LittleEndian.PutUint16(b[4:], magic)
	b[6] = byte(h.Stream)
	b[7] = byte(h.Flags)
	binary.LittleEndian.PutUint64(b[8:], uint64(h.Time))
}

// PutTrailer writes the trailer of a payload of length bytes into the first
// [TrailerSize] bytes of b.
func PutTrailer(b []byte, length int) {
	binary.LittleEndian.PutUint32(b, uint32(length))
}

// ParseHeader reads the header at the start of b.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize || binary.LittleEndian.Uint16(b[4:]) != magic {
		return Header{}, ErrInvalid
	}
	h := Header{
		Length: int(binary.LittleEndian.Uint32(b)),
		Stream: Stream(b[6]),
		Flags:  Flags(b[7]),
		Time:   int64(binary.LittleEndian.Uint64(b[8:])),
	}
	if h.Length > MaxPayload || h.Stream != Stdout && h.Stream != Stderr {
		return Header{}, ErrInvalid
	}
	return h, nil
}

// ParseTrailer reads the trailer at the start of b: the length of the payload
// before it. Nothing in a trailer tells it from other bytes; it is only to be
// believed when the header that it leads to says the same.
func ParseTrailer(b []byte) (length int, err error) {
	if len(b) < TrailerSize {
		return 0, ErrInvalid
	}
	length = int(binary.LittleEndian.Uint32(b))
	if length > MaxPayload {
		return 0, ErrInvalid
	}
	return length, nil
}

// PutLost writes the payload of a frame flagged [Lost] into the first
// [LostPayloadSize] bytes of b.
func PutLost(b []byte, missing uint64) {
	binary.LittleEndian.PutUint64(b, missing)
}

// LostBytes reads the payload of a frame flagged [Lost]: how many bytes are
// missing at this place.
func LostBytes(payload []byte) (uint64, error) {
	if len(payload) != LostPayloadSize {
		return 0, ErrInvalid
	}
	return binary.LittleEndian.Uint64(payload), nil
}
