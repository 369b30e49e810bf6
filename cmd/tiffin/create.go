package main

import (
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
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
		Args:  caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			scale, err := caller.ParseScale(args)
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
