package stats

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
)

const (
	// period is between two screens.
	period = time.Second
	// glance is between the two answers that the first percentages take: long enough for the kernel's counters, short
	// enough not to be waited for.
	glance = 250 * time.Millisecond
)

type options struct {
	all, noStream, full bool
	format              string
}

// Command is docker compose's stats.
func Command(who *caller.Caller) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "stats [OPTIONS] [SERVICE]",
		Short: "Display a live stream of container(s) resource usage statistics",
		Args:  atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), who, &o, args)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Show all containers (default shows just running)")
	f.StringVar(&o.format, "format", "", "Format the output: table, table TEMPLATE, json, or a Go template")
	f.BoolVar(&o.noStream, "no-stream", false, "Disable streaming stats and only pull the first result")
	f.BoolVar(&o.full, "no-trunc", false, "Do not truncate output")
	return cmd
}

func atMostOne(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return engine.Hint(caller.Invalid("stats takes one service, not %d", len(args)), "without one it shows all; --format picks columns")
	}
	return nil
}

// meter is one run of the command.
type meter struct {
	*caller.Caller
	o      *options
	client *api.Client // nil: no engine runs
	req    call.StatsRequest
	before []call.Stats
	rows   []row
}

func run(ctx context.Context, who *caller.Caller, o *options, services []string) error {
	t, err := who.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	if o.format == "" {
		config := who.ReadDockerConfig()
		o.format = config.StatsFormat
	}
	if err := write(&bytes.Buffer{}, o.format, []row{{}}, 0); err != nil {
		return err // a template that is wrong is told of at once
	}
	m := &meter{Caller: who, o: o, req: call.StatsRequest{List: call.ListRequest{Project: t.Name, Services: services, All: o.all, OneOffs: true}}}
	if err := m.ask(ctx); err != nil {
		return err
	}
	if o.noStream {
		return m.once(ctx)
	}
	return m.stream(ctx)
}

// ask looks at all containers. An engine that has ended is looked for again: containers run on without it.
func (m *meter) ask(ctx context.Context) error {
	var err error
	if m.client == nil {
		if m.client, err = m.Look(ctx); err != nil {
			return err
		}
	}
	var now []call.Stats
	if m.client != nil {
		now, err = m.client.Stats(ctx, &m.req)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, engine.ErrUnavailable):
			m.client = nil
			return nil
		case err != nil:
			return err
		}
	}
	m.rows = rowsOf(m.before, now, m.o.full)
	m.before = now
	return nil
}

// once prints one screen; of nothing, as docker does, not even the headings.
func (m *meter) once(ctx context.Context) error {
	if len(m.before) == 0 {
		return nil
	}
	select {
	case <-time.After(glance):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := m.ask(ctx); err != nil {
		return err
	}
	return write(m.Out, m.o.format, m.rows, 0)
}

// stream shows a screen each second until the user has enough of it. On a terminal each is written over the one before,
// elsewhere behind it; there the first one comes when its percentages are known.
func (m *meter) stream(ctx context.Context) error {
	fd, onTerminal := caller.Terminal(m.Out)
	size := func() (width, height int) { return 0, 0 }
	resized := make(chan os.Signal, 1)
	if onTerminal {
		size = progress.SizeOf(fd)
		signal.Notify(resized, unix.SIGWINCH)
		defer signal.Stop(resized)
		if err := m.show(size()); err != nil {
			return err
		}
	}
	next := time.NewTimer(glance)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			next.Reset(period)
			if err := m.ask(ctx); err != nil {
				return err
			}
		case <-resized:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := m.show(size()); err != nil {
			return err
		}
	}
}

// show writes the rows; width 0 is no terminal.
func (m *meter) show(width, height int) error {
	var b bytes.Buffer
	if err := write(&b, m.o.format, m.rows, width); err != nil {
		return err
	}
	text := b.Bytes()
	if width > 0 {
		text = frame(b.String(), width, height)
	}
	_, err := m.Out.Write(text)
	return err
}
