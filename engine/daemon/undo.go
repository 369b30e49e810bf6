package daemon

import (
	"context"
	"errors"
	"time"
)

// undo is a list of what must be taken back when a series of steps stops half way.
type undo struct{ steps []func(context.Context) error }

func (u *undo) add(step func(context.Context) error) { u.steps = append(u.steps, step) }

// keep forgets the list: all went well.
func (u *undo) keep() { u.steps = nil }

// run takes back, last first. It does so even when ctx has ended, within a bound.
func (u *undo) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	var errs []error
	for i := len(u.steps) - 1; i >= 0; i-- {
		errs = append(errs, u.steps[i](ctx))
	}
	u.steps = nil
	return errors.Join(errs...)
}

const undoTimeout = 30 * time.Second
