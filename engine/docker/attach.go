package docker

import (
	"context"
	"errors"
	"io"
	"net/http"

	"tiffin/engine"
	"tiffin/engine/call"
)

// attach connects a client with the first process of a container, which may start only
// later: that is how docker run does it.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) error {
	c, err := s.b.Inspect(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	if c.State.Status == engine.StatusPaused {
		return engine.Problem(engine.ErrConflict, errors.New("Container "+r.PathValue("id")+" is paused, unpause the container before attach."))
	}
	s.sessions.Add(1)
	defer s.sessions.Done()
	ctx, cancel := s.whileServing(context.WithoutCancel(r.Context()))
	defer cancel()
	a := &attachment{w: w, r: r, tty: c.Spec.TTY, cancel: cancel}
	req := &call.AttachRequest{
		Container: c.ID, Stdin: flag(r, "stdin"), Replay: flag(r, "logs"), DetachKeys: r.URL.Query().Get("detachKeys"),
	}
	if !flag(r, "stream") {
		return s.replay(w, r, &c)
	}
	streams := a.streams(flag(r, "stdout"), flag(r, "stderr"))
	_, err = s.b.Attach(ctx, req, streams)
	return a.end(err)
}

// attachment is a client's connection, once it is taken over.
type attachment struct {
	w      http.ResponseWriter
	r      *http.Request
	tty    bool
	cancel context.CancelFunc

	conn   *hijacked
	broken error
	out    lazyWriter
	in     lazyReader
}

// streams are the ends of the process's streams; they lead to the connection when it is
// taken over, which is when Ready is called.
func (a *attachment) streams(stdout, stderr bool) call.Streams { //nolint:revive // the client says which it wants
	a.out.to, a.in.from = io.Discard, eof{}
	out, err := outputs(&a.out, a.tty)
	if !stdout && !a.tty {
		out = io.Discard
	}
	if !stderr && !a.tty {
		err = io.Discard
	}
	return call.Streams{Stdin: &a.in, Stdout: out, Stderr: err, Ready: a.begin}
}

// begin takes the connection over.
func (a *attachment) begin() {
	conn, err := hijack(a.w, a.r, mediaType(a.tty))
	if err != nil {
		a.broken = err
		a.cancel()
		return
	}
	a.conn = &conn
	a.out.to, a.in.from = conn, conn.input(a.cancel)
}

// end closes the connection. An error before it was taken over is left to be answered.
func (a *attachment) end(err error) error {
	if a.conn == nil {
		return errors.Join(err, a.broken)
	}
	a.conn.end()
	return nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// replay sends the output so far, and no more.
func (s *Server) replay(w http.ResponseWriter, r *http.Request, c *engine.Container) error {
	conn, err := hijack(w, r, mediaType(c.Spec.TTY))
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // all was said
	if !flag(r, "logs") {
		return nil
	}
	out, errs := outputs(conn, c.Spec.TTY)
	return s.b.Logs(r.Context(), &call.LogRequest{
		Containers: []string{c.ID}, Tail: -1, Stdout: flag(r, "stdout"), Stderr: flag(r, "stderr"),
	}, func(e call.LogEntry) error {
		if e.Stream == call.Stderr {
			_, err = errs.Write(e.Data)
		} else {
			_, err = out.Write(e.Data)
		}
		return err
	})
}
