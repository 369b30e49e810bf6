package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"tiffin/engine"
)

// maxBody bounds a request: a Stack with its configs and secrets.
const maxBody = 64 << 20

// answer registers a call that answers once.
func answer[Req, Resp any](mux *http.ServeMux, name string, do func(context.Context, *Req) (Resp, error)) {
	handle(mux, name, func(w http.ResponseWriter, r *http.Request, req *Req) {
		resp, err := do(r.Context(), req)
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(resp) // or the client went away
	})
}

// progress registers a call that reports progress before it answers.
func progress[Req, Resp any](mux *http.ServeMux, name string, do func(context.Context, *Req, engine.Report) (Resp, error)) {
	handle(mux, name, func(w http.ResponseWriter, r *http.Request, req *Req) {
		out := newReporter(newLineWriter(w))
		result, err := do(r.Context(), req, out.report)
		_ = out.finish(result, err) // or the client went away
	})
}

// requestHeader carries the request of an upload, whose body is the data.
const requestHeader = "X-Tiffin-Request"

// upload registers a call that reads a body of any length, and may report progress.
func upload[Req, Resp any](mux *http.ServeMux, name string, do func(context.Context, *Req, io.Reader, engine.Report) (Resp, error)) {
	mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		req := new(Req)
		if err := json.Unmarshal([]byte(r.Header.Get(requestHeader)), req); err != nil {
			writeError(w, unreadable(err))
			return
		}
		out := newReporter(newLineWriter(w))
		result, err := do(r.Context(), req, r.Body, out.report)
		_ = out.finish(result, err) // or the client went away
	})
}

// events registers the call that answers with events as they come.
func events(mux *http.ServeMux, name string, b System) {
	handle(mux, name, func(w http.ResponseWriter, r *http.Request, req *eventsRequest) {
		ctx, cancel := whileServing(r.Context())
		defer cancel(nil)
		out := newLineWriter(w)
		// The first, empty line tells the client that it misses nothing from here on.
		ready := func() { _ = out.write(line{}) } // or the client went away
		err := b.Events(ctx, req.Since, req.Until, ready, func(ev engine.Event) error { return out.write(line{Event: &ev}) })
		_ = out.finish(empty{}, endOf(ctx, err)) // or the client went away
	})
}

// frames registers a call that answers with frames. They are buffered until flush.
func frames[Req any](mux *http.ServeMux, name string, do func(ctx context.Context, req *Req, out *frameWriter, flush func() error) error) {
	handle(mux, name, func(w http.ResponseWriter, r *http.Request, req *Req) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.WriteHeader(http.StatusOK)
		buffered := bufio.NewWriterSize(w, 64<<10)
		out := &frameWriter{w: buffered}
		flush := func() error { return errors.Join(buffered.Flush(), http.NewResponseController(w).Flush()) }
		err := do(r.Context(), req, out, flush)
		_ = errors.Join(out.finish(empty{}, err), flush()) // or the client went away
	})
}

// handle registers a call whose request is JSON.
func handle[Req any](mux *http.ServeMux, name string, do func(http.ResponseWriter, *http.Request, *Req)) {
	mux.HandleFunc("POST "+prefix+name, func(w http.ResponseWriter, r *http.Request) {
		req, err := decode[Req](w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		do(w, r, req)
	})
}

func decode[Req any](w http.ResponseWriter, r *http.Request) (*Req, error) {
	body := http.MaxBytesReader(w, r.Body, maxBody)
	req := new(Req)
	if err := json.NewDecoder(body).Decode(req); err != nil {
		return nil, unreadable(err)
	}
	// Reading to the end lets the server notice a client that goes away.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return nil, unreadable(err)
	}
	return req, nil
}

func unreadable(err error) error {
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		err = fmt.Errorf("it is longer than %d MiB", long.Limit>>20)
	}
	return engine.Problem(engine.ErrInvalid, fmt.Errorf("read request: %w", err))
}

func writeError(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus(err))
	_ = json.NewEncoder(w).Encode(toWire(err)) // or the client went away
}
