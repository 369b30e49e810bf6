package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// A session is a call whose connection turns into frames both ways.
//
//	client                                   engine
//	POST exec, Upgrade: tiffin-frames  ──▶
//	                                   ◀──   101 Switching Protocols
//	input, resize, signal              ──▶
//	                                   ◀──   data, taken
//	inputEnd                           ──▶
//	                                   ◀──   result or failure; the connection is closed
//
// The client has at most inputWindow input frames under way that were not taken: the
// engine always reads on, so that a signal reaches a process that does not read its
// input, and it is noticed when the client goes away.
const (
	upgradeProtocol = "tiffin-frames"
	inputWindow     = 8
	maxInput        = 32 << 10
)

// errClientGone is why a call ends whose client closed the connection.
var errClientGone = errors.New("the client went away")

// lastWords is how long a session whose engine ends may take to say so.
const lastWords = time.Second

// session registers a call that is a session. do returns an exit code.
func session[Req any](s *Server, mux *http.ServeMux, name string, do func(context.Context, *Req, call.Streams) (int, error)) {
	handle(mux, name, func(w http.ResponseWriter, r *http.Request, req *Req) {
		s.takeOver(w, r, upgradeProtocol, func(ctx context.Context, cancel context.CancelCauseFunc, conn bufferedConn) {
			// The request's context does not end with the client once the connection is ours:
			// the reader of its frames takes that over.
			defer context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(lastWords)) })() // it is closed
			serveSession(ctx, cancel, conn, func(ctx context.Context, streams call.Streams) (int, error) {
				return do(ctx, req, streams)
			})
		})
	})
}

func serveSession(ctx context.Context, cancel context.CancelCauseFunc, conn bufferedConn, do func(context.Context, call.Streams) (int, error)) {
	out := &frameWriter{w: conn}
	from := newClientEnd(out)
	read := make(chan struct{})
	go func() {
		defer close(read)
		from.read(conn.in)
		cancel(errClientGone)
	}()
	code, err := do(ctx, call.Streams{
		Stdin: &from.input, Resize: from.resize, Signals: from.signals,
		Stdout: frameStream{out, call.Stdout}, Stderr: frameStream{out, call.Stderr},
	})
	answer := exitAnswer{Code: code}
	if errors.Is(err, engine.ErrDetached) {
		answer.Detached, err = true, nil
	}
	_ = out.finish(answer, endOf(ctx, err)) // or the client went away
	_ = conn.Close()                        // ends the reader
	<-read
}

// clientEnd takes in what a client sends.
type clientEnd struct {
	input   input
	frames  chan<- []byte // of input; nil after its end
	resize  chan [2]uint
	signals chan string
}

func newClientEnd(out *frameWriter) *clientEnd {
	frames := make(chan []byte, inputWindow)
	return &clientEnd{
		input:  input{frames: frames, gone: make(chan struct{}), out: out},
		frames: frames, resize: make(chan [2]uint, 1), signals: make(chan string, 16),
	}
}

// read passes on what the client sends until it goes away, or breaks the rules.
func (c *clientEnd) read(in io.Reader) {
	defer close(c.input.gone)
	fr := frameReader{r: in}
	for {
		f, err := fr.next()
		if err != nil || !c.take(f) {
			return
		}
	}
}

// take returns false for a frame that breaks the rules.
func (c *clientEnd) take(f frame) bool {
	switch f.kind {
	case frameInput:
		select {
		case c.frames <- append([]byte(nil), f.payload...):
		default:
			return false // more than it may send, or after the end
		}
	case frameInputEnd:
		if c.frames != nil {
			close(c.frames)
		}
		c.frames = nil
	case frameResize:
		var size [2]uint
		if json.Unmarshal(f.payload, &size) == nil {
			replace(c.resize, size)
		}
	case frameSignal:
		select {
		case c.signals <- string(f.payload):
		default: // nobody passes them on
		}
	default:
	}
	return true
}

// replace leaves v as the only message in ch, which has one place and one sender.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}

// input is the input that a client sends, for one reader.
type input struct {
	frames <-chan []byte
	rest   []byte
	gone   chan struct{} // closed when the client has gone away, or was left
	out    *frameWriter  // is told what was taken
}

// Read implements io.Reader. What was sent before the client went away is read.
func (in *input) Read(p []byte) (int, error) {
	if len(in.rest) == 0 {
		if err := in.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.rest)
	in.rest = in.rest[n:]
	if len(in.rest) > 0 {
		return n, nil
	}
	_ = in.out.write(frame{kind: frameTaken}) // or the client went away
	return n, nil
}

func (in *input) next() error {
	var ok bool
	select {
	case in.rest, ok = <-in.frames:
	default:
		select {
		case in.rest, ok = <-in.frames:
		case <-in.gone:
			return errClientGone
		}
	}
	if !ok {
		return io.EOF
	}
	return nil
}

// frameStream is one output stream of a process on its way to the client.
type frameStream struct {
	out    *frameWriter
	stream call.Stream
}

func (s frameStream) Write(p []byte) (int, error) {
	if err := s.out.write(frame{kind: frameData, stream: uint8(s.stream), payload: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}
