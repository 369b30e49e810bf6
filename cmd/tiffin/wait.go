package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
)

func newWait(c *cli) *cobra.Command {
	var downProject bool
	cmd := &cobra.Command{
		Use:   "wait SERVICE [SERVICE...] [OPTIONS]",
		Short: "Block until containers of all (or specified) services stop.",
		Long: `Wait blocks until the containers of the services have ended, and says how.

Exit status: that of the container that ended last; with --down-project that of the first.`,
		Args: caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wait := c.waitAll
			if downProject {
				wait = c.waitFirst
			}
			return c.wait(cmd.Context(), args, wait)
		},
	}
	cmd.Flags().BoolVar(&downProject, "down-project", false, "Drops project when the first container stops")
	return cmd
}

type waiting struct {
	client *api.Client
	target caller.Target
	list   []engine.Container
}

func (c *cli) wait(ctx context.Context, services []string, wait func(context.Context, waiting) error) error {
	t, err := c.FindTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	client, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: services, All: true})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("no containers for project %q", t.Name))
	}
	return wait(ctx, waiting{client, t, list})
}

// containerEnd is how a container ended.
type containerEnd struct {
	id   string
	code int
	err  error
}

// ends brings the ends of containers as they come, until ctx ends.
func (w waiting) ends(ctx context.Context) <-chan containerEnd {
	ends := make(chan containerEnd, len(w.list))
	for i := range w.list {
		go func() {
			code, err := w.client.Wait(ctx, w.list[i].ID)
			ends <- containerEnd{w.list[i].ID, code, err}
		}()
	}
	return ends
}

func (c *cli) sayEnd(e containerEnd) {
	fmt.Fprintf(c.Out, "container %q exited with status code %d\n", e.id, e.code)
}

func (c *cli) waitAll(ctx context.Context, w waiting) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := w.ends(ctx)
	last := 0
	for range w.list {
		e := <-ends
		if e.err != nil {
			return e.err
		}
		c.sayEnd(e)
		last = e.code
	}
	return caller.ExitWith(last)
}

// waitFirst waits for the first container to end, and then takes the project down.
func (c *cli) waitFirst(ctx context.Context, w waiting) error {
	waitCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	first := <-w.ends(waitCtx)
	if first.err != nil {
		return first.err
	}
	c.sayEnd(first)
	p := c.NewProgress("down")
	err := w.client.Down(ctx, &call.DownRequest{Project: w.target.Name, Stack: w.target.Stack}, p.Report)
	p.Finish()
	if err != nil {
		return err
	}
	return caller.ExitWith(first.code)
}
