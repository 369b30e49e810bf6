package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

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
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetIn(c.in)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return engine.Hint(engine.Problem(engine.ErrInvalid, err), "see `"+cmd.CommandPath()+" --help`")
	})
	root.Flags().SetInterspersed(false)
	c.addGlobalFlags(root)
	showVersion := root.Flags().BoolP("version", "v", false, "Show the version")
	root.Flags().Lookup("version").Hidden = true
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.checkGlobals() }
	runRoot := root.RunE
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if *showVersion {
			return c.printVersion(versionOptions{})
		}
		return runRoot(cmd, args)
	}
	addGroup(root, "stack", "Stack", newUp(c), newDown(c), newPlan(c), newCreate(c), newStart(c), newStop(c), newRestart(c), newRun(c), newBuild(c), newPull(c), newScale(c))
	addGroup(root, "look", "Look", newPs(c), newLogs(c), newTop(c), newPort(c), newLs(c), newConfig(c), newImages(c), newEvents(c))
	addGroup(root, "containers", "Containers", newExec(c), newAttach(c), newKill(c), newPause(c), newUnpause(c), newRm(c), newWait(c))
	addGroup(root, "images", "Images", newLoad(c), newSave(c), newImport(c), newTag(c), newRmi(c), newBuilder(c))
	addGroup(root, "tiffin", "Tiffin", newEngine(c), newVersion(c))
	root.AddCommand(newPluginMetadata(c))
	root.SetHelpCommandGroupID("tiffin")
	root.SetCompletionCommandGroupID("tiffin")
	c.addCompletions(root)
	return root
}

func addGroup(root *cobra.Command, id, title string, cmds ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title + ":"})
	for _, cmd := range cmds {
		cmd.GroupID, cmd.DisableFlagsInUseLine = id, true
		root.AddCommand(cmd)
	}
}

// notYet are docker compose's commands that tiffin does not have.
func notYet() []string {
	return []string{"alpha", "bridge", "commit", "cp", "export", "publish", "push", "stats", "volumes", "watch"}
}

// unknownCommand shows the help, and then what is wrong.
func (c *cli) unknownCommand(root *cobra.Command, name string) error {
	if slices.Contains(notYet(), name) {
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%q is not there yet", "tiffin "+name))
	}
	root.SetOut(c.err)
	if err := root.Help(); err != nil {
		return err
	}
	fmt.Fprintln(c.err)
	hint := ""
	if near := root.SuggestionsFor(name); len(near) > 0 {
		i := slices.IndexFunc(near, func(n string) bool { return strings.HasPrefix(name, n) || strings.HasPrefix(n, name) })
		hint = "did you mean `tiffin " + near[max(i, 0)] + "`?"
	}
	return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("unknown command: %q", "tiffin "+name)), hint)
}

func (c *cli) addGlobalFlags(root *cobra.Command) {
	f := root.Flags()
	o := &c.opts
	f.StringArrayVarP(&o.files, "file", "f", nil, "Compose configuration files; - is standard input")
	f.StringVarP(&o.name, "project-name", "p", "", "Project name")
	f.StringVar(&o.directory, "project-directory", "", "Alternate working directory (default: that of the first Compose file)")
	f.StringArrayVar(&o.profiles, "profile", nil, "Profile to enable; '*' enables all")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "Alternate environment file")
	f.StringVar(&o.ansi, "ansi", "auto", `When to print ANSI control characters ("never"|"always"|"auto")`)
	f.StringVar(&o.progress, "progress", "", "Type of progress output (auto, tty, plain, json, quiet)")
	f.IntVar(&o.parallel, "parallel", -1, "Most steps at once, -1 for no limit")
	root.PersistentFlags().BoolVar(&o.dryRun, "dry-run", false, "Print what would be done, and do nothing")
	f.BoolVar(&o.compatible, "compatibility", false, "Accepted for docker compose's sake")
	f.BoolVar(&o.allResource, "all-resources", false, "Include resources that no service uses")
	f.StringVar(&o.directory, "workdir", "", "")
	var ignored bool
	f.BoolVar(&ignored, "verbose", false, "")
	noANSI := f.VarPF(neverANSI{&o.ansi}, "no-ansi", "", "")
	noANSI.NoOptDefVal = "true"
	for _, hidden := range []string{"workdir", "compatibility", "verbose", "no-ansi"} {
		f.Lookup(hidden).Hidden = true
	}
}

// neverANSI is the old flag --no-ansi, which is --ansi never.
type neverANSI struct{ ansi *string }

func (neverANSI) String() string     { return "" }
func (neverANSI) Type() string       { return "bool" }
func (n neverANSI) Set(string) error { *n.ansi = "never"; return nil }

// checkGlobals applies the environment, later also the .env of the project, and refuses
// what no command accepts.
func (c *cli) checkGlobals() error {
	o := &c.opts
	if o.progress == "" {
		o.progress = c.setting("COMPOSE_PROGRESS")
	}
	switch o.progress {
	case "", "auto", "tty", "plain", "json", "quiet":
	default:
		return invalid("unsupported --progress value %q: auto, tty, plain, json and quiet are known", o.progress)
	}
	if ansi := c.setting("COMPOSE_ANSI"); ansi != "" && o.ansi == "auto" {
		o.ansi = ansi
	}
	switch o.ansi {
	case "never", "always", "auto":
	default:
		return invalid("unsupported --ansi value %q: never, always and auto are known", o.ansi)
	}
	if limit := c.setting("COMPOSE_PARALLEL_LIMIT"); limit != "" && o.parallel < 0 {
		n, err := strconv.Atoi(limit)
		if err != nil {
			return invalid("COMPOSE_PARALLEL_LIMIT must be a number, not %q", limit)
		}
		o.parallel = n
	}
	return nil
}

// flagConflict refuses two flags together, in docker compose's words.
func flagConflict(cmd *cobra.Command, pairs ...[2]string) error {
	for _, p := range pairs {
		if cmd.Flags().Changed(p[0]) && cmd.Flags().Changed(p[1]) {
			return invalid("--%s and --%s are incompatible", p[0], p[1])
		}
	}
	return nil
}
