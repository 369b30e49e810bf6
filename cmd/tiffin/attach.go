package main

import (
	"context"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine/call"
)

type attachOptions struct {
	index            int
	noStdin, proxied bool
	detachKeys       string
}

func newAttach(c *cli) *cobra.Command {
	var o attachOptions
	cmd := &cobra.Command{
		Use:   "attach [OPTIONS] SERVICE",
		Short: "Attach local standard input, output, and error streams to a service's running container",
		Long: `Attach shows what the container writes from now on, and passes the keyboard on to it.

Exit status: that of the container; 0 when left by the detach keys.`,
		Args: caller.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.attach(cmd.Context(), &o, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.detachKeys, "detach-keys", "", "Override the key sequence for detaching from a container (default ctrl-p,ctrl-q)")
	f.IntVar(&o.index, "index", 0, "Index of the container if service has multiple replicas")
	f.BoolVar(&o.noStdin, "no-stdin", false, "Do not attach STDIN")
	f.BoolVar(&o.proxied, "sig-proxy", true, "Proxy all received signals to the process")
	return cmd
}

func (c *cli) attach(ctx context.Context, o *attachOptions, service string) error {
	client, ct, err := c.FindRunning(ctx, service, o.index)
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printStep("attach to container", ct.Name)
	}
	req := &call.AttachRequest{Container: ct.ID, Stdin: ct.Spec.OpenStdin && !o.noStdin, DetachKeys: o.detachKeys}
	s := caller.Streams{TTY: ct.Spec.TTY, Stdin: req.Stdin, KeepSignals: !o.proxied}
	code, err := c.Streamed(s, func(s call.Streams) (int, error) {
		req.ConsoleSize = caller.TerminalSize(c.Out)
		return client.Attach(ctx, req, s)
	})
	if err != nil {
		return err
	}
	return caller.ExitWith(code)
}
