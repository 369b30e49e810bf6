package main

import (
	"bufio"
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/lines"
	"tiffin/engine"
	"tiffin/engine/call"
)

type logsOptions struct {
	follow, noColour, noPrefix, timestamps bool
	since, until, tail                     string
	index                                  int
}

func newLogs(c *cli) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs [OPTIONS] [SERVICE...]",
		Short: "View output from containers",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.logs(cmd, &o, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "Follow log output")
	f.IntVar(&o.index, "index", 0, "Index of the container if service has multiple replicas")
	f.BoolVar(&o.noColour, "no-color", false, "Produce monochrome output")
	f.BoolVar(&o.noPrefix, "no-log-prefix", false, "Don't print prefix in logs")
	f.StringVar(&o.since, "since", "", "Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)")
	f.StringVar(&o.until, "until", "", "Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)")
	f.StringVarP(&o.tail, "tail", "n", "all", "Number of lines to show from the end of the logs for each container")
	f.BoolVarP(&o.timestamps, "timestamps", "t", false, "Show timestamps")
	return cmd
}

func (c *cli) logs(cmd *cobra.Command, o *logsOptions, services []string) error {
	ctx := cmd.Context()
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	req := &call.LogRequest{Project: t.Name, Services: services, Index: o.index, Follow: o.follow, Tail: -1, Stdout: true, Stderr: true}
	now := time.Now()
	if req.Since, err = parseTime("since", o.since, now); err != nil {
		return err
	}
	if req.Until, err = parseTime("until", o.until, now); err != nil {
		return err
	}
	if o.tail != "all" {
		if req.Tail, err = strconv.Atoi(o.tail); err != nil || req.Tail < 0 {
			return caller.Invalid("invalid --tail %q: give a number or all", o.tail)
		}
	}
	if len(services) == 0 && t.Stack != nil {
		req.Services = attachable(t.Stack)
	}
	return c.printLogs(ctx, o, req)
}

func (c *cli) printLogs(ctx context.Context, o *logsOptions, req *call.LogRequest) error {
	client, list, err := c.List(ctx, &call.ListRequest{Project: req.Project, Services: req.Services, All: true})
	if client == nil || err != nil {
		return err
	}
	out := bufio.NewWriterSize(c.Out, 64<<10)
	printer := lines.New(out, out, lines.Options{
		Project: req.Project, NoPrefix: o.noPrefix, Colour: c.colourLogs(o.noColour), Timestamps: o.timestamps,
	})
	for i := range list {
		printer.Announce(list[i].Name)
	}
	err = client.Logs(ctx, req, func(e call.LogEntry) error {
		err := printer.Entry(e)
		if err == nil && req.Follow {
			err = out.Flush()
		}
		return err
	})
	return errors.Join(err, printer.Close(), out.Flush())
}

// attachable are the services of a Stack that do not say attach: false.
func attachable(stack *engine.Stack) []string {
	out := append([]string{}, stack.Disabled...)
	for i := range stack.Services {
		if !stack.Services[i].NoAttach {
			out = append(out, stack.Services[i].Name)
		}
	}
	return out
}

// colourLogs says whether the names of containers are coloured.
func (c *cli) colourLogs(never bool) bool {
	_, isTerminal := caller.Terminal(c.Out)
	return !never && c.Colour() && (isTerminal || c.Opts.ANSI == "always")
}

// parseTime reads a time as docker does: RFC 3339, a Unix time, or how long ago.
func parseTime(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	if t, err := parseUnix(text); err == nil {
		return t, nil
	}
	return time.Time{}, caller.Invalid("invalid --%s %q: give a time such as 2013-01-02T13:23:37Z or 42m", flag, text)
}

// parseUnix reads seconds since 1970, with up to nine places behind the point.
func parseUnix(text string) (time.Time, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	nanoseconds, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	return time.Unix(seconds, int64(nanoseconds)), err
}
