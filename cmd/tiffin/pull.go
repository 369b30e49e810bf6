package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

type pullOptions struct {
	ignoreBuildable, ignoreFailures, includeDeps, quiet bool
	policy                                              string
}

func newPull(c *cli) *cobra.Command {
	var o pullOptions
	cmd := &cobra.Command{
		Use:   "pull [OPTIONS] [SERVICE...]",
		Short: "Pull service images",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.pull(cmd, &o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.ignoreBuildable, "ignore-buildable", false, "Ignore images that can be built")
	f.BoolVar(&o.ignoreFailures, "ignore-pull-failures", false, "Pull what it can and ignores images with pull failures")
	f.BoolVar(&o.includeDeps, "include-deps", false, "Also pull services declared as dependencies")
	f.StringVar(&o.policy, "policy", "", `Apply pull policy ("missing"|"always")`)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Pull without printing progress information")
	return cmd
}

func (c *cli) pull(cmd *cobra.Command, o *pullOptions, services []string) error {
	ctx := cmd.Context()
	stack, err := c.LoadStack(ctx, services, nil)
	if err != nil {
		return err
	}
	if err := (caller.Target{Name: stack.Name, Stack: stack}).Known(services...); err != nil {
		return err
	}
	policy, err := pullPolicy(o.policy)
	if err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	req := &call.PullRequest{
		Stack: *stack, Services: services, IncludeDeps: o.includeDeps, Policy: policy, SkipBuild: o.ignoreBuildable,
	}
	if c.Opts.DryRun {
		return c.planPull(ctx, client, req)
	}
	req.Auths = c.Credentials(ctx, client, stack, cmp.Or(policy, engine.PullAlways))
	p := c.NewProgress("pull")
	report := p.Report
	if o.quiet {
		report = func(engine.Progress) {}
	}
	err = client.Pull(ctx, req, report)
	p.Finish()
	if err != nil && o.ignoreFailures && ctx.Err() == nil {
		c.Warn(err.Error())
		return nil
	}
	return err
}

// planPull says what would be pulled.
func (c *cli) planPull(ctx context.Context, client *api.Client, req *call.PullRequest) error {
	stack := req.Stack
	if req.SkipBuild {
		stack.Services = slices.DeleteFunc(slices.Clone(stack.Services), func(s engine.Service) bool { return s.Buildable() })
	}
	there := map[string]string{}
	for i := range stack.Services {
		ref := stack.Services[i].Container.Image
		if img, err := client.Image(ctx, ref); err == nil {
			there[ref] = img.ID
		}
	}
	return c.printPlan(plan.PullOnly(req, &stack, &plan.Observed{Images: there}))
}
