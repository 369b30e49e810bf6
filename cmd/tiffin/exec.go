package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/call"
)

type execOptions struct {
	detach, privileged, noTTY, interactive, tty bool
	env                                         []string
	user, workdir, detachKeys                   string
	index                                       int
}

func newExec(c *cli) *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [OPTIONS] SERVICE COMMAND [ARGS...]",
		Short: "Execute a command in a running container",
		Long: `Exec runs a command in a container of the service. With a terminal on both ends it gets one.

Exit status: that of the command; 126 when it cannot be run, 127 when it is not there.`,
		Args: caller.AtLeast(2),
		RunE: func(cmd *cobra.Command, args []string) error { return c.exec(cmd.Context(), &o, args) },
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run command in the background")
	f.StringArrayVarP(&o.env, "env", "e", nil, "Set environment variables")
	f.IntVar(&o.index, "index", 0, "Index of the container if service has multiple replicas")
	f.BoolVar(&o.privileged, "privileged", false, "Give extended privileges to the process")
	f.StringVarP(&o.user, "user", "u", "", "Run the command as this user")
	f.BoolVarP(&o.noTTY, "no-tty", "T", false, "Disable pseudo-TTY allocation (default: allocate one when input and output are terminals)")
	f.StringVarP(&o.workdir, "workdir", "w", "", "Path to workdir directory for this command")
	f.BoolVarP(&o.interactive, "interactive", "i", true, "Keep STDIN open even if not attached")
	f.BoolVarP(&o.tty, "tty", "t", true, "Allocate a pseudo-TTY")
	f.StringVar(&o.detachKeys, "detach-keys", "", "Keys that leave the process (default ctrl-p,ctrl-q)")
	for _, hidden := range []string{"interactive", "tty"} {
		f.Lookup(hidden).Hidden = true
	}
	return cmd
}

func (c *cli) exec(ctx context.Context, o *execOptions, args []string) error {
	client, ct, err := c.FindRunning(ctx, args[0], o.index)
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printStep("exec in container", ct.Name+": "+strings.Join(args[1:], " "))
	}
	_, inTerminal := caller.Terminal(c.In)
	_, outTerminal := caller.Terminal(c.Out)
	req := call.ExecRequest{
		Cmd: args[1:], Env: c.withValues(o.env), WorkingDir: o.workdir, User: o.user, Privileged: o.privileged, Detach: o.detach,
		TTY:       !o.noTTY && o.tty && inTerminal && outTerminal && !o.detach,
		OpenStdin: o.interactive && !o.detach, DetachKeys: o.detachKeys,
	}
	code, err := c.Streamed(caller.Streams{TTY: req.TTY, Stdin: req.OpenStdin}, func(s call.Streams) (int, error) {
		req.ConsoleSize = caller.TerminalSize(c.Out)
		return client.Exec(ctx, ct.ID, &req, s)
	})
	if errors.Is(err, engine.ErrConflict) {
		// It may have ended since.
		if _, _, gone := c.FindRunning(ctx, args[0], o.index); gone != nil {
			return gone
		}
	}
	if err != nil {
		return err
	}
	return caller.ExitWith(code)
}

// withValues gives variables without a value the caller's; those that the caller does
// not have are left out.
func (c *cli) withValues(vars []string) []string {
	var out []string
	for _, v := range vars {
		if strings.Contains(v, "=") {
			out = append(out, v)
		} else if value := c.Getenv(v); value != "" {
			out = append(out, v+"="+value)
		}
	}
	return out
}
