package networks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// Host is the command line that the commands are part of.
type Host struct {
	Out io.Writer
	// Connect returns a client of the engine, which it starts if none runs.
	Connect func(context.Context) (*api.Client, error)
	// Confirm asks the user.
	Confirm func(question string) bool
	// Dry says that the user wants to know what would be done (--dry-run).
	Dry func() bool
	// Exactly and AtLeast want so many words after the flags.
	Exactly, AtLeast func(int) cobra.PositionalArgs
}

// Command is docker's group of commands for networks.
func Command(h *Host) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "network",
		Short: "Manage networks",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return invalid("unknown command: %q", "tiffin network "+args[0])
			}
			return cmd.Help()
		},
	}
	for _, sub := range []*cobra.Command{newConnect(h), newCreate(h), newDisconnect(h), newPrune(h), newRm(h)} {
		act := sub.RunE
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			if h.Dry() {
				return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%q cannot be tried dry", cmd.CommandPath()))
			}
			return act(cmd, args)
		}
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(newInspect(h), newLs(h))
	for _, sub := range cmd.Commands() {
		sub.DisableFlagsInUseLine = true
	}
	return cmd
}

type lsOptions struct {
	quiet, full bool
	format      string
	filters     []string
}

func newLs(h *Host) *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List networks",
		Args:    h.Exactly(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return h.ls(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.filters, "filter", "f", nil, `Provide filter values (e.g. "driver=bridge")`)
	f.StringVar(&o.format, "format", "table", "table, json, or a Go template")
	f.BoolVar(&o.full, "no-trunc", false, "Do not truncate the output")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Only display network IDs")
	return cmd
}

func (h *Host) ls(ctx context.Context, o *lsOptions) error {
	keep, err := ParseFilters(o.filters, time.Now())
	if err != nil {
		return err
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	all, containers, err := look(ctx, client)
	if err != nil {
		return err
	}
	var rows []Row
	for i := range all {
		if keep(&all[i], Users(&all[i], containers)) {
			rows = append(rows, RowOf(&all[i], FullIDs(o.full)))
		}
	}
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(h.Out, r.ID)
		}
		return nil
	case o.format == "json":
		return format.JSONLines(h.Out, rows)
	case o.format == "table":
		headings, cells := Columns(rows)
		return format.Table(h.Out, headings, cells)
	default:
		return format.Template(h.Out, o.format, rows)
	}
}

// look lists all networks, and all containers that may be on them.
func look(ctx context.Context, client *api.Client) ([]engine.Network, []engine.Container, error) {
	all, err := client.Networks(ctx)
	if err != nil {
		return nil, nil, err
	}
	containers, err := client.List(ctx, &call.ListRequest{All: true, OneOffs: true})
	return all, containers, err
}

func newInspect(h *Host) *cobra.Command {
	var layout string
	cmd := &cobra.Command{
		Use:   "inspect [OPTIONS] NETWORK [NETWORK...]",
		Short: "Display detailed information on one or more networks",
		Args:  h.AtLeast(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return h.inspect(cmd.Context(), layout, args) },
	}
	cmd.Flags().StringVarP(&layout, "format", "f", "json", "json, or a Go template")
	var verbose bool
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "Accepted for docker's sake")
	return cmd
}

func (h *Host) inspect(ctx context.Context, layout string, refs []string) error {
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	all, containers, err := look(ctx, client)
	if err != nil {
		return err
	}
	found := []Inspected{}
	var errs []error
	for _, ref := range refs {
		n, err := plan.FindNetwork(all, ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, Inspect(&n, containers))
	}
	if layout == "json" || layout == "" {
		err = format.Indented(h.Out, found)
	} else {
		err = format.Template(h.Out, layout, found)
	}
	return errors.Join(append([]error{err}, errs...)...)
}

func newRm(h *Host) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "rm [OPTIONS] NETWORK [NETWORK...]",
		Aliases: []string{"remove"},
		Short:   "Remove one or more networks",
		Args:    h.AtLeast(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return h.rm(cmd.Context(), force, args) },
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not error if the network does not exist")
	return cmd
}

func (h *Host) rm(ctx context.Context, force bool, refs []string) error {
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range refs {
		switch err := client.RemoveNetwork(ctx, ref); {
		case err == nil:
			fmt.Fprintln(h.Out, ref)
		case force && errors.Is(err, engine.ErrNotFound):
		default:
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

type pruneOptions struct {
	force   bool
	filters []string
}

func newPrune(h *Host) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove all unused networks",
		Args:  h.Exactly(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return h.prune(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.filters, "filter", nil, `Provide filter values (e.g. "until=24h")`)
	f.BoolVarP(&o.force, "force", "f", false, "Do not prompt for confirmation")
	return cmd
}

func (h *Host) prune(ctx context.Context, o *pruneOptions) error {
	keep, err := ParseFilters(o.filters, time.Now())
	if err != nil {
		return err
	}
	if !o.force && !h.Confirm("WARNING! This will remove all custom networks not used by at least one container. Are you sure you want to continue?") {
		return nil
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	all, containers, err := look(ctx, client)
	if err != nil {
		return err
	}
	var removed []string
	var errs []error
	for i := range all {
		n := &all[i]
		users := Users(n, containers)
		if users > 0 || plan.IsPredefined(n) || !keep(n, users) {
			continue
		}
		err := client.RemoveNetwork(ctx, n.ID)
		switch {
		case err == nil:
			removed = append(removed, n.Spec.Name)
		case errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrDenied): // somebody was faster
		default:
			errs = append(errs, err)
		}
	}
	if len(removed) > 0 {
		fmt.Fprintln(h.Out, "Deleted Networks:")
		for _, name := range removed {
			fmt.Fprintln(h.Out, name)
		}
		fmt.Fprintln(h.Out)
	}
	return errors.Join(errs...)
}

// addresses reads addresses of a flag.
func addresses(flag string, texts ...string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, text := range texts {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, invalid("invalid --%s %q: it is no IP address", flag, text)
		}
		out = append(out, a)
	}
	return out, nil
}
