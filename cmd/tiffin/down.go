package main

import (
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine/call"
)

type downOptions struct {
	removeOrphans, volumes, now bool
	images                      string
	timeout                     int
}

func newDown(c *cli) *cobra.Command {
	var o downOptions
	cmd := &cobra.Command{
		Use:   "down [OPTIONS] [SERVICE...]",
		Short: "Stop and remove containers, networks",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.down(cmd, &o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.removeOrphans, "remove-orphans", false, "Remove containers for services not defined in the Compose file")
	f.BoolVarP(&o.volumes, "volumes", "v", false, `Remove named volumes declared in the "volumes" section of the Compose file and anonymous volumes attached to containers`)
	f.StringVar(&o.images, "rmi", "", `Remove images used by services. "local" remove only images that don't have a custom tag ("local"|"all")`)
	f.IntVarP(&o.timeout, "timeout", "t", 0, "Specify a shutdown timeout in seconds")
	f.BoolVar(&o.now, "now", false, nowUsage)
	return cmd
}

const nowUsage = "Kill all containers at once, without their time to stop and without pre_stop hooks"

func (c *cli) down(cmd *cobra.Command, o *downOptions, services []string) error {
	ctx := cmd.Context()
	if err := flagConflict(cmd, [2]string{"now", "timeout"}); err != nil {
		return err
	}
	images := call.ImageRemove(o.images)
	switch images {
	case call.RemoveNoImages, call.RemoveLocalImages, call.RemoveAllImages:
	default:
		return caller.Invalid("invalid value for --rmi: %q; local and all are known", o.images)
	}
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	req := &call.DownRequest{
		Project: t.Name, Stack: t.Stack, Services: services, Volumes: o.volumes, Images: images, Now: o.now,
		RemoveOrphans: o.removeOrphans || isTrue(c.Setting("COMPOSE_REMOVE_ORPHANS")),
	}
	if cmd.Flags().Changed("timeout") {
		req.Timeout = new(seconds(o.timeout))
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printPlan(client.PlanDown(ctx, req))
	}
	p := c.NewProgress("down")
	defer p.Finish()
	if err := client.Down(ctx, req, p.Report); err != nil || t.Stack == nil {
		return err
	}
	return c.runner(p.Report).Down(ctx, c.providers(len(services) > 0, services...))
}
