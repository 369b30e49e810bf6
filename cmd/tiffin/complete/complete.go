// Package complete offers to shells the names of what the engine has.
//
// A shell asks while somebody types: no engine is started for it, and what goes wrong is an offer of nothing.
package complete

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
)

// Host is the command line that is completed.
type Host struct {
	// Running is a client of the engine, nil when none runs.
	Running func() (*api.Client, error)
	// Project is the name of the project that is meant.
	Project func(ctx context.Context) (string, error)
}

// Flags completes the flags of a command that are numbers of containers.
func (h *Host) Flags(cmd *cobra.Command) {
	if cmd.Flags().Lookup("index") != nil {
		_ = cmd.RegisterFlagCompletionFunc("index", h.indexes) // only fails when it is done twice
	}
}

// indexes offers the numbers of the containers of the service that is named.
func (h *Host) indexes(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	project, err := h.Project(cmd.Context())
	if err != nil || project == "" {
		return none()
	}
	req := &call.ListRequest{Project: project, All: true}
	if len(args) > 0 {
		req.Services = args[:1]
	}
	return h.offer(nil, func(client *api.Client) ([]string, error) {
		all, err := client.List(cmd.Context(), req)
		var out []string
		for i := range all {
			out = append(out, strconv.Itoa(all[i].Number))
		}
		return out, err
	})
}

// Images offers the names of images.
func (h *Host) Images(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return h.offer(args, func(client *api.Client) ([]string, error) {
		all, err := client.Images(cmd.Context())
		var out []string
		for i := range all {
			out = append(out, all[i].Names...)
		}
		return out, err
	})
}

// Image offers them for the first word only.
func (h *Host) Image(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return none()
	}
	return h.Images(cmd, args, toComplete)
}

// Network completes the commands of tiffin network: networks, and after one of them the containers that are to be on it.
func (h *Host) Network(commands *cobra.Command) {
	for _, cmd := range commands.Commands() {
		switch cmd.Name() {
		case "inspect", "rm":
			cmd.ValidArgsFunction = h.networks
		case "connect", "disconnect":
			cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
				switch len(args) {
				case 0:
					return h.networks(cmd, args, toComplete)
				case 1:
					return h.containers(cmd)
				default:
					return none()
				}
			}
		}
	}
}

func (h *Host) networks(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return h.offer(args, func(client *api.Client) ([]string, error) {
		all, err := client.Networks(cmd.Context())
		var out []string
		for i := range all {
			out = append(out, all[i].Spec.Name)
		}
		return out, err
	})
}

func (h *Host) containers(cmd *cobra.Command) ([]string, cobra.ShellCompDirective) {
	return h.offer(nil, func(client *api.Client) ([]string, error) {
		all, err := client.List(cmd.Context(), &call.ListRequest{All: true, OneOffs: true})
		return names(all), err
	})
}

func names(all []engine.Container) []string {
	var out []string
	for i := range all {
		out = append(out, all[i].Name)
	}
	return out
}

// offer is what ask finds, sorted, each once, without what was said before.
func (h *Host) offer(said []string, ask func(*api.Client) ([]string, error)) ([]string, cobra.ShellCompDirective) {
	client, err := h.Running()
	if client == nil || err != nil {
		return none()
	}
	out, err := ask(client)
	if err != nil {
		return none()
	}
	slices.Sort(out)
	out = slices.DeleteFunc(slices.Compact(out), func(name string) bool { return slices.Contains(said, name) })
	return out, cobra.ShellCompDirectiveNoFileComp
}

func none() ([]string, cobra.ShellCompDirective) { return nil, cobra.ShellCompDirectiveNoFileComp }
