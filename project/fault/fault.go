// Package fault has what is wrong at a path of a Compose project's model.
//
// Rules that know only the model make faults; package project, which has the texts,
// gives them a file, a line and a column.
package fault

import (
	"errors"
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/shape"
)

// Error is something wrong at a place of the model.
type Error struct {
	Path []string
	Kind error
	Text string
	Tip  string
}

func (f *Error) Error() string { return f.Text }
func (f *Error) Unwrap() error { return f.Kind }

// At reports that what path leads to is invalid.
func At(path []string, format string, args ...any) *Error {
	return &Error{Path: path, Kind: engine.ErrInvalid, Text: fmt.Sprintf(format, args...)}
}

// Hint adds what to do.
func (f *Error) Hint(format string, args ...any) *Error {
	f.Tip = fmt.Sprintf(format, args...)
	return f
}

// Unsupported changes the kind: the file is right, tiffin cannot do it.
func (f *Error) Unsupported() *Error {
	f.Kind = engine.ErrUnsupported
	return f
}

// BadValue gives a path to what a check found.
func BadValue(path []string, err error) *Error {
	f := At(path, "%s: %s", Dotted(path), err)
	var m *shape.ValueError
	if errors.As(err, &m) {
		f.Tip = m.Tip
	}
	return f
}

// In is the path of an attribute of a service.
func In(s *types.ServiceConfig, path ...string) []string {
	return append([]string{"services", s.Name}, path...)
}

// Dotted writes a path as services.web.image.
func Dotted(path []string) string { return strings.Join(path, ".") }
