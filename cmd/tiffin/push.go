package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/plan"
)

// pushImage is a kind of step that is in no plan of a stack.
const pushImage plan.Kind = "push image"

type pushOptions struct{ ignoreFailures, includeDeps, quiet bool }

func newPush(c *cli) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push [OPTIONS] [SERVICE...]",
		Short: "Push service images",
		Long: `Push sends the images of services that are built, and have a name by image, to their
registries, with the names in build.tags as well. Other services are skipped.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.push(cmd.Context(), &o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.ignoreFailures, "ignore-push-failures", false, "Push what it can and ignores images with push failures")
	f.BoolVar(&o.includeDeps, "include-deps", false, "Also push images of services declared as dependencies")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Push without printing progress information")
	return cmd
}

func (c *cli) push(ctx context.Context, o *pushOptions, services []string) error {
	stack, err := c.LoadStack(ctx, services, nil)
	if err != nil {
		return err
	}
	if err := (caller.Target{Name: stack.Name, Stack: stack}).Known(services...); err != nil {
		return err
	}
	if o.includeDeps {
		services = withDependencies(stack, services)
	}
	refs, skipped := toPush(stack, services, c.Project.NamesImage)
	if c.Opts.DryRun {
		p := &plan.Plan{}
		for i, ref := range refs {
			p.Steps = append(p.Steps, plan.Step{Seq: i + 1, Kind: pushImage, Name: ref})
		}
		return c.printPlan(p, nil)
	}
	show := c.NewProgress("push")
	report := show.Report
	if o.quiet {
		report = func(engine.Progress) {}
	}
	defer show.Finish()
	for _, name := range skipped {
		report(engine.Progress{ID: "Service " + name, Status: engine.Done, Text: "Skipped"})
	}
	return c.pushAll(ctx, refs, o.ignoreFailures, report)
}

// pushAll sends images at the same time. The first that fails ends the others, unless failures are ignored.
func (c *cli) pushAll(ctx context.Context, refs []string, ignoreFailures bool, report engine.Report) error { //nolint:revive // it is the flag's value
	if len(refs) == 0 {
		return nil
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	logins := c.Logins(ctx, refs...)
	g, ctx := errgroup.WithContext(ctx)
	if c.Opts.Parallel > 0 {
		g.SetLimit(c.Opts.Parallel)
	}
	for _, ref := range refs {
		g.Go(func() error {
			err := client.PushImage(ctx, ref, logins, report)
			if err != nil && ignoreFailures && ctx.Err() == nil {
				c.Warn(err.Error())
				return nil
			}
			return err
		})
	}
	return g.Wait()
}

// toPush lists the images of services that are built here and whose name says where they belong, each once; and the
// services that are not.
func toPush(stack *engine.Stack, services []string, named func(service string) bool) (refs, skipped []string) {
	for i := range stack.Services {
		svc := &stack.Services[i]
		if len(services) > 0 && !slices.Contains(services, svc.Name) {
			continue
		}
		if !svc.Buildable() || !named(svc.Name) {
			skipped = append(skipped, svc.Name)
			continue
		}
		for _, ref := range append([]string{svc.Container.Image}, svc.Build.Tags...) {
			if !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs, skipped
}
