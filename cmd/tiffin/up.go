package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/apisocket"
	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/timings"
	"tiffin/cmd/tiffin/watch"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/image/credentials"
	"tiffin/engine/plan"
)

type upOptions struct {
	detach, noStart, noDeps, forceRecreate, noRecreate bool
	alwaysRecreateDeps, renewVolumes, removeOrphans    bool
	abortOnExit, abortOnFailure, wait, yes, quietPull  bool
	noColour, noPrefix, timestamps, attachDeps         bool
	build, noBuild, quietBuild, watch, menu            bool
	exitCodeFrom, pull                                 string
	attach, noAttach, scale                            []string
	timeout, waitTimeout                               int
	timings                                            string
	times                                              *timings.Collector // nil: nobody asked
}

func newUp(c *cli) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up [OPTIONS] [SERVICE...]",
		Short: "Create and start containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(c, cmd); err != nil {
				return err
			}
			return c.up(cmd, &o, args)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func (o *upOptions) addFlags(cmd *cobra.Command) {
	o.addCreateFlags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&o.detach, "detach", "d", false, "Detached mode: run containers in the background")
	f.BoolVar(&o.noStart, "no-start", false, "Don't start the services after creating them")
	f.BoolVar(&o.noDeps, "no-deps", false, "Don't start linked services")
	f.BoolVar(&o.alwaysRecreateDeps, "always-recreate-deps", false, "Recreate dependent containers")
	f.BoolVarP(&o.renewVolumes, "renew-anon-volumes", "V", false, "Recreate anonymous volumes instead of retrieving data from the previous containers")
	f.BoolVar(&o.abortOnExit, "abort-on-container-exit", false, "Stop all containers if any container was stopped")
	f.BoolVar(&o.abortOnFailure, "abort-on-container-failure", false, "Stop all containers if any container exited with failure")
	f.StringVar(&o.exitCodeFrom, "exit-code-from", "", "Return the exit code of the selected service container; implies --abort-on-container-exit")
	f.BoolVar(&o.wait, "wait", false, "Wait for services to be running|healthy; implies detached mode")
	f.IntVar(&o.waitTimeout, "wait-timeout", 0, "Maximum time in seconds to wait for the project to be running|healthy")
	f.IntVarP(&o.timeout, "timeout", "t", 0, "Use this timeout in seconds for container shutdown")
	f.StringVar(&o.timings, "timings", "", "Say what waited for what, how long each step took, and the critical path; `=FILE.json` writes a Chrome trace, too")
	f.Lookup("timings").NoOptDefVal = timings.Table
	f.BoolVar(&o.noColour, "no-color", false, "Produce monochrome output")
	f.BoolVar(&o.noPrefix, "no-log-prefix", false, "Don't print prefix in logs")
	f.BoolVar(&o.timestamps, "timestamps", false, "Show timestamps")
	f.StringArrayVar(&o.attach, "attach", nil, "Restrict attaching to the specified services")
	f.StringArrayVar(&o.noAttach, "no-attach", nil, "Do not attach (stream logs) to the specified services")
	f.BoolVar(&o.attachDeps, "attach-dependencies", false, "Attach to log output of dependent services too")
	f.BoolVarP(&o.watch, "watch", "w", false, "Watch source code and rebuild/refresh containers when files are updated")
	f.BoolVar(&o.menu, "menu", false, "Enable interactive shortcuts when running attached on a terminal; COMPOSE_MENU=1 does, too")
}

// addCreateFlags adds the flags that create has, too.
func (o *upOptions) addCreateFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.build, "build", false, "Build images before starting containers")
	f.BoolVar(&o.noBuild, "no-build", false, "Don't build an image, even if it's policy")
	f.BoolVar(&o.quietBuild, "quiet-build", false, "Suppress the build output")
	f.BoolVar(&o.forceRecreate, "force-recreate", false, "Recreate containers even if their configuration and image haven't changed")
	f.BoolVar(&o.noRecreate, "no-recreate", false, "If containers already exist, don't recreate them")
	f.StringVar(&o.pull, "pull", "policy", `Pull image before running ("always"|"missing"|"never"|"policy")`)
	f.BoolVar(&o.quietPull, "quiet-pull", false, "Pull without printing progress information")
	f.BoolVar(&o.removeOrphans, "remove-orphans", false, "Remove containers for services not defined in the Compose file")
	f.StringArrayVar(&o.scale, "scale", nil, "Scale SERVICE to NUM instances. Overrides the scale setting in the Compose file if present")
	f.BoolVarP(&o.yes, "yes", "y", false, `Assume "yes" as answer to all prompts`)
}

// check refuses what does not go together, in docker compose's words.
func (o *upOptions) check(c *cli, cmd *cobra.Command) error {
	if o.exitCodeFrom != "" {
		o.abortOnExit = true
	}
	attached := o.abortOnExit || o.abortOnFailure || len(o.attach) > 0 || o.attachDeps
	switch {
	case o.wait && attached:
		return caller.Invalid("--wait cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach or --attach-dependencies")
	case o.detach && (attached || o.watch):
		return caller.Invalid("--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach, --attach-dependencies or --watch")
	case o.wait && o.watch:
		return caller.Invalid("--wait cannot be combined with --watch")
	case o.removeOrphans && isTrue(c.Setting("COMPOSE_IGNORE_ORPHANS")):
		return caller.Invalid("COMPOSE_IGNORE_ORPHANS and --remove-orphans cannot be combined")
	}
	o.detach = o.detach || o.wait
	return flagConflict(cmd, [2]string{"build", "no-build"}, [2]string{"watch", "no-build"}, [2]string{"watch", "no-start"}, [2]string{"force-recreate", "no-recreate"},
		[2]string{"renew-anon-volumes", "no-recreate"}, [2]string{"always-recreate-deps", "no-recreate"},
		[2]string{"abort-on-container-exit", "abort-on-container-failure"})
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// request is what the engine is asked for, by flags and, where there are none, by the environment and .env.
func (o *upOptions) request(c *cli, cmd *cobra.Command, stack *engine.Stack, services []string) (*call.UpRequest, error) {
	if !cmd.Flags().Changed("menu") {
		o.menu = isTrue(c.Setting("COMPOSE_MENU"))
	}
	pull, err := pullPolicy(o.pull)
	if err != nil {
		return nil, err
	}
	apisocket.Offer(cmd.Context(), apisocket.Host{Engine: c.Roots().Socket(), Logins: c.loginFile, Warn: c.Warn}, stack)
	req := &call.UpRequest{
		Stack: *stack, Services: services, NoDeps: o.noDeps, NoStart: o.noStart,
		ForceRecreate: o.forceRecreate, NoRecreate: o.noRecreate, AlwaysRecreateDeps: o.alwaysRecreateDeps,
		RenewAnonVolumes: o.renewVolumes,
		RemoveOrphans:    o.removeOrphans || isTrue(c.Setting("COMPOSE_REMOVE_ORPHANS")),
		IgnoreOrphans:    isTrue(c.Setting("COMPOSE_IGNORE_ORPHANS")),
		Build:            o.build, NoBuild: o.noBuild, Timings: o.times != nil,
		Pull: pull, Wait: o.wait, WaitTimeout: seconds(o.waitTimeout), Parallel: c.Opts.Parallel,
	}
	for _, name := range services {
		if svc, ok := stack.Service(name); ok && svc.Job != nil {
			return nil, engine.Hint(caller.Invalid("%q is a job, and no service", name), "run it with `tiffin run "+name+"`")
		}
	}
	for i := range stack.Volumes {
		if o.yes {
			req.RecreateVolumes = append(req.RecreateVolumes, stack.Volumes[i].Name)
		}
	}
	if cmd.Flags().Changed("timeout") {
		req.Timeout = new(seconds(o.timeout))
	}
	return req, nil
}

// loginFile has the caller's logins; nothing that is only looked at needs them.
func (c *cli) loginFile(ctx context.Context) ([]byte, error) {
	if c.Opts.DryRun {
		return []byte("{}"), nil
	}
	return credentials.File(ctx)
}

func seconds(n int) engine.Duration { return engine.Duration(time.Duration(n) * time.Second) }

func pullPolicy(flag string) (engine.PullPolicy, error) {
	switch flag {
	case "", "policy":
		return "", nil
	case "always", "missing", "never":
		return engine.PullPolicy(flag), nil
	default:
		return "", caller.Invalid("invalid --pull option %q: always, missing, never and policy are known", flag)
	}
}

func (c *cli) up(cmd *cobra.Command, o *upOptions, services []string) error {
	ctx := cmd.Context()
	c.Opts.Yes = o.yes
	if err := o.beginTimes(c.Opts.DryRun); err != nil {
		return err
	}
	ended := o.times.Begin("read project, connect")
	stack, err := o.load(ctx, c, services)
	if err != nil {
		return err
	}
	req, err := o.request(c, cmd, stack, services)
	if err != nil {
		return err
	}
	rules, unwatched := c.watchRules(services)
	if o.watch {
		if unwatched != nil {
			return unwatched
		}
		watch.BuildAtStart(&req.Stack, rules)
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	ended()
	if err := c.provide(ctx, req); err != nil {
		return err
	}
	stack = &req.Stack
	if c.Opts.DryRun {
		return c.printPlan(client.PlanUp(ctx, req))
	}
	c.offerVolumes(ctx, client, req)
	req.Auths = c.Credentials(ctx, client, stack, req.Pull)
	ended = o.times.Begin("build what is to be built")
	if err := c.buildBefore(ctx, client, req, o); err != nil {
		return err
	}
	ended()
	if o.detach || o.noStart {
		err := c.upDetached(ctx, client, req, o)
		return errors.Join(err, o.times.Show(c.Err))
	}
	s := &session{c: c, client: client, req: req, opts: o, rules: rules, unwatched: unwatched, watching: o.watch}
	return s.up(ctx)
}

// load reads the project, and checks the names that the flags have.
func (o *upOptions) load(ctx context.Context, c *cli, services []string) (*engine.Stack, error) {
	scale, err := caller.ParseScale(o.scale)
	if err != nil {
		return nil, err
	}
	stack, err := c.LoadStack(ctx, services, scale)
	if err != nil {
		return nil, err
	}
	t := caller.Target{Name: stack.Name, Stack: stack}
	named := slices.Concat(services, o.attach, o.noAttach)
	if o.exitCodeFrom != "" {
		named = append(named, o.exitCodeFrom)
	}
	return stack, t.Known(named...)
}

// beginTimes begins to take times, if they are to be.
func (o *upOptions) beginTimes(dry bool) (err error) { //nolint:revive // --dry-run takes no time
	if dry && o.timings != "" {
		return caller.Invalid("--timings and --dry-run are incompatible: nothing is done")
	}
	o.times, err = timings.New(o.timings)
	return err
}

// offerVolumes asks about each volume whose definition changed, in docker compose's words.
// Without a terminal nobody can answer: the engine keeps them and warns.
func (c *cli) offerVolumes(ctx context.Context, client *api.Client, req *call.UpRequest) {
	_, in := caller.Terminal(c.In)
	_, out := caller.Terminal(c.Err)
	if !in || !out || len(req.Stack.Volumes) == 0 || len(req.RecreateVolumes) > 0 {
		return
	}
	p, err := client.PlanUp(ctx, req)
	if err != nil {
		return // Up will tell
	}
	for _, name := range p.ChangedVolumes {
		const question = "Volume %q exists but doesn't match configuration in compose file. Recreate (data will be lost)?"
		if c.Confirm(fmt.Sprintf(question, name)) {
			req.RecreateVolumes = append(req.RecreateVolumes, name)
		}
	}
}

func (c *cli) upDetached(ctx context.Context, client *api.Client, req *call.UpRequest, o *upOptions) error {
	p := c.NewProgress("up")
	defer p.Finish()
	return client.Up(ctx, req, o.times.Take(quietPulls(p.Report, o.quietPull)))
}

// quietPulls leaves the layers of images out.
func quietPulls(report engine.Report, quiet bool) engine.Report { //nolint:revive // it is the flag's value
	if !quiet {
		return report
	}
	return func(e engine.Progress) {
		if e.ParentID == "" {
			report(e)
		}
	}
}

// up creates everything, then starts it with the output of the containers
// on the terminal, until they end or the user stops them.
func (s *session) up(ctx context.Context) error {
	create := *s.req
	// An update goes on as new containers prove well, so it is done, with all that starts,
	// before; what is written meanwhile is shown after it.
	s.began = time.Now()
	p, err := s.client.PlanUp(ctx, s.req)
	if err != nil {
		return err
	}
	s.updated = slices.ContainsFunc(p.Steps, func(s plan.Step) bool { return s.Kind == plan.Proceed })
	create.NoStart = !s.updated
	if err := s.c.upDetached(ctx, s.client, &create, s.opts); err != nil {
		return errors.Join(err, s.opts.times.Show(s.c.Err))
	}
	if create.NoStart {
		s.began = time.Now()
	}
	return s.run(ctx)
}
