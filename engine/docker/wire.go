package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/common"

	"tiffin/engine"
)

// maxBody bounds what a client sends as JSON.
const maxBody = 8 << 20

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

func conflict(format string, args ...any) error {
	return engine.Problem(engine.ErrConflict, fmt.Errorf(format, args...))
}

// statusOf is the HTTP status that Docker has for a kind of error. Of several, the first here counts.
func statusOf(err error) int {
	for _, k := range []struct {
		kind   error
		status int
	}{
		{engine.ErrInvalid, http.StatusBadRequest},
		{engine.ErrUnsupported, http.StatusNotImplemented},
		{engine.ErrDenied, http.StatusForbidden},
		{engine.ErrConflict, http.StatusConflict},
		{engine.ErrNotFound, http.StatusNotFound},
		{engine.ErrUnavailable, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, k.kind) {
			return k.status
		}
	}
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return http.StatusBadRequest // a command that cannot be run
	}
	return http.StatusInternalServerError
}

// message is the text of an error. Clients match on Docker's own; where tiffin says no, it
// says what to do, too.
func message(err error) string {
	if hint := engine.HintOf(err); hint != "" && errors.Is(err, engine.ErrUnsupported) {
		return err.Error() + ": " + hint
	}
	return err.Error()
}

func writeError(w http.ResponseWriter, err error) {
	writeJSON(w, statusOf(err), common.ErrorResponse{Message: message(err)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // or the client went away
}

// handle registers a route that answers with JSON, or with nothing (204) when the answer is nil.
func (s *Server) handle(pattern string, do func(*http.Request) (any, error)) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		answer, err := do(r)
		var as status
		switch {
		case err != nil:
			writeError(w, err)
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			as.code = http.StatusOK
			if given, ok := answer.(status); ok {
				as = given
				answer = given.body
			}
			if answer == nil {
				w.WriteHeader(as.code)
				return
			}
			writeJSON(w, as.code, answer)
		}
	})
}

// status is an answer with another status than 200.
type status struct {
	code int
	body any
}

func created(body any) status { return status{http.StatusCreated, body} }

// stream registers a route that writes its answer itself. An error before the first byte
// becomes the answer.
func (s *Server) stream(pattern string, do func(http.ResponseWriter, *http.Request) error) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		out := &lateWriter{ResponseWriter: w}
		err := do(out, r)
		switch {
		case err == nil:
		case !out.begun:
			writeError(w, err)
		default:
			s.cfg.Log.Debug("answer cut short", "route", pattern, "err", err)
		}
	})
}

// lateWriter knows whether the answer has begun.
type lateWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *lateWriter) WriteHeader(code int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(code)
}

func (w *lateWriter) Write(p []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what the server can do.
func (w *lateWriter) Unwrap() http.ResponseWriter {
	w.begun = true
	return w.ResponseWriter
}

// decode reads a JSON body. Fields that nobody knows are ignored, as by Docker.
//
// Errors: engine.ErrInvalid.
func decode(r *http.Request, into any) error {
	if kind := r.Header.Get("Content-Type"); kind != "" || r.ContentLength != 0 {
		media, _, err := mime.ParseMediaType(kind)
		if err != nil || media != "application/json" {
			return invalid("unsupported Content-Type header (%s): must be 'application/json'", kind)
		}
	}
	body := http.MaxBytesReader(nil, r.Body, maxBody)
	err := json.NewDecoder(body).Decode(into)
	switch {
	case errors.Is(err, io.EOF):
		return invalid("invalid JSON: got EOF while reading request body")
	case err != nil:
		return invalid("invalid JSON: %w", err)
	}
	// Reading to the end lets the server notice a client that goes away.
	if _, err := io.Copy(io.Discard, body); err != nil {
		return invalid("invalid JSON: %w", err)
	}
	return nil
}

// decodeOptional is decode for bodies that need not be there.
func decodeOptional(r *http.Request, into any) error {
	if r.ContentLength == 0 || r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	return decode(r, into)
}

// flag reads a truth value of the query as Docker does: all but a few words are true.
func flag(r *http.Request, name string) bool {
	switch strings.ToLower(strings.TrimSpace(r.URL.Query().Get(name))) {
	case "", "0", "no", "false", "none":
		return false
	default:
		return true
	}
}

// number reads a number of the query; not there, it is def.
func number(r *http.Request, name string, def int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, invalid("invalid value %q for %s", text, name)
	}
	return n, nil
}
