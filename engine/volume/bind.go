package volume

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// CheckBind returns the host path of a bind, which it makes as a directory if the
// mount asks for that.
//
// Errors: engine.ErrInvalid when there is nothing to be mounted.
func CheckBind(m engine.Mount) (string, error) {
	source := filepath.Clean(m.Source)
	if !filepath.IsAbs(source) {
		return "", engine.Problem(engine.ErrInvalid, fmt.Errorf("bind source %q of %s is not an absolute path", m.Source, m.Target))
	}
	_, err := os.Stat(source)
	if errors.Is(err, os.ErrNotExist) && m.CreateHostPath {
		err = os.MkdirAll(source, 0o755) //nolint:gosec // as Docker makes it, for whoever the container runs as
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", missingSource(source)
	case err != nil:
		return "", fmt.Errorf("bind source of %s: %w", m.Target, err)
	default:
		return source, nil
	}
}

func missingSource(path string) error {
	return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("bind source path does not exist: %s", path)),
		"make it, or let the engine do so with create_host_path: true")
}

// OpenSubpath opens a folder or file below the root of a volume or an image; nothing
// in there leads out of it. The descriptor has no rights but to be mounted.
//
// Errors: engine.ErrNotFound.
func OpenSubpath(root *os.File, subpath string) (*os.File, error) {
	f, err := pathrs.OpenatInRoot(root, subpath)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("subpath %q does not exist", subpath))
	case err != nil:
		return nil, fmt.Errorf("subpath %q: %w", subpath, err)
	default:
		return f, nil
	}
}
