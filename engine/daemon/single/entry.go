package single

import (
	"context"
	"io"

	"tiffin/engine/call"
)

// Exec runs a further process in a container; see container.Exec.
func (o Ops) Exec(ctx context.Context, ref string, req *call.ExecRequest, s call.Streams) (int, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return 0, err
	}
	return c.Exec(ctx, req, s)
}

// Attach connects a client with a container's first process; see container.Attach.
func (o Ops) Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	c, err := o.Owner.Container(req.Container)
	if err != nil {
		return 0, err
	}
	return c.Attach(ctx, req, s)
}

// Top lists the processes of a container; see container.Top.
func (o Ops) Top(_ context.Context, ref string, args []string) (*call.Top, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return nil, err
	}
	return c.Top(args)
}

// ChangeFiles changes the files of a container; see container.Change.
func (o Ops) ChangeFiles(ctx context.Context, ref string, changes io.Reader) error {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return err
	}
	return c.Change(ctx, changes)
}
