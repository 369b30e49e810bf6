package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/addresses"
	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/hostrun"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/lease"
)

func newTest(c *cli) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "test [OPTIONS] -- COMMAND [ARGS...]",
		Short: "Run a command against a copy of the project that is there for it alone",
		Long: `Test brings an instance of the project up, waits until it is healthy, and runs the command on the
host with the published addresses in its environment, as tiffin env prints them. TIFFIN_INSTANCE is set:
tiffin exec, logs and the like of the command are about the instance. In the end, also when it is interrupted
or killed, the instance is taken down with its volumes. Tests may run side by side.

Exit status: that of the command; 1 when the instance did not come up, 130 when interrupted before that.`,
		Args: caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.test(cmd, &o, args) },
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	o.addCreateFlags(cmd)
	f.IntVar(&o.waitTimeout, "wait-timeout", 0, "Maximum time in seconds to wait for the instance to be running|healthy")
	f.IntVarP(&o.timeout, "timeout", "t", 0, "Use this timeout in seconds for container shutdown")
	for _, hidden := range []string{"no-recreate", "force-recreate", "remove-orphans", "yes"} { // nothing is there yet
		f.Lookup(hidden).Hidden = true
	}
	return cmd
}

func (c *cli) test(cmd *cobra.Command, o *upOptions, args []string) error {
	ctx := cmd.Context()
	if err := o.check(c, cmd); err != nil {
		return err
	}
	if err := hostrun.Find(args[0]); err != nil {
		return caller.OfCommand(err)
	}
	c.nameInstance()
	scale, err := caller.ParseScale(o.scale)
	if err != nil {
		return err
	}
	stack, err := c.LoadStack(ctx, nil, scale)
	if err != nil {
		return err
	}
	o.wait = true
	req, err := o.request(c, cmd, stack, nil)
	if err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printPlan(client.PlanUp(ctx, req))
	}
	if err := fresh(ctx, client, stack.Name, c.Opts.Instance); err != nil {
		return err
	}
	req.Auths = c.Credentials(ctx, client, stack, req.Pull)
	if err := c.buildBefore(ctx, client, req, o); err != nil {
		return err
	}
	t := &trial{c: c, project: stack.Name, ended: make(chan error, 1), ready: make(chan struct{}), quiet: o.quietPull}
	return t.run(ctx, &lease.Request{Up: req, Down: call.DownRequest{
		Project: stack.Name, Stack: stack, Volumes: true, RemoveOrphans: true, Images: call.RemoveLocalImages, Timeout: req.Timeout,
	}}, args)
}

// nameInstance chooses a name that nothing has, if none is given.
func (c *cli) nameInstance() {
	if c.Opts.Instance != "" {
		return
	}
	if c.Opts.Instance = c.Getenv(instanceVar); c.Opts.Instance == "" {
		var b [4]byte
		rand.Read(b[:]) // crypto/rand.Read never returns an error (Go 1.24)
		c.Opts.Instance = "test-" + hex.EncodeToString(b[:])
	}
}

// fresh refuses an instance that is there: it would be taken down with what is in it.
func fresh(ctx context.Context, client *api.Client, project, name string) error {
	list, err := client.List(ctx, &call.ListRequest{Project: project, All: true, OneOffs: true})
	if err != nil || len(list) == 0 {
		return err
	}
	return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("instance %s has containers: a test needs one of its own", name)),
		"leave --instance out, or take it down: `tiffin --instance "+name+" down -v`")
}

// trial is an instance that is there for a command.
type trial struct {
	c       *cli
	project string
	quiet   bool
	ready   chan struct{}
	ended   chan error // how the lease ended
}

func (t *trial) run(ctx context.Context, req *lease.Request, args []string) error {
	p := t.c.NewProgress("test")
	finished := false
	finish := func() {
		if !finished {
			finished = true
			p.Finish()
		}
	}
	defer finish()
	// The engine takes the instance down, and says how that goes: what interrupts us does not end the call.
	calls := context.WithoutCancel(ctx)
	go t.hold(calls, req, quietPulls(p.Report, t.quiet))
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
func (t *trial) hold(ctx context.Context, req *lease.Request, report engine.Report) {
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
			err = client.Lease(ctx, req, func(p engine.Progress) { report(p) }, ready)
		}
		if !up || !errors.Is(err, engine.ErrUnavailable) || client == nil {
			t.ended <- err
			return
		}
		req = &lease.Request{Down: req.Down}
	}
}

// end gives the lease back and waits until the instance is gone.
func (t *trial) end(ctx context.Context) error {
	for {
		client, err := t.c.Connect(ctx)
		if err != nil {
			return err
		}
		// It may be that the lease has just ended, or that a new engine has not been asked for it yet.
		err = client.EndLease(ctx, t.project)
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
			err = client.Down(ctx, &call.DownRequest{Project: t.project, Volumes: true, RemoveOrphans: true}, func(engine.Progress) {})
			if !errors.Is(err, engine.ErrUnavailable) {
				return err
			}
		}
	}
}

// command runs the command with the addresses in its environment, and returns its exit code.
func (t *trial) command(ctx context.Context, args []string) (int, error) {
	_, list, err := t.c.List(ctx, &call.ListRequest{Project: t.project})
	if err != nil {
		return 0, err
	}
	env := slices.Clone(t.c.Env)
	for _, v := range addresses.Of(list) {
		env = append(env, v.Name+"="+v.Value)
	}
	env = append(env, instanceVar+"="+t.c.Opts.Instance)
	_, onTerminal := caller.Terminal(t.c.In)
	run := hostrun.Start(hostrun.Command{Args: args, Env: env, In: t.c.In, Out: t.c.Out, Err: t.c.Err, OnTerminal: onTerminal})
	defer t.c.TakeInterrupts(run.Interrupt)()
	return run.Wait()
}
