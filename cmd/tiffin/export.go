package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/archives"
	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
)

type exportOptions struct {
	index  int
	output string
}

func newExport(c *cli) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export [OPTIONS] SERVICE",
		Short: "Export a service container's filesystem as a tar archive",
		Long:  "Export writes the files of a container, which need not run, without what is in its volumes.",
		Args:  caller.Exactly(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return c.export(cmd.Context(), &o, args[0]) },
	}
	cmd.Flags().IntVar(&o.index, "index", 0, "index of the container if service has multiple replicas")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "Write to a file, instead of STDOUT")
	return cmd
}

func (c *cli) export(ctx context.Context, o *exportOptions, service string) error {
	client, list, err := c.FindContainers(ctx, service, caller.Which{Index: o.index})
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printStep("export container", list[0].Name)
	}
	write := func(w io.Writer) error { return client.Export(ctx, list[0].ID, w) }
	if o.output != "" && o.output != "-" {
		return archives.SaveTo(o.output, write)
	}
	if _, isTerminal := caller.Terminal(c.Out); isTerminal {
		return engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("output option is required when exporting to terminal")), "give -o FILE, or redirect")
	}
	return write(c.Out)
}
