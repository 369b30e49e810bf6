package single

import (
	"cmp"
	"context"
	"errors"
	"io"
	"strconv"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
)

// Exec runs a further process in a container; see container.Exec.
func (o Ops) Exec(ctx context.Context, ref string, req *call.ExecRequest, s call.Streams) (int, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return 0, err
	}
	record, id := c.Snapshot(), cmp.Or(req.ID, engine.NewID())
	tell := func(action string, more map[string]string) { o.Owner.Publish(events.OfExec(&record, action, id, more)) }
	if record.State.Status == engine.StatusRunning { // else it is refused
		if req.ID == "" {
			tell(events.Command("exec_create", req.Cmd), nil)
		}
		tell(events.Command("exec_start", req.Cmd), nil)
	}
	ended := s.Ended
	s.Ended = func(code int) {
		tell("exec_die", map[string]string{"exitCode": strconv.Itoa(code)})
		if ended != nil {
			ended(code)
		}
	}
	code, err := c.Exec(ctx, req, s)
	if errors.Is(err, engine.ErrDetached) {
		tell("exec_detach", nil)
	}
	return code, err
}

// Attach connects a client with a container's first process; see container.Attach.
func (o Ops) Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	c, err := o.Owner.Container(req.Container)
	if err != nil {
		return 0, err
	}
	o.tell(c, "attach", nil)
	code, err := c.Attach(ctx, req, s)
	if errors.Is(err, engine.ErrDetached) || errors.Is(err, context.Canceled) { // docker's command looks for the keys itself, and hangs up
		o.tell(c, "detach", nil)
	}
	return code, err
}

// tell tells who listens what was done with a container.
func (o Ops) tell(c *container.Container, action string, more map[string]string) {
	record := c.Snapshot()
	o.Owner.Publish(events.OfContainer(&record, action, more))
}

// Top lists the processes of a container; see container.Top.
func (o Ops) Top(ctx context.Context, ref string, args []string) (*call.Top, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return nil, err
	}
	top, err := c.Top(ctx, args)
	if err == nil {
		o.tell(c, "top", nil)
	}
	return top, err
}

// ChangeFiles changes the files of a container; see container.Change.
func (o Ops) ChangeFiles(ctx context.Context, ref string, changes io.Reader) error {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return err
	}
	return c.Change(ctx, changes)
}
