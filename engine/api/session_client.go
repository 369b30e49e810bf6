package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"

	"tiffin/engine"
	"tiffin/engine/call"
)

// session makes a call whose connection turns into frames both ways, and returns the
// exit code. When ctx ends the connection is closed.
func (c *Client) session(ctx context.Context, name string, req any, s call.Streams) (int, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	defer conn.Close()                                          //nolint:errcheck // all was said
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // which ends the call
	in, err := c.upgrade(ctx, conn, upgrading{name: name, protocol: upgradeProtocol, req: req})
	if err != nil {
		return 0, err
	}
	e := engineEnd{s: s, taken: make(chan struct{}, inputWindow), over: make(chan struct{})}
	defer close(e.over)
	e.send(&frameWriter{w: conn})
	code, err := e.receive(in)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return code, err
}

// upgrading is a call that changes the protocol of its connection.
type upgrading struct {
	name, protocol string
	req            any
}

// upgrade sends the request, and returns what reads the new protocol.
func (c *Client) upgrade(ctx context.Context, conn net.Conn, u upgrading) (*bufio.Reader, error) {
	body, err := json.Marshal(u.req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	r, err := newRequest(ctx, u.name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", u.protocol)
	if err := r.Write(conn); err != nil {
		return nil, c.unreachable(ctx, err)
	}
	in := bufio.NewReaderSize(conn, 64<<10)
	resp, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close() //nolint:errcheck // it was only read
		return nil, refusal(resp)
	}
	return in, nil
}

// engineEnd talks to the engine in a session.
type engineEnd struct {
	s     call.Streams
	taken chan struct{} // a message for each input frame that was taken
	over  chan struct{} // closed when the session has ended
}

// send sends input, sizes and signals until the session has ended. A read of the
// client's input cannot be interrupted: its goroutine ends with the next byte or with
// the program.
func (e *engineEnd) send(out *frameWriter) {
	if e.s.Stdin != nil {
		go e.sendInput(out)
	}
	go e.sendControl(out)
}

func (e *engineEnd) sendInput(out *frameWriter) {
	buf := make([]byte, maxInput)
	for free := inputWindow; ; {
		n, err := e.s.Stdin.Read(buf)
		if n > 0 && free == 0 {
			select {
			case <-e.taken:
				free++
			case <-e.over:
				return
			}
		}
		if n > 0 {
			free--
			if out.write(frame{kind: frameInput, payload: buf[:n]}) != nil {
				return
			}
		}
		if err != nil {
			_ = out.write(frame{kind: frameInputEnd}) // or the engine went away
			return
		}
	}
}

func (e *engineEnd) sendControl(out *frameWriter) {
	for {
		var err error
		select {
		case size := <-e.s.Resize:
			err = out.writeJSON(frameResize, 0, size)
		case name := <-e.s.Signals:
			err = out.write(frame{kind: frameSignal, payload: []byte(name)})
		case <-e.over:
			return
		}
		if err != nil {
			return
		}
	}
}

// receive copies output until the result comes.
func (e *engineEnd) receive(in io.Reader) (int, error) {
	var answer exitAnswer
	fr := frameReader{r: in}
	if err := fr.read(&answer, e.take); err != nil {
		return 0, err
	}
	if answer.Detached {
		return 0, engine.ErrDetached
	}
	return answer.Code, nil
}

func (e *engineEnd) take(f frame) error {
	switch f.kind {
	case frameData:
		w := e.s.Stdout
		if call.Stream(f.stream) == call.Stderr {
			w = e.s.Stderr
		}
		if w == nil {
			return nil
		}
		if _, err := w.Write(f.payload); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	case frameTaken:
		select {
		case e.taken <- struct{}{}:
		default: // more than were sent
		}
	default:
	}
	return nil
}
