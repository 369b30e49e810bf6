package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("tiffin"), maxFrame/4) // one and a half of a frame
	for name, c := range map[string]struct {
		f    frame
		want []frame // nil: itself
	}{
		"empty":       {frame{kind: frameInputEnd}, nil},
		"all of it":   {frame{kind: frameData, stream: 2, source: 0xabcd, at: time.Unix(1700000000, 123456789), payload: []byte("hello")}, nil},
		"before 1970": {frame{kind: frameData, at: time.Unix(-5, 1), payload: []byte("x")}, nil},
		"too long for one": {
			frame{kind: frameData, source: 7, payload: long},
			[]frame{{kind: frameData, source: 7, payload: long[:maxFrame]}, {kind: frameData, source: 7, payload: long[maxFrame:]}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			fw := &frameWriter{w: &b}
			if err := fw.write(c.f); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == nil {
				want = []frame{c.f}
			}
			fr := frameReader{r: &b}
			for _, w := range want {
				got, err := fr.next()
				if err != nil {
					t.Fatal(err)
				}
				if got.kind != w.kind || got.stream != w.stream || got.source != w.source || !got.at.Equal(w.at) || !bytes.Equal(got.payload, w.payload) {
					t.Errorf("a frame of kind %d with %d bytes at %v came back as one of kind %d with %d at %v",
						w.kind, len(w.payload), w.at, got.kind, len(got.payload), got.at)
				}
			}
			if _, err := fr.next(); !errors.Is(err, io.EOF) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestFramesThatAreNone(t *testing.T) {
	t.Parallel()
	head := func(length byte, rest ...byte) []byte {
		return append([]byte{1, 1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, rest...)
	}
	for name, c := range map[string]struct {
		text []byte
		want error
	}{
		"nothing":            {nil, io.EOF},
		"half a header":      {head(0)[:7], io.ErrUnexpectedEOF},
		"no payload":         {head(3), io.ErrUnexpectedEOF},
		"half a payload":     {head(3, 'a'), io.ErrUnexpectedEOF},
		"longer than may be": {[]byte{1, 1, 0, 0, 1, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0}, errFrameTooLong},
		"longest of all":     {[]byte{1, 1, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0}, errFrameTooLong},
	} {
		fr := frameReader{r: bytes.NewReader(c.text)}
		if _, err := fr.next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadFramesUpToTheLast(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	fw := &frameWriter{w: &b}
	for i := range 3 {
		if err := fw.write(frame{kind: frameKind(200), payload: []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := fw.finish(exitAnswer{Code: 3}, nil); err != nil {
		t.Fatal(err)
	}
	var seen []byte
	var answer exitAnswer
	fr := frameReader{r: &b}
	err := fr.read(&answer, func(f frame) error { seen = append(seen, f.payload...); return nil })
	if err != nil || answer.Code != 3 || !cmp.Equal(seen, []byte{0, 1, 2}) {
		t.Errorf("%v, %+v, %v", seen, answer, err)
	}
	if err := fw.finish(nil, engine.Hint(engine.ErrConflict, "wait")); err != nil {
		t.Fatal(err)
	}
	if err := fr.read(&answer, nil); !errors.Is(err, engine.ErrConflict) || engine.HintOf(err) != "wait" {
		t.Errorf("%v", err)
	}
	for _, bad := range []frame{{kind: frameFailure, payload: []byte("x")}, {kind: frameResult, payload: []byte("x")}} {
		if err := fw.write(bad); err != nil {
			t.Fatal(err)
		}
		if err := fr.read(&answer, nil); err == nil {
			t.Errorf("%v is an answer", bad)
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	fw := &frameWriter{w: &b}
	for _, fr := range []frame{{kind: frameData, stream: 1, source: 1, at: time.Unix(1, 1), payload: []byte("x")}, {kind: frameInputEnd}} {
		if err := fw.write(fr); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{255}, 40))
	f.Fuzz(func(t *testing.T, text []byte) {
		fr := frameReader{r: bytes.NewReader(text)}
		var again bytes.Buffer
		out := &frameWriter{w: &again}
		for {
			got, err := fr.next()
			if err != nil {
				break
			}
			if err := out.write(got); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(text, again.Bytes()) {
			t.Errorf("%x was read as %x", text, again.Bytes())
		}
	})
}

// FuzzSession throws anything at the engine's end of a session, and at that of logs.
func FuzzSession(f *testing.F) {
	var b bytes.Buffer
	fw := &frameWriter{w: &b}
	for _, fr := range []frame{
		{kind: frameInput, payload: []byte("x")},
		{kind: frameResize, payload: []byte("[1,2]")},
		{kind: frameSignal, payload: []byte("SIGINT")},
		{kind: frameInputEnd},
		{kind: frameInputEnd},
		{kind: frameInput},
		{kind: frameSource, source: 1, payload: []byte("{}")},
		{kind: frameData, source: 1, payload: []byte("x")},
		{kind: frameExited, source: 1, payload: []byte("{}")},
		{kind: frameTaken},
	} {
		if err := fw.write(fr); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Fuzz(func(_ *testing.T, text []byte) {
		c := newClientEnd(&frameWriter{w: io.Discard})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, &c.input)
		}()
		c.read(bytes.NewReader(text))
		<-done
		logs := logReader{sources: map[uint16]*call.LogSource{}, emit: func(e call.LogEntry) error {
			if e.Source == nil {
				return fmt.Errorf("an entry of nobody")
			}
			return nil
		}}
		fr := frameReader{r: bytes.NewReader(text)}
		_ = fr.read(nil, logs.take)
		e := engineEnd{s: call.Streams{Stdout: io.Discard, Stderr: io.Discard}, taken: make(chan struct{}, inputWindow)}
		_, _ = e.receive(bytes.NewReader(text))
	})
}
