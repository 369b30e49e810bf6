package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/complete"
)

// addCompletions makes shells complete the names of services and profiles, and the words
// that flags take.
func (c *cli) addCompletions(root *cobra.Command) {
	words := map[string][]string{
		"ansi":     {"auto", "always", "never"},
		"progress": {"auto", "tty", "plain", "json", "quiet"},
		"pull":     {"always", "missing", "never", "policy"},
		"policy":   {"always", "missing"},
		"rmi":      {"local", "all"},
		"status":   {"paused", "restarting", "removing", "running", "dead", "created", "exited"},
		"protocol": {"tcp", "udp"},
	}
	known := &complete.Host{Running: c.ConnectIfRunning, Project: c.quietProject}
	for _, cmd := range append(root.Commands(), root) {
		known.Flags(cmd)
		for flag, values := range words {
			if cmd.Flags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // only fails when it is done twice
			}
		}
		for _, flag := range []string{"attach", "no-attach", "exit-code-from", "scale"} {
			if cmd.Flags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, c.completeServices) // as above
			}
		}
		switch cmd.Name() {
		case "up", "down", "plan", "build", "create", "start", "stop", "restart", "pull", "scale", "ps", "logs", "top", "config", "images", "events", "kill", "pause", "unpause", "rm", "wait", "volumes", "push", "watch":
			cmd.ValidArgsFunction = c.completeServices
		case "rmi", "save":
			cmd.ValidArgsFunction = known.Images
		case "tag":
			cmd.ValidArgsFunction = known.Image
		case "network":
			known.Network(cmd)
		case "cp":
			cmd.ValidArgsFunction = c.completeEnds
		case "run", "exec", "port", "attach", "export":
			cmd.ValidArgsFunction = c.completeService
		}
	}
	_ = root.RegisterFlagCompletionFunc("profile", c.completeProfiles) // as above
}

func (c *cli) quietProject(ctx context.Context) (string, error) {
	t, err := c.Quietly().FindTarget(ctx, nil)
	return t.Name, err
}

// completeServices offers the services that were not named yet.
func (c *cli) completeServices(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	stack, err := c.Quietly().LoadStack(cmd.Context(), nil, nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names := slices.Clone(stack.Disabled)
	for i := range stack.Services {
		names = append(names, stack.Services[i].Name)
	}
	slices.Sort(names)
	return without(names, args), cobra.ShellCompDirectiveNoFileComp
}

// completeService offers services for the first word, and files after it.
func (c *cli) completeService(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return c.completeServices(cmd, args, toComplete)
}

// completeEnds offers services with the colon that a path in them begins with, and files.
func (c *cli) completeEnds(cmd *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 || strings.Contains(toComplete, ":") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := c.completeServices(cmd, nil, toComplete)
	for i := range names {
		names[i] += ":"
	}
	return names, cobra.ShellCompDirectiveNoSpace
}

func (c *cli) completeProfiles(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	quiet := c.Quietly()
	o, err := quiet.ProjectOptions(nil)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	p, err := quiet.Load(cmd.Context(), o)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.Profiles(), cobra.ShellCompDirectiveNoFileComp
}
