package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Client is the caller's end of the socket. It may be used by many at once.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client of the engine that listens on socket. It connects with
// each call.
func NewClient(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
		DisableCompression: true,
		DisableKeepAlives:  true,
	}
	return c
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", c.socket)
}

// ask makes a call that answers once.
func ask[Resp any](ctx context.Context, c *Client, name string, req any) (Resp, error) {
	var out Resp
	resp, err := c.post(ctx, name, req)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return out, c.unreachable(ctx, err)
	}
	return out, nil
}

// lineAnswer is what becomes of an answer in lines.
type lineAnswer struct {
	report engine.Report // may be nil
	result any           // may be nil
}

func (a lineAnswer) take(ln line) error {
	if ln.Progress != nil && a.report != nil {
		a.report(*ln.Progress)
	}
	return nil
}

// progress makes a call that reports progress before it answers.
func (c *Client) progress(ctx context.Context, name string, req any, a lineAnswer) error {
	return c.lines(ctx, name, req, a.result, a.take)
}

// lines makes a call that answers in lines.
func (c *Client) lines(ctx context.Context, name string, req, result any, on func(line) error) error {
	resp, err := c.post(ctx, name, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	return orCause(ctx, readLines(resp.Body, result, on))
}

// upload makes a call with a body of any length. It ends with its context also when the body
// is one that nothing comes of any more; what it has begun to read is then lost.
func (c *Client) upload(ctx context.Context, name string, req any, body io.Reader, a lineAnswer) error {
	text, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	// The transport waits for its last read of a body, however the call has ended.
	pipe, fill := io.Pipe()
	go func() {
		_, err := io.Copy(fill, body)
		_ = fill.CloseWithError(err)
	}()
	defer pipe.Close() //nolint:errcheck // a pipe's never fails
	defer context.AfterFunc(ctx, func() { _ = pipe.CloseWithError(context.Cause(ctx)) })()
	r, err := newRequest(ctx, name, pipe)
	if err != nil {
		return err
	}
	r.Header.Set(requestHeader, string(text))
	resp, err := c.do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	return orCause(ctx, readLines(resp.Body, a.result, a.take))
}

// frames makes a call that answers in frames.
func (c *Client) frames(ctx context.Context, name string, req any, on func(frame) error) error {
	resp, err := c.post(ctx, name, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	fr := frameReader{r: bufio.NewReaderSize(resp.Body, 256<<10)}
	return orCause(ctx, fr.read(nil, on))
}

// orCause is err, or why ctx ended, which is then why there is an err.
func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func newRequest(ctx context.Context, name string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tiffin"+prefix+name, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	return r, nil
}

func (c *Client) post(ctx context.Context, name string, req any) (*http.Response, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	r, err := newRequest(ctx, name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return c.do(r)
}

// do makes a request.
//
// Errors: what the engine answered; engine.ErrUnavailable without an answer.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.unreachable(r.Context(), err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	return nil, refusal(resp)
}

// refusal is the error in an answer.
func refusal(resp *http.Response) error {
	var w wireError
	if err := json.NewDecoder(resp.Body).Decode(&w); err != nil || w.Message == "" {
		return fmt.Errorf("the engine answered %s to %s", resp.Status, resp.Request.URL.Path)
	}
	return fromWire(&w)
}

// unreachable is the error of a call that has no answer, or not all of it.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var e *url.Error
	if errors.As(err, &e) {
		err = e.Err
	}
	// net.ErrClosed: the transport saw the end first, and what was being written failed of that.
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, unix.ECONNRESET, unix.EPIPE} {
		if errors.Is(err, cut) {
			return errTruncated
		}
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		err = fmt.Errorf("no engine listens at %s", c.socket)
	} else {
		err = fmt.Errorf("talk to the engine at %s: %w", c.socket, err)
	}
	return engine.Problem(engine.ErrUnavailable, err)
}
