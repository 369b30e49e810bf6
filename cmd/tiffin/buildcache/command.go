// Package buildcache has the commands of tiffin builder.
package buildcache

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/builds"
	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	building "tiffin/engine/builder/client"
)

// cli is the caller; the commands are its methods.
type cli struct{ *caller.Caller }

// Command is docker's group of commands for the build cache.
func Command(who *caller.Caller) *cobra.Command {
	c := &cli{who}
	cmd := &cobra.Command{
		Use:   "builder",
		Short: "Look at the build cache, and empty it",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return caller.Invalid("unknown command: %q", "tiffin builder "+args[0])
			}
			return cmd.Help()
		},
	}
	for _, sub := range []*cobra.Command{newBuilderDu(c), newBuilderPrune(c)} {
		sub.DisableFlagsInUseLine = true
		cmd.AddCommand(sub)
	}
	return cmd
}

type duOptions struct {
	verbose bool
	filters []string
	format  string
}

func newBuilderDu(c *cli) *cobra.Command {
	var o duOptions
	cmd := &cobra.Command{
		Use:   "du [OPTIONS]",
		Short: "Show what the build cache takes",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.builderDu(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.verbose, "verbose", false, "Show all that is known of each record")
	f.StringArrayVar(&o.filters, "filter", nil, `Show some records only (e.g. "type=exec.cachemount", "until=24h")`)
	f.StringVar(&o.format, "format", "table", "table, json, or a Go template")
	return cmd
}

func (c *cli) builderDu(ctx context.Context, o *duOptions) error {
	filters, _, err := builds.Filters(o.filters)
	if err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	records, err := building.Usage(ctx, client.Build, filters)
	if err != nil {
		return err
	}
	rows := make([]builds.Row, len(records))
	for i := range records {
		rows[len(rows)-1-i] = builds.RowOf(&records[i], time.Now()) // the largest first
	}
	switch {
	case o.format == "json":
		return format.JSONLines(c.Out, rows)
	case o.format != "table":
		return format.Template(c.Out, o.format, rows)
	case o.verbose:
		if err := builds.WriteRecords(c.Out, rows); err != nil {
			return err
		}
	default:
		if err := builds.WriteTable(c.Out, rows); err != nil {
			return err
		}
	}
	return builds.WriteSums(c.Out, records)
}

type pruneOptions struct {
	all, force                       bool
	filters                          []string
	reserved, keep, maxUsed, minFree string
}

func newBuilderPrune(c *cli) *cobra.Command {
	var o pruneOptions
	cmd := &cobra.Command{
		Use:   "prune [OPTIONS]",
		Short: "Remove build cache",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.builderPrune(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Remove all unused build cache, not just dangling ones")
	f.BoolVarP(&o.force, "force", "f", false, "Do not prompt for confirmation")
	f.StringArrayVar(&o.filters, "filter", nil, `Provide filter values (e.g. "until=24h")`)
	f.StringVar(&o.reserved, "reserved-space", "", "Amount of disk space always allowed to keep for cache")
	f.StringVar(&o.keep, "keep-storage", "", "The older name of --reserved-space")
	f.StringVar(&o.maxUsed, "max-used-space", "", "Maximum amount of disk space allowed to keep for cache")
	f.StringVar(&o.minFree, "min-free-space", "", "Target amount of free disk space after pruning")
	f.Lookup("keep-storage").Hidden = true
	return cmd
}

func (o *pruneOptions) request() (building.PruneOptions, error) {
	out := building.PruneOptions{All: o.all}
	var err error
	if out.Filters, out.KeepFor, err = builds.Filters(o.filters); err != nil {
		return out, err
	}
	for _, size := range []struct {
		flag, text string
		to         *engine.Bytes
	}{
		{"keep-storage", o.keep, &out.Reserved},
		{"reserved-space", o.reserved, &out.Reserved},
		{"max-used-space", o.maxUsed, &out.MaxUsed},
		{"min-free-space", o.minFree, &out.MinFree},
	} {
		if size.text == "" {
			continue
		}
		n, err := units.RAMInBytes(size.text)
		if err != nil || n < 0 {
			return out, caller.Invalid("--%s %q is no amount of space: 512mb and 20gb are", size.flag, size.text)
		}
		*size.to = engine.Bytes(n)
	}
	return out, nil
}

const (
	pruneDangling = "This will remove all dangling build cache. Are you sure you want to continue?"
	pruneAll      = "This will remove all build cache. Are you sure you want to continue?"
)

func (c *cli) builderPrune(ctx context.Context, o *pruneOptions) error {
	req, err := o.request()
	if err != nil {
		return err
	}
	question := pruneDangling
	if o.all {
		question = pruneAll
	}
	if c.Opts.DryRun {
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("builder prune cannot be tried dry: builder du lists what may go"))
	}
	if !o.force && !c.Confirm("WARNING! "+question) {
		return nil
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	var rows []builds.Row
	var total engine.Bytes
	err = building.Prune(ctx, client.Build, req, func(r building.Record) {
		rows = append(rows, builds.RowOf(&r, time.Now()))
		total += r.Size
	})
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		if err := builds.WriteTable(c.Out, rows); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(c.Out, "Total:\t%s\n", builds.Size(total))
	return err
}
