package trial

import (
	"context"
	"errors"
	"slices"
	"sync"

	"tiffin/cmd/tiffin/addresses"
	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/hostrun"
	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/lease"
)

// Trial is an instance of a project that is there for one command.
type Trial struct {
	// Environment is added to that of the command, behind the addresses.
	Environment []string

	c     *caller.Caller
	down  call.DownRequest
	ready chan struct{}
	ended chan error // how the lease ended
}

// Progress shows how the instance comes and goes.
type Progress struct {
	Report engine.Report
	Finish func()
}

// New is the trial of a project that is taken away by down.
func New(c *caller.Caller, down call.DownRequest) *Trial {
	return &Trial{c: c, down: down, ready: make(chan struct{}), ended: make(chan error, 1)}
}

// Run brings the project up, runs the command, and takes the project down.
func (t *Trial) Run(ctx context.Context, up *call.UpRequest, p Progress, args []string) error {
	finish := sync.OnceFunc(p.Finish)
	defer finish()
	// The engine takes the instance down, and says how that goes: what interrupts us does not end the call.
	calls := context.WithoutCancel(ctx)
	go t.hold(calls, &lease.Request{Up: up, Down: t.down}, p.Report)
	select {
	case err := <-t.ended:
		return err
	case <-ctx.Done():
		finish()
		return errors.Join(context.Cause(ctx), t.end(calls))
	case <-t.ready:
	}
	finish()
	code, failed := t.command(ctx, args)
	if err := t.end(calls); err != nil {
		return errors.Join(failed, err)
	}
	if failed != nil {
		return caller.OfCommand(failed)
	}
	return caller.ExitWith(code)
}

// hold keeps the lease until it has ended. When the engine is replaced by another one, that one is asked for it.
func (t *Trial) hold(ctx context.Context, req *lease.Request, report engine.Report) {
	up := false
	ready := func() {
		if !up {
			up = true
			close(t.ready)
		}
	}
	for {
		client, err := t.c.Connect(ctx)
		if err == nil {
			err = client.Lease(ctx, req, report, ready)
		}
		if !up || !errors.Is(err, engine.ErrUnavailable) || client == nil {
			t.ended <- err
			return
		}
		req = &lease.Request{Down: req.Down}
	}
}

// end gives the lease back and waits until the instance is gone.
func (t *Trial) end(ctx context.Context) error {
	for {
		client, err := t.c.Connect(ctx)
		if err != nil {
			return err
		}
		// It may be that the lease has just ended, or that a new engine has not been asked for it yet.
		err = client.EndLease(ctx, t.down.Project)
		if err == nil {
			return <-t.ended
		}
		if !errors.Is(err, engine.ErrUnavailable) && !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		select {
		case err := <-t.ended:
			return err
		default:
			err = client.Down(ctx, &t.down, func(engine.Progress) {})
			if !errors.Is(err, engine.ErrUnavailable) {
				return err
			}
		}
	}
}

// command runs the command with the addresses in its environment, and returns its exit code.
func (t *Trial) command(ctx context.Context, args []string) (int, error) {
	_, list, err := t.c.List(ctx, &call.ListRequest{Project: t.down.Project})
	if err != nil {
		return 0, err
	}
	env := slices.Clone(t.c.Env)
	for _, v := range addresses.Of(list) {
		env = append(env, v.Name+"="+v.Value)
	}
	env = append(env, t.Environment...)
	_, onTerminal := caller.Terminal(t.c.In)
	run := hostrun.Start(hostrun.Command{Args: args, Env: env, In: t.c.In, Out: t.c.Out, Err: t.c.Err, OnTerminal: onTerminal})
	defer t.c.TakeInterrupts(run.Interrupt)()
	return run.Wait()
}
