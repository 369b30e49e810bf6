package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"tiffin/engine"
)

// upgradeProtocol is the name under which a connection turns into frames both ways.
const upgradeProtocol = "tiffin-frames"

// eventsRequest asks for events; zero times are open ends.
type eventsRequest struct{ Since, Until time.Time }

func streamCalls(mux *http.ServeMux, b Backend) {
	mux.HandleFunc("POST "+prefix+"events", func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[eventsRequest](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		out := newLineWriter(w)
		// The first, empty line tells the client that it misses nothing from here on.
		ready := func() { _ = out.write(line{}) } //nolint:errcheck // the client went away
		err = b.Events(r.Context(), req.Since, req.Until, ready, func(ev engine.Event) error { return out.write(line{Event: &ev}) })
		_ = out.finish(empty{}, err) //nolint:errcheck // the client went away
	})
	mux.HandleFunc("POST "+prefix+"logs", func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[engine.LogRequest](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		serveLogs(w, r.Context(), b, req) //nolint:revive // the writer comes first, as in net/http
	})
	hijack(mux, "exec", func(ctx context.Context, r *execRequest, s Streams) (int, error) {
		return b.Exec(ctx, r.ID, &r.Exec, s)
	})
	hijack(mux, "attach", b.Attach)
}

func serveLogs(w http.ResponseWriter, ctx context.Context, b Containers, req *engine.LogRequest) { //nolint:revive // as in net/http
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusOK)
	out := &frameWriter{w: bufio.NewWriterSize(w, 64<<10)}
	buffered, _ := out.w.(*bufio.Writer)
	flush := func() error {
		if err := buffered.Flush(); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	}
	if req.Follow {
		out.flush = flush
	}
	numbers := map[*engine.LogSource]uint16{}
	err := b.Logs(ctx, req, func(e engine.LogEntry) error { return writeLogEntry(out, numbers, e) })
	out.flush = flush
	finishFrames(out, empty{}, err)
}

func writeLogEntry(out *frameWriter, numbers map[*engine.LogSource]uint16, e engine.LogEntry) error {
	n, known := numbers[e.Source]
	if !known {
		n = uint16(len(numbers) + 1)
		numbers[e.Source] = n
		if err := out.writeJSON(frameSource, n, e.Source); err != nil {
			return err
		}
	}
	if e.Exit != nil {
		return out.writeJSON(frameExited, n, e.Exit)
	}
	return out.write(frame{kind: frameData, stream: uint8(e.Stream), source: n, at: e.Time, payload: e.Data})
}

func finishFrames(out *frameWriter, result any, err error) {
	if err != nil {
		_ = out.writeJSON(frameFailure, 0, toWire(err)) //nolint:errcheck // the client went away
		return
	}
	_ = out.writeJSON(frameResult, 0, result) //nolint:errcheck // the client went away
}

// hijack registers a call whose connection turns into frames both ways.
func hijack[Req any](mux *http.ServeMux, name string, do func(context.Context, *Req, Streams) (int, error)) {
	mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[Req](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			writeError(w, fmt.Errorf("take over the connection: %w", err))
			return
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+upgradeProtocol+"\r\n\r\n"); err != nil {
			return
		}
		// The request's context no longer ends with the client once the connection is
		// ours: the reader of its frames takes that over.
		ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
		defer cancel(nil)
		serveFrames(ctx, cancel, conn, rw.Reader, func(ctx context.Context, s Streams) (int, error) { return do(ctx, req, s) })
	})
}

// errClientGone is why a call ends whose client closed the connection.
var errClientGone = errors.New("the client went away")

func serveFrames(ctx context.Context, cancel context.CancelCauseFunc, conn net.Conn, in *bufio.Reader, do func(context.Context, Streams) (int, error)) {
	out := &frameWriter{w: conn}
	stdin, stdinW := io.Pipe()
	resize := make(chan [2]uint, 4)
	signals := make(chan string, 4)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := readClient(in, clientFrames{stdin: stdinW, resize: resize, signals: signals})
		stdinW.CloseWithError(err)
		cancel(errClientGone)
	}()
	code, err := do(ctx, Streams{
		Stdin:  stdin,
		Stdout: frameStream{out, engine.Stdout}, Stderr: frameStream{out, engine.Stderr},
		Resize: resize, Signals: signals,
	})
	stdin.Close()
	answer := exitAnswer{Code: code}
	if errors.Is(err, engine.ErrDetached) {
		answer.Detached, err = true, nil
	}
	finishFrames(out, answer, err)
	conn.Close()
	<-done
}

type clientFrames struct {
	stdin   *io.PipeWriter
	resize  chan<- [2]uint
	signals chan<- string
}

// readClient passes on what the client sends, until it goes away.
func readClient(in io.Reader, to clientFrames) error {
	var buf []byte
	for {
		f, err := readFrame(in, &buf)
		if err != nil {
			return errClientGone
		}
		switch f.kind {
		case frameInput:
			// A process that does not read any more loses its input, nothing else.
			_, _ = to.stdin.Write(f.payload) //nolint:errcheck // see above
		case frameInputEnd:
			to.stdin.Close()
		case frameResize:
			var size [2]uint
			if json.Unmarshal(f.payload, &size) == nil {
				offer(to.resize, size)
			}
		case frameSignal:
			offer(to.signals, string(f.payload))
		default:
		}
	}
}

// offer leaves a message out rather than wait: the next size counts, not each.
func offer[T any](ch chan<- T, v T) {
	select {
	case ch <- v:
	default:
	}
}

// frameStream is one output stream of a process on its way to the client.
type frameStream struct {
	out    *frameWriter
	stream engine.Stream
}

func (s frameStream) Write(p []byte) (int, error) {
	if err := s.out.write(frame{kind: frameData, stream: uint8(s.stream), payload: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}
