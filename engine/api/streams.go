package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"tiffin/engine"
)

// Logs calls emit for each entry.
func (c *Client) Logs(ctx context.Context, req *engine.LogRequest, emit func(engine.LogEntry) error) error {
	resp, err := c.postJSON(ctx, "logs", req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = readLogs(bufio.NewReaderSize(resp.Body, 256<<10), emit)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func readLogs(r io.Reader, emit func(engine.LogEntry) error) error {
	var buf []byte
	sources := map[uint16]*engine.LogSource{}
	for {
		f, err := readFrame(r, &buf)
		if err != nil {
			return errTruncated
		}
		e := engine.LogEntry{Source: sources[f.source], Time: f.at, Stream: engine.Stream(f.stream)}
		switch f.kind {
		case frameSource:
			src := &engine.LogSource{}
			if err := json.Unmarshal(f.payload, src); err != nil {
				return fmt.Errorf("read logs: %w", err)
			}
			sources[f.source] = src
			continue
		case frameData:
			e.Data = f.payload
		case frameExited:
			e.Exit = &engine.LogExit{}
			if err := json.Unmarshal(f.payload, e.Exit); err != nil {
				return fmt.Errorf("read logs: %w", err)
			}
		case frameResult:
			return nil
		case frameFailure:
			return failure(f.payload)
		default:
			continue
		}
		if err := emit(e); err != nil {
			return err
		}
	}
}

func failure(payload []byte) error {
	var w wireError
	if err := json.Unmarshal(payload, &w); err != nil {
		return fmt.Errorf("read failure: %w", err)
	}
	return fromWire(&w)
}

// Exec runs a further process in a container and returns its exit code.
func (c *Client) Exec(ctx context.Context, id string, req *engine.ExecRequest, s Streams) (int, error) {
	return c.hijack(ctx, "exec", execRequest{id, *req}, s)
}

// Attach attaches to a container's first process and returns its exit code.
//
// Errors: engine.ErrDetached when the user typed the detach keys.
func (c *Client) Attach(ctx context.Context, req *engine.AttachRequest, s Streams) (int, error) {
	return c.hijack(ctx, "attach", req, s)
}

// hijack makes a call whose connection turns into frames both ways. When ctx ends the
// connection is closed.
func (c *Client) hijack(ctx context.Context, name string, req any, s Streams) (int, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return 0, fmt.Errorf("encode request: %w", err)
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tiffin"+prefix+name, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", upgradeProtocol)
	if err := r.Write(conn); err != nil {
		return 0, c.unreachable(ctx, err)
	}
	in := bufio.NewReaderSize(conn, 64<<10)
	resp, err := http.ReadResponse(in, r)
	if err != nil {
		return 0, c.unreachable(ctx, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		defer resp.Body.Close()
		var w wireError
		if err := json.NewDecoder(resp.Body).Decode(&w); err != nil {
			return 0, fmt.Errorf("the engine answered %s to %q", resp.Status, name)
		}
		return 0, fromWire(&w)
	}
	end := make(chan struct{})
	defer close(end)
	sendFrames(&frameWriter{w: conn}, s, end)
	code, err := receiveFrames(in, s)
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return code, err
}

// sendFrames sends input, sizes and signals until end is closed. A read of the
// client's input cannot be interrupted: its goroutine ends with the next byte or with
// the program.
func sendFrames(out *frameWriter, s Streams, end <-chan struct{}) {
	if s.Stdin != nil {
		go func() {
			buf := make([]byte, 32<<10)
			for {
				n, err := s.Stdin.Read(buf)
				if n > 0 && out.write(frame{kind: frameInput, payload: buf[:n]}) != nil {
					return
				}
				if err != nil {
					_ = out.write(frame{kind: frameInputEnd}) //nolint:errcheck // the engine went away
					return
				}
			}
		}()
	}
	go func() {
		for {
			var err error
			select {
			case size := <-s.Resize:
				err = out.writeJSON(frameResize, 0, size)
			case name := <-s.Signals:
				err = out.write(frame{kind: frameSignal, payload: []byte(name)})
			case <-end:
				return
			}
			if err != nil {
				return
			}
		}
	}()
}

// receiveFrames copies output until the result comes.
func receiveFrames(in io.Reader, s Streams) (int, error) {
	var buf []byte
	for {
		f, err := readFrame(in, &buf)
		if err != nil {
			return 0, errTruncated
		}
		switch f.kind {
		case frameData:
			w := s.Stdout
			if engine.Stream(f.stream) == engine.Stderr {
				w = s.Stderr
			}
			if _, err := w.Write(f.payload); err != nil {
				return 0, fmt.Errorf("write output: %w", err)
			}
		case frameResult:
			var a exitAnswer
			if err := json.Unmarshal(f.payload, &a); err != nil {
				return 0, fmt.Errorf("read result: %w", err)
			}
			if a.Detached {
				return 0, engine.ErrDetached
			}
			return a.Code, nil
		case frameFailure:
			return 0, failure(f.payload)
		default:
		}
	}
}
