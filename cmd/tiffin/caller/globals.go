package caller

import (
	"strconv"

	"github.com/spf13/cobra"
)

// AddGlobalFlags adds those that stand before the command.
func (c *Caller) AddGlobalFlags(root *cobra.Command) {
	f := root.Flags()
	o := &c.Opts
	f.StringArrayVarP(&o.Files, "file", "f", nil, "Compose configuration files; - is standard input")
	f.StringVarP(&o.Name, "project-name", "p", "", "Project name")
	f.StringVar(&o.Directory, "project-directory", "", "Alternate working directory (default: that of the first Compose file)")
	f.StringArrayVar(&o.Profiles, "profile", nil, "Profile to enable; '*' enables all")
	f.StringArrayVar(&o.EnvFiles, "env-file", nil, "Alternate environment file")
	f.StringVar(&o.ANSI, "ansi", "auto", `When to print ANSI control characters ("never"|"always"|"auto")`)
	f.StringVar(&o.Progress, "progress", "", "Type of progress output (auto, tty, plain, json, quiet)")
	f.IntVar(&o.Parallel, "parallel", -1, "Most steps at once, -1 for no limit")
	root.PersistentFlags().BoolVar(&o.DryRun, "dry-run", false, "Print what would be done, and do nothing")
	root.PersistentFlags().StringVar(&o.Instance, "instance", "", "Copy of the project to work on, with names, networks, volumes and host ports of its own")
	f.BoolVar(&o.Compatible, "compatibility", false, "Accepted for docker compose's sake")
	f.BoolVar(&o.AllResources, "all-resources", false, "Include resources that no service uses")
	f.StringVar(&o.Directory, "workdir", "", "")
	var ignored bool
	f.BoolVar(&ignored, "verbose", false, "")
	noANSI := f.VarPF(neverANSI{&o.ANSI}, "no-ansi", "", "")
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

// CheckGlobals applies the environment, later also the .env of the project, and refuses
// what no command accepts.
func (c *Caller) CheckGlobals() error {
	o := &c.Opts
	if o.Progress == "" {
		o.Progress = c.Setting("COMPOSE_PROGRESS")
	}
	switch o.Progress {
	case "", "auto", "tty", "plain", "json", "quiet":
	default:
		return Invalid("unsupported --progress value %q: auto, tty, plain, json and quiet are known", o.Progress)
	}
	if ansi := c.Setting("COMPOSE_ANSI"); ansi != "" && o.ANSI == "auto" {
		o.ANSI = ansi
	}
	switch o.ANSI {
	case "never", "always", "auto":
	default:
		return Invalid("unsupported --ansi value %q: never, always and auto are known", o.ANSI)
	}
	if limit := c.Setting("COMPOSE_PARALLEL_LIMIT"); limit != "" && o.Parallel < 0 {
		n, err := strconv.Atoi(limit)
		if err != nil {
			return Invalid("COMPOSE_PARALLEL_LIMIT must be a number, not %q", limit)
		}
		o.Parallel = n
	}
	return nil
}
