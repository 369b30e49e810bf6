package main

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/call"
)

func newTop(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "top [SERVICES...]",
		Short: "Display the running processes",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.top(cmd.Context(), args) },
	}
}

func (c *cli) top(ctx context.Context, services []string) error {
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	client, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: services})
	if err != nil {
		return err
	}
	var titles []string
	var rows [][]string
	for i := range list {
		top, err := client.Top(ctx, list[i].ID, nil)
		if err != nil {
			return err
		}
		titles = append([]string{"SERVICE", "#"}, top.Titles...)
		for _, p := range top.Processes {
			rows = append(rows, append([]string{list[i].Service, strconv.Itoa(list[i].Number)}, p...))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return format.Table(c.Out, titles, rows)
}

type portOptions struct {
	protocol string
	index    int
}

func newPort(c *cli) *cobra.Command {
	var o portOptions
	cmd := &cobra.Command{
		Use:   "port [OPTIONS] SERVICE PRIVATE_PORT",
		Short: "Print the public port for a port binding",
		Args:  caller.Exactly(2),
		RunE:  func(cmd *cobra.Command, args []string) error { return c.port(cmd.Context(), &o, args[0], args[1]) },
	}
	cmd.Flags().IntVar(&o.index, "index", 0, "Index of the container if service has multiple replicas")
	cmd.Flags().StringVar(&o.protocol, "protocol", "tcp", "tcp or udp")
	return cmd
}

func (c *cli) port(ctx context.Context, o *portOptions, service, private string) error {
	private, proto, given := strings.Cut(private, "/")
	if !given {
		proto = o.protocol
	}
	n, err := strconv.ParseUint(private, 10, 16)
	if err != nil {
		return caller.Invalid("invalid port %q: it must be a number up to 65535", private)
	}
	_, ct, err := c.FindRunning(ctx, service, o.index)
	if err != nil {
		return err
	}
	for _, p := range ct.Published {
		if p.ContainerPort == uint16(n) && p.Protocol == proto {
			_, err := fmt.Fprintln(c.Out, netip.AddrPortFrom(p.HostIP, p.HostPort))
			return err
		}
	}
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("no port %d/%s for container %s: %s", n, proto, ct.Name, portsText(&ct)))
}

type lsOptions struct {
	all, quiet bool
	format     string
	filters    []string
}

func newLs(c *cli) *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:   "ls [OPTIONS]",
		Short: "List running compose projects",
		Args:  caller.Exactly(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.ls(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Show all stopped Compose projects")
	f.StringArrayVar(&o.filters, "filter", nil, "Filter output based on conditions provided (name=REGEXP)")
	f.StringVar(&o.format, "format", "table", "Format the output. Values: [table | json]")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Only display project names")
	return cmd
}

type lsRow struct{ Name, Status, ConfigFiles string }

func (c *cli) ls(ctx context.Context, o *lsOptions) error {
	keep, err := nameFilter(o.filters)
	if err != nil {
		return err
	}
	client, err := c.Look(ctx)
	if err != nil {
		return err
	}
	var projects []call.ProjectSummary
	if client != nil {
		if projects, err = client.Projects(ctx); err != nil {
			return err
		}
	}
	rows := []lsRow{}
	for i := range projects {
		p := &projects[i]
		if keep(p.Name) && (o.all || p.Status[engine.StatusRunning]+p.Status[engine.StatusPaused]+p.Status[engine.StatusRestarting] > 0) {
			rows = append(rows, lsRow{p.Name, statusCounts(p.Status), strings.Join(p.ConfigFiles, ",")})
		}
	}
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(c.Out, r.Name)
		}
		return nil
	case o.format == "json":
		return format.JSON(c.Out, rows)
	case o.format == "table":
		var table [][]string
		for _, r := range rows {
			table = append(table, []string{r.Name, r.Status, r.ConfigFiles})
		}
		return format.Table(c.Out, []string{"NAME", "STATUS", "CONFIG FILES"}, table)
	default:
		return caller.Invalid("unsupported --format %q: table and json are known", o.format)
	}
}

func nameFilter(filters []string) (func(string) bool, error) {
	var all []*regexp.Regexp
	for _, f := range filters {
		value, ok := strings.CutPrefix(f, "name=")
		if !ok {
			return nil, caller.Invalid("unknown filter %q: name=REGEXP is known", f)
		}
		re, err := regexp.Compile(value)
		if err != nil {
			return nil, caller.Invalid("filter %q: %w", f, err)
		}
		all = append(all, re)
	}
	return func(name string) bool {
		return !slices.ContainsFunc(all, func(re *regexp.Regexp) bool { return !re.MatchString(name) })
	}, nil
}

// statusCounts is compose's: exited(1), running(2).
func statusCounts(counts map[engine.Status]int) string {
	var out []string
	for _, s := range engine.Statuses() {
		if n := counts[s]; n > 0 {
			out = append(out, fmt.Sprintf("%s(%d)", s, n))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
