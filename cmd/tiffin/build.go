package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"slices"

	"github.com/docker/go-units"
	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/builds"
	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	building "tiffin/engine/builder/client"
	"tiffin/engine/image/credentials"
	"tiffin/engine/plan"
)

type buildOptions struct {
	args, ssh, outputs                                         []string
	check, noCache, print, pull, push, quiet, withDependencies bool
	builder, memory, provenance, sbom, progress                string
}

func newBuild(c *cli) *cobra.Command {
	var o buildOptions
	cmd := &cobra.Command{
		Use:   "build [OPTIONS] [SERVICE...]",
		Short: "Build or rebuild services",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.progress != "" {
				c.Opts.Progress = o.progress
				if err := c.CheckGlobals(); err != nil {
					return err
				}
			}
			return c.build(cmd.Context(), &o, args)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *buildOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&o.args, "build-arg", nil, "Set build-time variables for services")
	f.StringVar(&o.builder, "builder", "", "Accepted for docker compose's sake: the engine is the builder")
	f.BoolVar(&o.check, "check", false, "Check build configuration")
	f.StringVarP(&o.memory, "memory", "m", "", "Set memory limit for each step of the build")
	f.BoolVar(&o.noCache, "no-cache", false, "Do not use cache when building the image")
	f.StringArrayVarP(&o.outputs, "output", "o", nil, `Write the result of one service elsewhere: DIR, - or "type=local|tar|oci|docker,dest=PATH"`)
	f.BoolVar(&o.print, "print", false, "Print equivalent bake file")
	f.StringVar(&o.provenance, "provenance", "", "Add a provenance attestation (none unless asked for)")
	f.BoolVar(&o.pull, "pull", false, "Always attempt to pull a newer version of the image")
	f.BoolVar(&o.push, "push", false, "Push service images")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Suppress the build output")
	f.StringVar(&o.sbom, "sbom", "", "Add a SBOM attestation (none unless asked for)")
	f.StringArrayVar(&o.ssh, "ssh", nil, `Set SSH authentications used when building service images (use "default" for the agent)`)
	f.BoolVar(&o.withDependencies, "with-dependencies", false, "Also build dependencies (transitively)")
	f.StringVar(&o.progress, "progress", "", "")
	var ignored bool
	for _, name := range []string{"compress", "force-rm", "no-rm", "parallel"} {
		f.BoolVar(&ignored, name, false, "")
	}
	for _, name := range []string{"builder", "compress", "force-rm", "no-rm", "parallel", "progress"} {
		f.Lookup(name).Hidden = true
	}
	for _, name := range []string{"provenance", "sbom"} {
		f.Lookup(name).NoOptDefVal = "true"
	}
}

func (c *cli) build(ctx context.Context, o *buildOptions, services []string) error {
	stack, err := c.LoadStack(ctx, services, nil)
	if err != nil {
		return err
	}
	if err := (caller.Target{Name: stack.Name, Stack: stack}).Known(services...); err != nil {
		return err
	}
	services = builds.Selected(stack, services, o.which())
	if len(services) == 0 {
		c.Warn("No services to build")
		return nil
	}
	opts, err := o.options(c, stack, services)
	if err != nil {
		return err
	}
	switch {
	case o.print:
		return building.Print(c.Out, opts)
	case c.Opts.DryRun:
		return c.printBuilds(opts.Targets)
	}
	if err := c.Project.CheckBuild(builds.Names(opts.Targets)...); err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	if o.check {
		return c.checkBuilds(ctx, client, opts)
	}
	for _, line := range building.Shadowed(opts.Targets) {
		c.Warn(line)
	}
	return c.runBuilds(ctx, client, opts)
}

func (o *buildOptions) which() builds.Which {
	if o.withDependencies {
		return builds.WithDependencies
	}
	return builds.Alone
}

// options are what the flags mean, for the services and those that they are built on.
func (o *buildOptions) options(c *cli, stack *engine.Stack, services []string) (building.Options, error) {
	opts := c.buildOptions(o.quiet)
	opts.Targets = builds.Targets(stack, services)
	opts.Push, opts.Outputs, opts.NoCache, opts.Pull = o.push, o.outputs, o.noCache, o.pull
	opts.Provenance, opts.SBOM, opts.Args = o.provenance, o.sbom, c.withValues(o.args)
	if o.memory != "" {
		limit, err := units.RAMInBytes(o.memory)
		if err != nil || limit <= 0 {
			return opts, caller.Invalid("--memory %q is no amount of memory: 512m and 2g are", o.memory)
		}
		opts.Memory = engine.Bytes(limit)
	}
	for _, text := range o.ssh {
		key, err := building.ParseSSH(text)
		if err != nil {
			return opts, err
		}
		opts.SSH = append(opts.SSH, key)
	}
	if o.builder != "" && o.builder != "default" {
		return opts, engine.Problem(engine.ErrUnsupported, fmt.Errorf("there is no builder %q: the engine is the only one", o.builder))
	}
	return opts, nil
}

// buildOptions are what all builds of a command have in common.
func (c *cli) buildOptions(quiet bool) building.Options {
	opts := building.Options{
		Progress: c.buildProgress(quiet), Stdin: c.In, Stdout: c.Out, Stderr: c.Err,
		Lookup: c.lookupSetting, Auth: credentials.Lookup,
	}
	if _, typed := caller.Terminal(c.In); typed {
		opts.Stdin = nil // nobody types an archive
	}
	return opts
}

// lookupSetting looks a variable up in the environment and the .env of the project.
func (c *cli) lookupSetting(key string) (string, bool) {
	if v, ok := c.LookupEnv(key); ok || c.Project == nil {
		return v, ok
	}
	return c.Project.Lookup(key)
}

// buildProgress chooses how builds are shown: as docker shows them.
func (c *cli) buildProgress(quiet bool) building.Progress {
	w := c.Err
	if c.Setting("COMPOSE_STATUS_STDOUT") == "1" {
		w = c.Out
	}
	mode := c.Opts.Progress
	if mode == "" || mode == "auto" {
		mode = c.Setting("BUILDKIT_PROGRESS")
	}
	_, isTerminal := caller.Terminal(w)
	drawn := isTerminal && c.Opts.ANSI != "never" && c.Getenv("TERM") != "dumb"
	p := building.Progress{Out: w, Mode: building.Plain}
	switch {
	case quiet || mode == "quiet":
		p.Mode = building.Quiet
	case mode == "json" || mode == "rawjson":
		p.Mode = building.JSON
	case mode != "plain" && drawn:
		p.Mode = building.TTY
	}
	return p
}

// runBuilds builds, and says which images there are now.
func (c *cli) runBuilds(ctx context.Context, client *api.Client, opts building.Options) error {
	keepLibrariesQuiet()
	results, err := building.Run(ctx, client.Build, opts)
	if err != nil {
		return err
	}
	if opts.Progress.Mode == building.Quiet || len(opts.Outputs) > 0 {
		return nil
	}
	p := c.NewProgress("build")
	defer p.Finish()
	for i, r := range results {
		if !slices.ContainsFunc(results[:i], func(other building.Result) bool { return other.Image == r.Image }) {
			p.Report(engine.Progress{ID: "Image " + r.Image, Status: engine.Done, Text: "Built"})
		}
	}
	return nil
}

func (c *cli) checkBuilds(ctx context.Context, client *api.Client, opts building.Options) error {
	keepLibrariesQuiet()
	err := building.Check(ctx, client.Build, opts)
	if errors.Is(err, building.ErrChecks) {
		return caller.ExitWithError{Code: caller.ExitError}
	}
	return err
}

// keepLibrariesQuiet keeps to itself what BuildKit's libraries log of lost connections: the command tells of them.
func keepLibrariesQuiet() {
	log.SetOutput(io.Discard) //nolint:forbidigo // it keeps others from printing
	logrus.SetOutput(io.Discard)
}

// printBuilds says what would be built.
func (c *cli) printBuilds(targets []building.Target) error {
	var p plan.Plan
	for _, t := range targets {
		if !slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Name == t.Image }) {
			p.Steps = append(p.Steps, plan.Step{Seq: len(p.Steps) + 1, Kind: plan.BuildImage, Name: t.Image, Service: t.Name})
		}
	}
	return c.printPlan(&p, nil)
}
