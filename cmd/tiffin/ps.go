package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/call"
)

type psOptions struct {
	all, noTrunc, orphans, quiet, services bool
	filters, status                        []string
	format                                 string
}

func newPs(c *cli) *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:   "ps [OPTIONS] [SERVICE...]",
		Short: "List containers",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.ps(cmd.Context(), &o, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Show all stopped containers (including those created by the run command)")
	f.StringArrayVar(&o.filters, "filter", nil, "Filter services by a property (supported filters: status)")
	f.StringVar(&o.format, "format", "table", "Format output using a custom template: table, json, or a Go template")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "Don't truncate output")
	f.BoolVar(&o.orphans, "orphans", true, "Include orphaned services (not declared by project)")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Only display IDs")
	f.BoolVar(&o.services, "services", false, "Display services")
	f.StringArrayVar(&o.status, "status", nil, "Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]")
	return cmd
}

func (c *cli) ps(ctx context.Context, o *psOptions, services []string) error {
	if err := o.readFilters(); err != nil {
		return err
	}
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	_, list, err := c.List(ctx, &call.ListRequest{
		Project: t.Name, Services: services, All: o.all || len(o.status) > 0, OneOffs: o.all,
	})
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(ct engine.Container) bool {
		orphan := t.Known(ct.Service) != nil
		return orphan && !o.orphans || len(o.status) > 0 && !slices.Contains(o.status, ct.State.Status.Docker())
	})
	return c.printContainers(o, list)
}

func (o *psOptions) readFilters() error {
	for _, f := range o.filters {
		key, value, ok := strings.Cut(f, "=")
		if !ok || key != "status" {
			return caller.Invalid("unknown filter %q: status=VALUE is known", f)
		}
		o.status = append(o.status, value)
	}
	return nil
}

func (c *cli) printContainers(o *psOptions, list []engine.Container) error {
	switch {
	case o.quiet:
		for i := range list {
			fmt.Fprintln(c.Out, list[i].ID)
		}
		return nil
	case o.services:
		var names []string
		for i := range list {
			names = append(names, list[i].Service)
		}
		slices.Sort(names)
		for _, n := range slices.Compact(names) {
			fmt.Fprintln(c.Out, n)
		}
		return nil
	}
	rows := make([]psRow, len(list))
	now := time.Now()
	for i := range list {
		rows[i] = newPsRow(&list[i], now)
		if !o.noTrunc {
			rows[i].shorten()
		}
	}
	form := o.format
	if own := c.ReadDockerConfig().PsFormat; form == "table" && own != "" {
		form = own
	}
	switch form {
	case "table", "pretty", "":
		var table [][]string
		for i := range rows {
			r := &rows[i]
			table = append(table, []string{r.Name, r.Image, r.Command, r.Service, r.RunningFor, r.Status, r.Ports})
		}
		return format.Table(c.Out, []string{"NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"}, table)
	case "json":
		return format.JSONLines(c.Out, rows)
	default:
		return format.Template(c.Out, form, rows)
	}
}

// psRow is a container as `ps --format json` shows it, by docker compose's keys.
type psRow struct {
	command      string // not quoted
	Command      string
	CreatedAt    string
	ExitCode     int
	Health       string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Name         string
	Names        string
	Networks     string
	Ports        string
	Project      string
	Publishers   []publisher
	RunningFor   string
	Service      string
	Size         string
	State        string
	Status       string
}

// shorten cuts what tables have no room for.
func (r *psRow) shorten() {
	r.ID = engine.ShortID(r.ID)
	if command := []rune(r.command); len(command) > maxCommand {
		r.Command = strconv.Quote(string(command[:maxCommand-1]) + "…")
	}
}

// maxCommand is how much of a command docker shows.
const maxCommand = 20

func newPsRow(c *engine.Container, now time.Time) psRow {
	command := strings.Join(c.Args, " ")
	row := psRow{
		command: command, Command: strconv.Quote(command), CreatedAt: c.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"),
		ExitCode: c.State.ExitCode, Health: string(c.State.Health.Status), ID: c.ID, Image: c.Spec.Image,
		Name: c.Name, Names: c.Name, Project: c.Project, Service: c.Service, Size: "0B",
		State: c.State.Status.Docker(), Status: c.StatusText(now), RunningFor: units.HumanDuration(now.Sub(c.Created)) + " ago",
		Publishers: publishers(c), Ports: portsText(c),
	}
	var labels, networks, mounts []string
	for k, v := range c.Spec.Labels {
		labels = append(labels, k+"="+v)
	}
	for name := range c.Endpoints {
		networks = append(networks, name)
	}
	local := 0
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Type == engine.MountVolume {
			local++
			mounts = append(mounts, m.Name)
		} else if m.Source != "" {
			mounts = append(mounts, m.Source)
		}
	}
	slices.Sort(labels)
	slices.Sort(networks)
	row.Labels, row.Networks, row.Mounts = strings.Join(labels, ","), strings.Join(networks, ","), strings.Join(mounts, ",")
	row.LocalVolumes = strconv.Itoa(local)
	return row
}
