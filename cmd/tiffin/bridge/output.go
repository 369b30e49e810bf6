package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tiffin/engine"
)

// spares refuses an output, which is emptied, with something in it that convert reads. Links are followed.
func spares(output string, files []string) error {
	real := func(path string) string {
		if r, err := filepath.EvalSymlinks(path); err == nil {
			return r
		}
		return path
	}
	for _, f := range files {
		if f == "" || f == "-" {
			continue
		}
		rel, err := filepath.Rel(real(output), real(f))
		if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
			continue
		}
		return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("output directory %s is emptied first, and %s is in it", output, f)),
			"name a directory of its own with -o")
	}
	return nil
}

// prepare makes the output, empty; it asks before anything is deleted. shown is what the caller calls it.
func prepare(output, shown string, confirm func(question string) bool) error {
	entries, err := os.ReadDir(output)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("cannot read output folder: %w", err))
	case len(entries) == 0:
	case !confirm(fmt.Sprintf("Output directory '%s' is not empty, all its content will be permanently deleted. Continue?", shown)):
		return engine.Hint(engine.Problem(engine.ErrDenied, fmt.Errorf("deletion of output directory '%s' was not confirmed", shown)),
			"name another one with -o, or answer with -y")
	}
	// The directory itself stays: it may be a mount, or somebody else's.
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(output, e.Name())); err != nil {
			return fmt.Errorf("cannot remove existing output: %w", err)
		}
	}
	if err := os.MkdirAll(output, 0o755); err != nil { //nolint:gosec // as any directory that the user makes
		return fmt.Errorf("make output directory: %w", err)
	}
	return nil
}
