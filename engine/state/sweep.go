package state

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// SweepFolder removes what is in a folder and in no record.
func SweepFolder(root string, known func(string) bool) error {
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if !known(e.Name()) {
			errs = append(errs, os.RemoveAll(filepath.Join(root, e.Name())))
		}
	}
	return errors.Join(errs...)
}
