package single

import (
	"context"
	"strconv"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
)

// Owner has the containers.
type Owner interface {
	// Container finds a container by ID, name, or a prefix of its ID that is its alone.
	Container(ref string) (*container.Container, error)
	// Enter begins a call; it ends with the engine.
	Enter(ctx context.Context) (_ context.Context, leave func(), err error)
	GiveName(c *container.Container, name string) error
	SaveContainer(c *engine.Container) error
	Publish(ev engine.Event)
}

// Ops are what can be done with one container. Methods may be called by many at once.
type Ops struct{ Owner Owner }

// Inspect returns a container.
func (o Ops) Inspect(_ context.Context, ref string) (engine.Container, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return engine.Container{}, err
	}
	return c.Snapshot(), nil
}

// on does something to a container while the engine does not end.
func (o Ops) on(ctx context.Context, ref string, do func(context.Context, *container.Container) error) error {
	ctx, leave, err := o.Owner.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	c, err := o.Owner.Container(ref)
	if err != nil {
		return err
	}
	return do(ctx, c)
}

// Start starts a container. One that has begun to start comes to its end, whatever becomes
// of ctx.
func (o Ops) Start(ctx context.Context, ref string) error {
	return o.on(ctx, ref, func(ctx context.Context, c *container.Container) error {
		return c.Super.Start(context.WithoutCancel(ctx))
	})
}

// Stop stops a container.
func (o Ops) Stop(ctx context.Context, ref string, how *call.StopRequest) error {
	return o.on(ctx, ref, func(ctx context.Context, c *container.Container) error { return stop(ctx, c, how) })
}

func stop(ctx context.Context, c *container.Container, how *call.StopRequest) error {
	grace := c.Super.StopTimeout()
	if how.Timeout != nil {
		grace = time.Duration(*how.Timeout)
	}
	if how.Signal == "" {
		return c.Super.Stop(ctx, grace)
	}
	sig, err := container.ParseSignal(how.Signal)
	if err != nil {
		return err
	}
	return c.Super.StopWith(ctx, sig, grace)
}

// Restart stops a container, if it runs, and starts it.
func (o Ops) Restart(ctx context.Context, ref string, how *call.StopRequest) error {
	return o.on(ctx, ref, func(ctx context.Context, c *container.Container) error {
		if err := stop(ctx, c, how); err != nil {
			return err
		}
		if err := c.Super.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		o.tell(c, "restart", nil)
		return nil
	})
}

// Pause freezes a container.
func (o Ops) Pause(ctx context.Context, ref string) error {
	return o.on(ctx, ref, func(ctx context.Context, c *container.Container) error { return c.Super.Pause(ctx) })
}

// Unpause lets a frozen container go on.
func (o Ops) Unpause(ctx context.Context, ref string) error {
	return o.on(ctx, ref, func(ctx context.Context, c *container.Container) error { return c.Super.Unpause(ctx) })
}

// WaitFor returns the exit code of a container once a condition is met; ready is called
// when it cannot be missed any more.
func (o Ops) WaitFor(ctx context.Context, ref string, condition call.WaitCondition, ready func()) (int, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return 0, err
	}
	return c.AwaitExit(ctx, condition, ready)
}

// Rename gives a container another name.
func (o Ops) Rename(ctx context.Context, ref, name string) error {
	name = strings.TrimPrefix(name, "/")
	return o.on(ctx, ref, func(_ context.Context, c *container.Container) error {
		if err := CheckName(name); err != nil {
			return err
		}
		return o.Owner.GiveName(c, name)
	})
}

// Adjust changes limits and the restart policy of a container; see container.Adjust.
func (o Ops) Adjust(ctx context.Context, ref string, change *call.Change) (warnings []string, err error) {
	err = o.on(ctx, ref, func(ctx context.Context, c *container.Container) error {
		var record engine.Container
		if warnings, record, err = c.Adjust(ctx, change); err != nil {
			return err
		}
		o.Owner.Publish(events.OfContainer(&record, "update", nil))
		return o.Owner.SaveContainer(&record)
	})
	return warnings, err
}

// Resize changes the size of a container's terminal, in characters.
func (o Ops) Resize(_ context.Context, ref string, rows, columns uint16) error {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return err
	}
	if err := c.Resize(rows, columns); err != nil {
		return err
	}
	o.tell(c, "resize", map[string]string{"height": strconv.Itoa(int(rows)), "width": strconv.Itoa(int(columns))})
	return nil
}

// Wait returns the exit code of a container once it has ended; at once when it has.
func (o Ops) Wait(ctx context.Context, ref string) (int, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return 0, err
	}
	for {
		record, changed := c.Watch()
		if record.Ended() {
			return record.State.ExitCode, nil
		}
		select {
		case <-changed:
		case <-c.Gone:
			return c.Snapshot().State.ExitCode, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}
