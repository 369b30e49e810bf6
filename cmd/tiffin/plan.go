package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/cmd/tiffin/progress"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

type planOptions struct {
	up       upOptions
	down     bool
	volumes  bool
	format   string
	exitCode bool
}

// exitDrift is the exit code of plan --exit-code when there is something to do.
const exitDrift = 2

func newPlan(c *cli) *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [OPTIONS] [SERVICE...]",
		Short: "Show what up (or down) would do, and why, and touch nothing",
		Long: `Plan prints the steps of tiffin up, one a line: number, what, (why), after which steps.

Exit status: 0; with --exit-code 2 when there is something to do.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.plan(cmd, &o, args) },
	}
	o.up.addCreateFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.up.noDeps, "no-deps", false, "Leave out what the services depend on")
	f.BoolVar(&o.down, "down", false, "Plan down instead of up")
	f.BoolVarP(&o.volumes, "volumes", "v", false, "With --down: volumes, too")
	f.StringVar(&o.format, "format", "text", "text or json")
	f.BoolVar(&o.exitCode, "exit-code", false, "Exit with 2 when there is something to do")
	return cmd
}

func (c *cli) plan(cmd *cobra.Command, o *planOptions, services []string) error {
	ctx := cmd.Context()
	if o.format != "text" && o.format != "json" {
		return caller.Invalid("unknown --format %q: text and json are known", o.format)
	}
	scale, err := caller.ParseScale(o.up.scale)
	if err != nil {
		return err
	}
	stack, err := c.LoadStack(ctx, services, scale)
	if err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	var p *plan.Plan
	if o.down {
		p, err = client.PlanDown(ctx, &call.DownRequest{Project: stack.Name, Stack: stack, Services: services, Volumes: o.volumes, RemoveOrphans: o.up.removeOrphans})
	} else {
		var req *call.UpRequest
		if req, err = o.up.request(c, cmd, stack, services); err != nil {
			return err
		}
		if len(c.providers(req.NoDeps, req.Services...)) > 0 {
			c.Warn(notAsked)
		}
		p, err = client.PlanUp(ctx, req)
	}
	if err != nil {
		return err
	}
	if o.format == "json" {
		err = format.JSON(c.Out, p)
	} else {
		err = c.printPlan(p, nil)
	}
	if err == nil && o.exitCode && !p.Empty() {
		return caller.ExitWithError{Code: exitDrift}
	}
	return err
}

// printPlan prints what a command would do. It takes the error of the call that made
// the plan, so that both fit in one line.
func (c *cli) printPlan(p *plan.Plan, err error) error {
	if err != nil {
		return err
	}
	if p == nil {
		return errors.New("the engine sent no plan")
	}
	if p.Empty() && len(p.Warnings) == 0 {
		_, err = fmt.Fprintln(c.Out, "Nothing to do.")
		return err
	}
	_, err = fmt.Fprint(c.Out, progress.Printable(p.String()))
	return err
}

// showPlan prints what commands of other rooms would do.
func (c *cli) showPlan(p *plan.Plan) error { return c.printPlan(p, nil) }

// printStep is the plan of a command that does one thing.
func (c *cli) printStep(kind plan.Kind, name string) error {
	return c.showPlan(&plan.Plan{Steps: []plan.Step{{Seq: 1, Kind: kind, Name: name}}})
}
