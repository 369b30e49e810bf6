package container

import (
	"context"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// AwaitExit returns the exit code of the container once a condition is met. ready is
// called when its next end cannot be missed any more.
//
// Errors: those of ctx.
func (c *Container) AwaitExit(ctx context.Context, condition call.WaitCondition, ready func()) (int, error) {
	await := c.AwaitStop
	switch condition {
	case call.WaitNextExit:
		await = c.nextEnd()
	case call.WaitRemoved:
		await = c.awaitGone
	default:
	}
	ready()
	record := await(ctx)
	return record.State.ExitCode, context.Cause(ctx)
}

// AwaitStop returns the record once no process runs and none is about to; or when ctx ends.
func (c *Container) AwaitStop(ctx context.Context) engine.Container {
	return c.watchUntil(ctx, func(r *engine.Container) bool {
		return r.Ended() || r.State.Status == engine.StatusCreated
	})
}

// awaitGone returns the record once the container was removed; or when ctx ends.
func (c *Container) awaitGone(ctx context.Context) engine.Container {
	return c.watchUntil(ctx, func(*engine.Container) bool { return false })
}

// nextEnd is how the next end of the container is waited for, also by who is slow: what it
// returns knows when it was made.
func (c *Container) nextEnd() func(context.Context) engine.Container {
	before := c.LastEnd().FinishedAt
	failed := c.Snapshot().State.Error != "" // an earlier start; another one is to come
	return func(ctx context.Context) engine.Container {
		record := c.watchUntil(ctx, func(r *engine.Container) bool {
			failed = failed && r.State.Status != engine.StatusStarting
			return c.LastEnd().FinishedAt != before || !failed && r.State.Status == engine.StatusCreated && r.State.Error != ""
		})
		if last := c.LastEnd(); last.FinishedAt != before {
			record.State = last
		}
		return record
	}
}

// comingEnd is AwaitEnd for a container that may not run yet: what ended before is no end.
func (c *Container) comingEnd() func(context.Context) engine.Container {
	if c.running() != nil {
		return c.AwaitEnd
	}
	return c.nextEnd()
}

// awaitProcess waits until the container has a process, or had one since a time and it has
// ended, or will not have one: it could not be started, it was removed, or ctx ends.
func (c *Container) awaitProcess(ctx context.Context, since time.Time) {
	failed := c.Snapshot().State.Error != "" // an earlier start; another one is to come
	c.watchUntil(ctx, func(r *engine.Container) bool {
		failed = failed && r.State.Status != engine.StatusStarting
		return c.running() != nil || c.LastEnd().FinishedAt.After(since) || !failed && r.Ended() && r.State.Error != ""
	})
}

// watchUntil returns the record once it is as it should be, or the container has gone, or
// ctx ends.
func (c *Container) watchUntil(ctx context.Context, done func(*engine.Container) bool) engine.Container {
	for {
		record, changed := c.Watch()
		if done(&record) {
			return record
		}
		select {
		case <-changed:
		case <-c.Gone:
			return c.Snapshot()
		case <-ctx.Done():
			return record
		}
	}
}
