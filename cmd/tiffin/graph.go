package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/graph"
	"tiffin/engine"
)

type graphOptions struct {
	graph.Options

	format string
}

func newGraph(c *cli) *cobra.Command {
	o := graphOptions{Options: graph.Options{Networks: true, Volumes: true, Ports: true}}
	cmd := &cobra.Command{
		Use:   "graph [OPTIONS] [SERVICE...]",
		Short: "Draw the services, what they depend on and what they share",
		Long: `Graph prints a picture of the project: mermaid, which GitHub and many editors draw;
dot, the language of graphviz; or svg, which every browser shows:

  tiffin graph --format svg >stack.svg`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.graph(cmd, &o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "mermaid", "mermaid, dot or svg")
	f.BoolVar(&o.Networks, "networks", true, "Draw networks")
	f.BoolVar(&o.Volumes, "volumes", true, "Draw volumes")
	f.BoolVar(&o.Ports, "ports", true, "Draw published ports")
	f.BoolVar(&o.Images, "image", false, "Name the image of each service")
	return cmd
}

func (c *cli) graph(cmd *cobra.Command, o *graphOptions, services []string) error {
	renderers := map[string]func(io.Writer, *graph.Picture) error{
		"mermaid": graph.Mermaid, "svg": graph.SVG,
		"dot": func(w io.Writer, p *graph.Picture) error { return graph.Dot(w, p, "  ") },
	}
	render, ok := renderers[o.format]
	if !ok {
		return caller.Invalid("unknown --format %q: mermaid, dot and svg are known", o.format)
	}
	picture, err := c.picture(cmd, o.Options, services)
	if err != nil {
		return err
	}
	return render(c.Out, picture)
}

// picture is that of the named services and what they depend on, or of all.
func (c *cli) picture(cmd *cobra.Command, o graph.Options, services []string) (*graph.Picture, error) {
	stack, err := c.LoadStack(cmd.Context(), services, nil)
	if err != nil {
		return nil, err
	}
	if err := (caller.Target{Name: stack.Name, Stack: stack}).Known(services...); err != nil {
		return nil, err
	}
	if len(services) > 0 {
		wanted := withDependencies(stack, services)
		stack.Services = slices.DeleteFunc(stack.Services, func(s engine.Service) bool { return !slices.Contains(wanted, s.Name) })
	}
	picture := graph.From(stack, o)
	return &picture, nil
}

// withDependencies are services and all that they depend on.
func withDependencies(stack *engine.Stack, services []string) []string {
	all := slices.Clone(services)
	for i := 0; i < len(all); i++ {
		svc, ok := stack.Service(all[i])
		if !ok {
			continue
		}
		for _, d := range svc.DependsOn {
			if !slices.Contains(all, d.Service) {
				all = append(all, d.Service)
			}
		}
	}
	return all
}

// newAlpha has docker compose's experiments, as far as there is something of ours for them.
func newAlpha(c *cli) *cobra.Command {
	alpha := &cobra.Command{Use: "alpha COMMAND", Short: "Experimental commands", Hidden: true}
	var o graph.Options
	var spaces bool
	var indent int
	viz := &cobra.Command{
		Use:   "viz [OPTIONS]",
		Short: "EXPERIMENTAL - Generate a graphviz graph from your compose file",
		Args:  caller.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			picture, err := c.picture(cmd, o, nil)
			if err != nil {
				return err
			}
			unit := "\t"
			if spaces {
				unit = " "
			}
			return graph.Dot(c.Out, picture, strings.Repeat(unit, max(indent, 0)))
		},
	}
	f := viz.Flags()
	f.BoolVar(&o.Images, "image", false, "Include service's image name in output graph")
	f.IntVar(&indent, "indentation-size", 1, "Number of tabs or spaces to use for indentation")
	f.BoolVar(&o.Networks, "networks", false, "Include service's attached networks in output graph")
	f.BoolVar(&o.Ports, "ports", false, "Include service's exposed ports in output graph")
	f.BoolVar(&spaces, "spaces", false, "If given, space character ' ' will be used to indent, otherwise tab character '\\t' will be used")
	alpha.AddCommand(viz, c.publishCommand())
	return alpha
}
