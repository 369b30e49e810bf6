package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/addresses"
	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine/call"
)

func newEnv(c *cli) *cobra.Command {
	var style string
	cmd := &cobra.Command{
		Use:   "env [OPTIONS] [SERVICE...]",
		Short: "Print the published addresses as variables",
		Long: `Env prints an assignment for each published port of what runs: WEB_80=127.0.0.1:49153,
and the same in two pieces, WEB_80_HOST and WEB_80_PORT.

The name is SERVICE_PORT in capital letters; _UDP, and _2 for the second replica, come behind it.
"export $(tiffin env)" takes them over into a shell.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.env(cmd, style, args) },
	}
	cmd.Flags().StringVar(&style, "format", "text", "text or json")
	return cmd
}

func (c *cli) env(cmd *cobra.Command, style string, services []string) error {
	if style != "text" && style != "json" {
		return caller.Invalid("unknown --format %q: text and json are known", style)
	}
	ctx := cmd.Context()
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	_, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: services})
	if err != nil {
		return err
	}
	vars := addresses.Of(list)
	if name := c.instance(); name != "" {
		vars = append(vars, addresses.Variable{Name: instanceVar, Value: name})
	}
	if style == "json" {
		byName := map[string]string{}
		for _, v := range vars {
			byName[v.Name] = v.Value
		}
		return format.JSON(c.Out, byName)
	}
	var out strings.Builder
	for _, v := range vars {
		out.WriteString(v.Name + "=" + v.Value + "\n")
	}
	_, err = fmt.Fprint(c.Out, out.String())
	return err
}

// instanceVar says which instance is meant, as --instance does.
const instanceVar = "TIFFIN_INSTANCE"

// instance is the one that is meant, "" for the project itself.
func (c *cli) instance() string {
	if c.Opts.Instance != "" {
		return c.Opts.Instance
	}
	return c.Setting(instanceVar)
}
