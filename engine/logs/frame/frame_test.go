package frame

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// encode lays a frame out as the keeper does.
func encode(h Header, payload []byte) []byte {
	b := make([]byte, HeaderSize, h.Size())
	PutHeader(b, h)
	b = append(b, payload...)
	b = append(b, make([]byte, TrailerSize)...)
	PutTrailer(b[len(b)-TrailerSize:], len(payload))
	return b
}

func TestAFrameIsReadBackFromBothEnds(t *testing.T) {
	want := Header{Length: 5, Stream: Stderr, Flags: Lost, Time: 1_795_000_000_123_456_789}
	file := append(encode(Header{Length: 2, Stream: Stdout}, []byte("a\n")), encode(want, []byte("hello"))...)

	length, err := ParseTrailer(file[len(file)-TrailerSize:])
	if err != nil {
		t.Fatal(err)
	}
	start := len(file) - length - Overhead
	got, err := ParseHeader(file[start:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("header, -want +got:\n%s", diff)
	}
	if payload := file[start+HeaderSize:][:got.Length]; string(payload) != "hello" {
		t.Errorf("payload is %q", payload)
	}
	first, err := ParseHeader(file)
	if err != nil || first.Size() != start {
		t.Errorf("the first frame ends at %d (%v), want %d", first.Size(), err, start)
	}
}

func TestTheLayoutOnDiskStaysAsItIs(t *testing.T) {
	got := encode(Header{Length: 3, Stream: Stdout, Time: 0x0102030405060708}, []byte("hi\n"))
	want := []byte{
		3, 0, 0, 0, 0xF1, 0x71, 1, 0,
		8, 7, 6, 5, 4, 3, 2, 1,
		'h', 'i', '\n',
		3, 0, 0, 0,
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestWhatIsNoHeaderIsRefused(t *testing.T) {
	good := encode(Header{Length: 1, Stream: Stdout}, []byte("x"))
	damage := map[string]func([]byte) []byte{
		"too short":         func(b []byte) []byte { return b[:HeaderSize-1] },
		"wrong magic":       func(b []byte) []byte { b[4]++; return b },
		"unknown stream":    func(b []byte) []byte { b[6] = 3; return b },
		"no stream":         func(b []byte) []byte { b[6] = 0; return b },
		"length beyond max": func(b []byte) []byte { b[2] = 1; b[0] = 1; return b },
	}
	for name, change := range damage {
		if h, err := ParseHeader(change(bytes.Clone(good))); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %+v, %v", name, h, err)
		}
	}
	if _, err := ParseTrailer([]byte{0, 0, 2, 0}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a trailer beyond the maximum: %v", err)
	}
}

func TestLostBytesAreReadBack(t *testing.T) {
	var b [LostPayloadSize]byte
	PutLost(b[:], 1<<40+7)
	if n, err := LostBytes(b[:]); n != 1<<40+7 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := LostBytes(b[:7]); !errors.Is(err, ErrInvalid) {
		t.Errorf("a short payload: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(Header{Length: 4, Stream: Stdout, Time: 1}, []byte("abc\n")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeader(b)
		if err != nil {
			return
		}
		again := make([]byte, HeaderSize)
		PutHeader(again, h)
		if !bytes.Equal(again, b[:HeaderSize]) {
			t.Errorf("%x was read as %+v, which is written as %x", b[:HeaderSize], h, again)
		}
	})
}
