package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/menu"
	"tiffin/cmd/tiffin/watch"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/project/develop"
)

type watchOptions struct{ noUp, prune, quiet bool }

func newWatch(c *cli) *cobra.Command {
	o := watchOptions{prune: true}
	cmd := &cobra.Command{
		Use:   "watch [OPTIONS] [SERVICE...]",
		Short: "Watch build context for service and rebuild/refresh containers when files are updated",
		Long: `Watch carries out what the services say in develop.watch, until it is interrupted. Files are written into the
containers from outside: they need no shell and no tar, need not run, and may run as any user.

Exit status: 130 when interrupted; 1 on an error.`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.watch(cmd, &o, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.noUp, "no-up", false, "Do not build & start services before watching")
	f.BoolVar(&o.prune, "prune", true, "Prune dangling images on rebuild")
	f.BoolVar(&o.quiet, "quiet", false, "Hide build output")
	return cmd
}

func (c *cli) watch(cmd *cobra.Command, o *watchOptions, services []string) error {
	ctx := cmd.Context()
	stack, err := c.LoadStack(ctx, services, nil)
	if err != nil {
		return err
	}
	if err := (caller.Target{Name: stack.Name, Stack: stack}).Known(services...); err != nil {
		return err
	}
	rules, err := c.watchRules(services)
	if err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	up := upOptions{quietBuild: o.quiet}
	req, err := up.request(c, cmd, stack, services)
	if err != nil {
		return err
	}
	if err := c.provide(ctx, req); err != nil {
		return err
	}
	stack = &req.Stack
	if c.Opts.DryRun {
		return c.printPlan(client.PlanUp(ctx, req))
	}
	if !o.noUp {
		watch.BuildAtStart(&req.Stack, rules)
		req.Auths = c.Credentials(ctx, client, stack, req.Pull)
		if err := c.buildBefore(ctx, client, req, &up); err != nil {
			return err
		}
		if err := c.upDetached(ctx, client, req, &up); err != nil {
			return err
		}
	}
	host := &watchHost{c: c, client: client, stack: stack, out: c.Err, indent: " ", quiet: o.quiet, prune: o.prune}
	if err = watch.Watch(ctx, ctx, rules, host); errors.Is(err, caller.ErrInterrupted) {
		return caller.ExitWithError{Code: caller.ExitInterrupted} // that it is over was said
	}
	return err
}

// watchRules are those of some services, or of all.
func (c *cli) watchRules(services []string) ([]develop.Rule, error) {
	rules, err := c.Project.Watches()
	if err != nil {
		return nil, err
	}
	if len(services) > 0 {
		rules = slices.DeleteFunc(rules, func(r develop.Rule) bool { return !slices.Contains(services, r.Service) })
	}
	if len(rules) == 0 {
		return nil, caller.Invalid("none of the selected services is configured for watch, consider setting a 'develop' section")
	}
	return rules, nil
}

// watchHost does what watch decides, with the calls of build, up, restart and exec.
type watchHost struct {
	c            *cli
	client       *api.Client
	stack        *engine.Stack
	out          io.Writer
	indent       string
	quiet, prune bool
	menu         *menu.Menu
}

// Containers implements watch.Host.
func (h *watchHost) Containers(ctx context.Context, service string) ([]engine.Container, error) {
	return h.client.List(ctx, &call.ListRequest{Project: h.stack.Name, Services: []string{service}, All: true})
}

// ChangeFiles implements watch.Host.
func (h *watchHost) ChangeFiles(ctx context.Context, id string, changes io.Reader) error {
	return h.client.ChangeFiles(ctx, id, changes)
}

// Restart implements watch.Host.
func (h *watchHost) Restart(ctx context.Context, services []string) error {
	return h.client.Act(ctx, &call.ActRequest{Project: h.stack.Name, Stack: h.stack, Action: call.ActRestart, Services: services}, func(engine.Progress) {})
}

// Rebuild implements watch.Host: the services alone are built and made anew.
func (h *watchHost) Rebuild(ctx context.Context, services []string) error {
	defer h.menu.Hide()() // a build draws, too
	before := h.images(ctx, services)
	req := &call.UpRequest{
		Stack: *h.stack, Services: services, NoDeps: true, ForceRecreate: true, Build: true, IgnoreOrphans: true, Parallel: h.c.Opts.Parallel,
	}
	if err := h.c.buildBefore(ctx, h.client, req, &upOptions{quietBuild: h.quiet}); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if err := h.client.Up(ctx, req, func(engine.Progress) {}); err != nil {
		return err
	}
	if !h.prune {
		return nil
	}
	after := h.images(ctx, services)
	for _, id := range before {
		if img, err := h.client.Image(ctx, id); err != nil || len(img.Names) > 0 || slices.Contains(after, id) {
			continue
		}
		_, _ = h.client.RemoveImage(ctx, id, false) // another container may have it
	}
	return nil
}

// images are those of the containers of some services.
func (h *watchHost) images(ctx context.Context, services []string) []string {
	var out []string
	list, _ := h.client.List(ctx, &call.ListRequest{Project: h.stack.Name, Services: services, All: true}) // there is nothing to prune then
	for i := range list {
		out = append(out, list[i].ImageID)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Exec implements watch.Host.
func (h *watchHost) Exec(ctx context.Context, id string, hook engine.Hook) (int, error) {
	return h.client.Exec(ctx, id, &call.ExecRequest{
		Cmd: hook.Command, Env: hook.Env, User: hook.User, WorkingDir: hook.WorkingDir, Privileged: hook.Privileged,
	}, call.Streams{Stdout: h.out, Stderr: h.out})
}

// Say implements watch.Host.
func (h *watchHost) Say(text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintln(h.out, h.indent+"⦿ "+strings.TrimRight(line, "\n"))
	}
}

// Warn implements watch.Host.
func (h *watchHost) Warn(text string) { h.Say("WARNING: " + text) }
