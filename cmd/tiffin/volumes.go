package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/call"
)

type volumesOptions struct {
	quiet  bool
	format string
}

func newVolumes(c *cli) *cobra.Command {
	var o volumesOptions
	cmd := &cobra.Command{
		Use:   "volumes [OPTIONS] [SERVICE...]",
		Short: "List volumes",
		Long:  "Volumes lists the volumes of the project, or those that containers of the services mount.",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.volumes(cmd.Context(), &o, args) },
	}
	cmd.Flags().StringVar(&o.format, "format", "table", "Format the output. Values: [table | json | a Go template]")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "Only display volume names")
	return cmd
}

// volumeRow is a volume by the keys of docker volume ls.
type volumeRow struct {
	Availability string
	Driver       string
	Group        string
	Labels       string
	Links        string
	Mountpoint   string
	Name         string
	Scope        string
	Size         string
	Status       string
}

func newVolumeRow(v *engine.Volume) volumeRow {
	const unknown = "N/A"
	labels := v.Labels()
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	return volumeRow{
		Availability: unknown, Driver: "local", Group: unknown, Labels: strings.Join(pairs, ","), Links: unknown,
		Mountpoint: v.Mountpoint, Name: v.Name, Scope: "local", Size: unknown, Status: unknown,
	}
}

func (c *cli) volumes(ctx context.Context, o *volumesOptions, services []string) error {
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	client, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: services, All: true})
	if err != nil {
		return err
	}
	all, err := client.Volumes(ctx)
	if err != nil {
		return err
	}
	mounted := map[string]bool{}
	for i := range list {
		for j := range list[i].Mounts {
			mounted[list[i].Mounts[j].Name] = true
		}
	}
	rows := []volumeRow{}
	for i := range all {
		if v := &all[i]; mounted[v.Name] || len(services) == 0 && v.Project == t.Name {
			rows = append(rows, newVolumeRow(v))
		}
	}
	return c.printVolumes(o, rows)
}

func (c *cli) printVolumes(o *volumesOptions, rows []volumeRow) error {
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(c.Out, r.Name)
		}
		return nil
	case o.format == "json":
		return format.JSONLines(c.Out, rows)
	case o.format == "table":
		var table [][]string
		for _, r := range rows {
			table = append(table, []string{r.Driver, r.Name})
		}
		return format.Table(c.Out, []string{"DRIVER", "VOLUME NAME"}, table)
	default:
		return format.Template(c.Out, o.format, rows)
	}
}
