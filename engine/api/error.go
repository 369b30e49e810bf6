package api

import (
	"errors"
	"net/http"
	"slices"

	"tiffin/engine"
)

// wireError is an error on the wire.
type wireError struct {
	Kind    string `json:",omitempty"` // the text of one of engine.Kinds
	Message string
	Hint    string `json:",omitempty"`
	// ExitCode is set when the error is that a process ended with it.
	ExitCode *int `json:",omitempty"`
}

func toWire(err error) *wireError {
	w := &wireError{Message: err.Error(), Hint: engine.HintOf(err)}
	kinds := engine.Kinds()
	if i := slices.IndexFunc(kinds, func(kind error) bool { return errors.Is(err, kind) }); i >= 0 {
		w.Kind = kinds[i].Error()
	}
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		w.ExitCode = &exit.Code
	}
	return w
}

// remoteError is an error that came from the engine: its text as it was, its kind
// and exit code restored.
type remoteError struct {
	text string
	errs []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.errs }

func fromWire(w *wireError) error {
	e := &remoteError{text: w.Message}
	for _, kind := range engine.Kinds() {
		if w.Kind == kind.Error() {
			e.errs = append(e.errs, kind)
		}
	}
	if w.ExitCode != nil {
		e.errs = append(e.errs, &engine.ExitError{Code: *w.ExitCode})
	}
	if w.Hint == "" {
		return e
	}
	return engine.Hint(e, w.Hint)
}

// httpStatus is the status of a kind of error, as the Docker API has them.
func httpStatus(err error) int {
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, engine.ErrConflict):
		return http.StatusConflict
	case errors.Is(err, engine.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, engine.ErrDenied):
		return http.StatusForbidden
	case errors.Is(err, engine.ErrUnsupported):
		return http.StatusNotImplemented
	case errors.Is(err, engine.ErrUnavailable):
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
