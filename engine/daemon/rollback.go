package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// rollBack undoes, as undo plans it, the updates that a walk did not come to the end of; why
// is its error. A caller who has left wants nothing more.
func (d *Daemon) rollBack(ctx context.Context, w *walk, req *call.UpRequest, undo func(now *plan.Observed) (*plan.Plan, error), why error) error {
	if ctx.Err() != nil {
		return why
	}
	now, err := d.observe(ctx, req.Stack.Name, &req.Stack)
	if err != nil {
		return errors.Join(why, err)
	}
	p, err := undo(now)
	if err != nil || len(p.Warnings) == 0 {
		return errors.Join(why, err)
	}
	back := d.newWalk(&req.Stack, nil, w.report)
	back.remember(now)
	if err := back.apply(ctx, p, req.Parallel); err != nil {
		return fmt.Errorf("%w; its rollback: %w", why, err)
	}
	return fmt.Errorf("%w (the update is rolled back)", why)
}

// pause lets some time pass.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
