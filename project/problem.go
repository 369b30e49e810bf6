package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tiffin/engine"
	"tiffin/project/shape"
)

// fault is something wrong at a place of the model. Rules that know only the model
// make faults; sources.locate gives them a line and a column.
type fault struct {
	path []string
	kind error
	text string
	tip  string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.kind }

// at reports that what path leads to is invalid.
func at(path []string, format string, args ...any) *fault {
	return &fault{path: path, kind: engine.ErrInvalid, text: fmt.Sprintf(format, args...)}
}

// hint adds what to do.
func (f *fault) hint(format string, args ...any) *fault {
	f.tip = fmt.Sprintf(format, args...)
	return f
}

// unsupported changes the kind: the file is right, tiffin cannot do it.
func (f *fault) unsupported() *fault {
	f.kind = engine.ErrUnsupported
	return f
}

// badValue gives a path to what a check found.
func badValue(path []string, err error) *fault {
	f := at(path, "%s: %s", dotted(path), err)
	var m *shape.ValueError
	if errors.As(err, &m) {
		f.tip = m.Tip
	}
	return f
}

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

func notFound(format string, args ...any) error {
	return engine.Problem(engine.ErrNotFound, fmt.Errorf(format, args...))
}

// plain is the reason in err without operation and path, which the text around it says.
func plain(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// unreadable says why a file that a Compose file names is not read, or "". Devices and
// pipes may have no end, and no file of a project is as large as the limit.
func unreadable(path string, limit int64) string {
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return plain(err).Error()
	case st.IsDir():
		return "is a directory"
	case !st.Mode().IsRegular():
		return "is not a regular file"
	case st.Size() > limit:
		if limit < 1<<20 {
			return fmt.Sprintf("is larger than %d KiB", limit>>10)
		}
		return fmt.Sprintf("is larger than %d MiB", limit>>20)
	default:
		return ""
	}
}
