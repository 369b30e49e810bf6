// Package commit has the command that makes an image of a container.
package commit

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// step is in no plan of a stack.
const step plan.Kind = "commit container"

// cli is the caller; the command is its method.
type cli struct {
	*caller.Caller
	dry func(kind plan.Kind, name string) error
}

type options struct {
	req   call.CommitRequest
	index int
	pause bool
}

// Command is docker's commit, of a container of a service. dry prints what would be done.
func Command(who *caller.Caller, dry func(kind plan.Kind, name string) error) *cobra.Command {
	c := &cli{who, dry}
	var o options
	cmd := &cobra.Command{
		Use:   "commit [OPTIONS] SERVICE [REPOSITORY[:TAG]]",
		Short: "Create a new image from a service container's changes",
		Long: `Commit makes an image of a container, whether it runs or not: of its image, and of what it has
changed in its own files. What is in volumes is not part of it.`,
		Args: caller.Between(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error { return c.commit(cmd.Context(), &o, args) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.req.Author, "author", "a", "", `Author (e.g., "John Hannibal Smith <hannibal@hannibal-smith.org>")`)
	f.StringArrayVarP(&o.req.Changes, "change", "c", nil, "Apply Dockerfile instruction to the created image")
	f.IntVar(&o.index, "index", 0, "index of the container if service has multiple replicas.")
	f.StringVarP(&o.req.Message, "message", "m", "", "Commit message")
	f.BoolVarP(&o.pause, "pause", "p", true, "Pause container during commit")
	return cmd
}

func (c *cli) commit(ctx context.Context, o *options, args []string) error {
	client, list, err := c.ContainersOf(ctx, args[0], caller.Which{Index: o.index, OneOffs: true})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return none(args[0], o.index)
	}
	ct := &list[0]
	if c.Opts.DryRun {
		return c.dry(step, ct.Name)
	}
	o.req.Container, o.req.NoPause = ct.ID, !o.pause
	if len(args) > 1 {
		o.req.Name = args[1]
	}
	p := c.NewProgress("commit")
	line := "Container " + ct.Name
	p.Report(engine.Progress{ID: line, Status: engine.Working, Text: "Committing"})
	img, err := client.Commit(ctx, &o.req)
	if err != nil {
		p.Report(engine.Progress{ID: line, Status: engine.Failed, Text: "Error"})
		p.Finish()
		return err
	}
	p.Report(engine.Progress{ID: line, Status: engine.Done, Text: "Committed"})
	p.Finish()
	_, err = fmt.Fprintln(c.Out, img.ID)
	return err
}

// none says in docker compose's words that there is no such container; one that is stopped would do.
func none(service string, index int) error {
	err := fmt.Errorf("service %q is not running", service)
	if index > 0 {
		err = fmt.Errorf("service %q is not running container #%d", service, index)
	}
	return engine.Hint(engine.Problem(engine.ErrNotFound, err), "start it with `tiffin up -d "+service+"`")
}
