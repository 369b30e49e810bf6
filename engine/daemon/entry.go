package daemon

import (
	"context"
	"io"

	"tiffin/engine/call"
)

// What clients ask of a single container.

// Exec runs a further process in a container; see container.Exec.
func (d *Daemon) Exec(ctx context.Context, ref string, req *call.ExecRequest, s call.Streams) (int, error) {
	c, err := d.Container(ref)
	if err != nil {
		return 0, err
	}
	return c.Exec(ctx, req, s)
}

// Attach connects a client with a container's first process; see container.Attach.
func (d *Daemon) Attach(ctx context.Context, req *call.AttachRequest, s call.Streams) (int, error) {
	c, err := d.Container(req.Container)
	if err != nil {
		return 0, err
	}
	return c.Attach(ctx, req, s)
}

// Top lists the processes of a container; see container.Top.
func (d *Daemon) Top(_ context.Context, ref string, args []string) (*call.Top, error) {
	c, err := d.Container(ref)
	if err != nil {
		return nil, err
	}
	return c.Top(args)
}

// ChangeFiles changes the files of a container; see container.Change.
func (d *Daemon) ChangeFiles(ctx context.Context, ref string, changes io.Reader) error {
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return c.Change(ctx, changes)
}
