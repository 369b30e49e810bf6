package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/hostrun"
	"tiffin/cmd/tiffin/trial"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
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
	release := c.releaseProviders(ctx)
	defer release()
	if err := c.provide(ctx, req); err != nil {
		return err
	}
	stack = &req.Stack
	req.Auths = c.Credentials(ctx, client, stack, req.Pull)
	if err := c.buildBefore(ctx, client, req, o); err != nil {
		return err
	}
	t := trial.New(c.Caller, call.DownRequest{
		Project: stack.Name, Stack: stack, Volumes: true, RemoveOrphans: true, Images: call.RemoveLocalImages, Timeout: req.Timeout,
	})
	t.Environment = append(t.Environment, instanceVar+"="+c.Opts.Instance)
	p := c.NewProgress("test")
	return t.Run(ctx, req, trial.Progress{Report: quietPulls(p.Report, o.quietPull), Finish: p.Finish}, args)
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
