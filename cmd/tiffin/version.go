package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
)

type versionOptions struct {
	short  bool
	format string
}

func newVersion(c *cli) *cobra.Command {
	var o versionOptions
	cmd := &cobra.Command{
		Use:   "version [OPTIONS]",
		Short: "Show the tiffin version information",
		Args:  caller.Exactly(0),
		RunE:  func(*cobra.Command, []string) error { return c.printVersion(o) },
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "Format the output. Values: [pretty | json]")
	cmd.Flags().BoolVar(&o.short, "short", false, "Shows only tiffin's version number")
	return cmd
}

func (c *cli) printVersion(o versionOptions) error {
	number, title := version, "tiffin version "+version
	if c.AsCompose {
		number, title = "v"+composeVersion, "Docker Compose version v"+composeVersion+" (tiffin "+version+")"
	}
	var err error
	switch {
	case o.short:
		_, err = fmt.Fprintln(c.Out, strings.TrimPrefix(number, "v"))
	case o.format == "json":
		_, err = fmt.Fprintf(c.Out, "{\"version\":%q}\n", number)
	case o.format == "" || o.format == "pretty":
		_, err = fmt.Fprintln(c.Out, title)
	default:
		err = caller.Invalid("unsupported --format %q: pretty and json are known", o.format)
	}
	return err
}
