package network

import (
	"errors"
	"slices"
)

// undo is a list of steps that take back what was done, last first.
type undo []func() error

func (u *undo) add(step func() error) { *u = append(*u, step) }

// unless takes everything back when there is an error, and adds to it what went
// wrong on the way.
func (u undo) unless(err error) error {
	if err == nil {
		return nil
	}
	errs := []error{err}
	for _, step := range slices.Backward(u) {
		errs = append(errs, step())
	}
	return errors.Join(errs...)
}
