package engine

import (
	"errors"
	"fmt"
)

// The kinds of error. A room wraps one where its caller can act on it; three tables
// turn them outward: the API's status, the client's way back, and the exit code.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")
	ErrInvalid     = errors.New("invalid")
	ErrDenied      = errors.New("denied")
	ErrUnsupported = errors.New("not supported")
	ErrUnavailable = errors.New("unavailable")
)

// ErrDetached ends an attachment that the user left by the detach keys; the container
// runs on.
var ErrDetached = errors.New("detached")

// Kinds lists the kinds, for the tables.
func Kinds() []error {
	return []error{ErrNotFound, ErrConflict, ErrInvalid, ErrDenied, ErrUnsupported, ErrUnavailable}
}

// problem is an error with its kind kept out of its text: the text says what
// happened, the kind says what can be done about it.
type problem struct {
	kind error
	text string
	err  error
}

func (p *problem) Error() string   { return p.text }
func (p *problem) Unwrap() []error { return []error{p.kind, p.err} }

// Problem gives err a kind without adding the kind's word to the text.
func Problem(kind, err error) error { return &problem{kind: kind, text: err.Error(), err: err} }

// hinted is an error with a line that says what to do.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// Hint adds to err the line that says what to do about it.
func Hint(err error, hint string) error { return &hinted{error: err, hint: hint} }

// HintOf returns the outermost hint of err, or "".
func HintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

// ExitError carries the exit code of a process that a command ran.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }
