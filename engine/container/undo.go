package container

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Undo is a list of what must be taken back when a series of steps stops half way.
type Undo struct{ steps []func(context.Context) error }

// Add puts a step on the list.
func (u *Undo) Add(step func(context.Context) error) { u.steps = append(u.steps, step) }

// Keep forgets the list: all went well.
func (u *Undo) Keep() { u.steps = nil }

// Run takes back, last first. It does so even when ctx has ended, within a bound.
func (u *Undo) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var errs []error
	for _, step := range slices.Backward(u.steps) {
		errs = append(errs, step(ctx))
	}
	u.steps = nil
	return errors.Join(errs...)
}

const undoTimeout = 30 * time.Second

// ignoring is err, unless it is of that kind.
func ignoring(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}
