package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"tiffin/engine"
)

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
