package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"tiffin/engine"
)

func newCreate(c *cli) *cobra.Command {
	o := upOptions{noStart: true}
	cmd := &cobra.Command{
		Use:   "create [OPTIONS] [SERVICE...]",
		Short: "Creates containers for a service",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(c, cmd); err != nil {
				return err
			}
			return c.up(cmd, &o, args)
		},
	}
	o.addCreateFlags(cmd)
	return cmd
}

func newScale(c *cli) *cobra.Command {
	o := upOptions{detach: true, noRecreate: true, pull: "policy"}
	cmd := &cobra.Command{
		Use:   "scale [OPTIONS] SERVICE=REPLICAS...",
		Short: "Scale services",
		Args:  atLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scale, err := parseScale(args)
			if err != nil {
				return err
			}
			o.scale = args
			var services []string
			for name := range scale {
				services = append(services, name)
			}
			return c.up(cmd, &o, services)
		},
	}
	cmd.Flags().BoolVar(&o.noDeps, "no-deps", false, "Don't start linked services")
	return cmd
}

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
	stack, err := c.loadStack(ctx, services, nil)
	if err != nil {
		return err
	}
	if err := (target{name: stack.Name, stack: stack}).known(services...); err != nil {
		return err
	}
	policy, err := pullPolicy(o.policy)
	if err != nil {
		return err
	}
	client, err := c.connect(ctx)
	if err != nil {
		return err
	}
	p := c.newProgress("pull")
	report := p.report
	if o.quiet {
		report = func(engine.Progress) {}
	}
	err = client.Pull(ctx, &engine.PullRequest{
		Stack: *stack, Services: services, IncludeDeps: o.includeDeps, Policy: policy, SkipBuild: o.ignoreBuildable,
		Auths: c.credentials(ctx, client, stack, cmp.Or(policy, engine.PullAlways)),
	}, report)
	p.finish()
	if err != nil && o.ignoreFailures && ctx.Err() == nil {
		c.warn(err.Error())
		return nil
	}
	return err
}
