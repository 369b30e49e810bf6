package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/archives"
	"tiffin/cmd/tiffin/bridge"
	"tiffin/cmd/tiffin/buildcache"
	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/commit"
	"tiffin/cmd/tiffin/networks"
	"tiffin/cmd/tiffin/publish"
	"tiffin/cmd/tiffin/secrets"
	"tiffin/cmd/tiffin/stats"
	"tiffin/engine"
)

const rootHelp = `Tiffin runs the stack of a Compose file: tiffin up, tiffin down.

It is one program with the container runtime inside: there is no daemon to install.
The commands and flags are those of docker compose.

Exit status: 0 when all went well, 1 on an error, 130 when interrupted; run, exec,
wait and up --exit-code-from return the exit code of the container.`

// newRoot makes the command table.
func newRoot(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:           "tiffin",
		Short:         "Run the stack of a Compose file",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		// Global flags stand before the command, as with docker compose: logs has an -f of its own.
		TraverseChildren: true,
		Args:             cobra.ArbitraryArgs,
		// How many letters may be wrong for "did you mean".
		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return c.unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	root.SetIn(c.In)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return engine.Hint(engine.Problem(engine.ErrInvalid, err), "see `"+cmd.CommandPath()+" --help`")
	})
	root.Flags().SetInterspersed(false)
	c.AddGlobalFlags(root)
	showVersion := root.Flags().BoolP("version", "v", false, "Show the version")
	root.Flags().Lookup("version").Hidden = true
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.CheckGlobals() }
	runRoot := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *showVersion {
			return c.printVersion(versionOptions{})
		}
		return runRoot(cmd, args)
	}
	addGroup(root, "stack", "Stack", newUp(c), newDown(c), newPlan(c), newCreate(c), newStart(c), newStop(c), newRestart(c), newRun(c), newTest(c), newBuild(c), newPull(c), newPush(c), c.publishCommand(), bridge.Command(&bridge.Host{Caller: c.Caller, Show: c.showPlan}), newScale(c), newWatch(c))
	addGroup(root, "look", "Look", newPs(c), newLogs(c), newTop(c), newPort(c), newEnv(c), newLs(c), newConfig(c), newImages(c), newEvents(c), newGraph(c), newVolumes(c), stats.Command(c.Caller))
	addGroup(root, "containers", "Containers", newExec(c), newAttach(c), newKill(c), newPause(c), newUnpause(c), newRm(c), newWait(c), newCp(c), newExport(c), commit.Command(c.Caller, c.printStep), c.networkCommands(), secrets.Command(c.Caller))
	addGroup(root, "images", "Images", append(archives.Commands(c.Caller, c.printStep), buildcache.Command(c.Caller))...)
	addGroup(root, "tiffin", "Tiffin", newEngine(c), newVersion(c))
	root.AddCommand(newPluginMetadata(c), newAlpha(c))
	root.SetHelpCommandGroupID("tiffin")
	root.SetCompletionCommandGroupID("tiffin")
	c.addCompletions(root)
	return root
}

// networkCommands are those of tiffin network.
func (c *cli) networkCommands() *cobra.Command {
	return networks.Command(&networks.Host{
		Out: c.Out, Connect: c.Connect, Confirm: c.Confirm, Dry: func() bool { return c.Opts.DryRun }, Exactly: caller.Exactly, AtLeast: caller.AtLeast,
	})
}

// publishCommand is tiffin publish, and alpha publish.
func (c *cli) publishCommand() *cobra.Command {
	return publish.Command(&publish.Host{
		Caller: c.Caller, Version: composeVersion,
		Built: func(stack *engine.Stack) []string {
			refs, _ := toPush(stack, nil, c.Project.NamesImage)
			return refs
		},
		Push: func(ctx context.Context, images []string, report engine.Report) error {
			return c.pushAll(ctx, images, true, report)
		},
		Show: c.showPlan,
	})
}

func addGroup(root *cobra.Command, id, title string, cmds ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title + ":"})
	for _, cmd := range cmds {
		cmd.GroupID, cmd.DisableFlagsInUseLine = id, true
		root.AddCommand(cmd)
	}
}

// unknownCommand shows the help, and then what is wrong.
func (c *cli) unknownCommand(root *cobra.Command, name string) error {
	root.SetOut(c.Err)
	if err := root.Help(); err != nil {
		return err
	}
	fmt.Fprintln(c.Err)
	hint := ""
	if near := root.SuggestionsFor(name); len(near) > 0 {
		i := slices.IndexFunc(near, func(n string) bool { return strings.HasPrefix(name, n) || strings.HasPrefix(n, name) })
		hint = "did you mean `tiffin " + near[max(i, 0)] + "`?"
	}
	return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("unknown command: %q", "tiffin "+name)), hint)
}

// flagConflict refuses two flags together, in docker compose's words.
func flagConflict(cmd *cobra.Command, pairs ...[2]string) error {
	for _, p := range pairs {
		if cmd.Flags().Changed(p[0]) && cmd.Flags().Changed(p[1]) {
			return caller.Invalid("--%s and --%s are incompatible", p[0], p[1])
		}
	}
	return nil
}
