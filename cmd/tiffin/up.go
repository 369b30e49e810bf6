package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tiffin/engine"
	"tiffin/engine/api"
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
	f.BoolVar(&o.noColour, "no-color", false, "Produce monochrome output")
	f.BoolVar(&o.noPrefix, "no-log-prefix", false, "Don't print prefix in logs")
	f.BoolVar(&o.timestamps, "timestamps", false, "Show timestamps")
	f.StringArrayVar(&o.attach, "attach", nil, "Restrict attaching to the specified services")
	f.StringArrayVar(&o.noAttach, "no-attach", nil, "Do not attach (stream logs) to the specified services")
	f.BoolVar(&o.attachDeps, "attach-dependencies", false, "Attach to log output of dependent services too")
	f.BoolVarP(&o.watch, "watch", "w", false, "Watch source code (not carried out yet)")
	f.BoolVar(&o.menu, "menu", false, "Interactive shortcuts (not carried out yet)")
}

// addCreateFlags adds the flags that create has, too.
func (o *upOptions) addCreateFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.build, "build", false, "Build images before starting containers (not carried out yet)")
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

// check refuses what does not go together.
func (o *upOptions) check(c *cli, cmd *cobra.Command) error {
	if o.exitCodeFrom != "" {
		o.abortOnExit = true
	}
	if o.wait {
		o.detach = true
	}
	if o.build || o.watch {
		return engine.Problem(engine.ErrUnsupported, errors.New("--build and --watch are not carried out yet"))
	}
	if o.detach && (o.abortOnExit || o.abortOnFailure || len(o.attach) > 0 || o.attachDeps) {
		return engine.Problem(engine.ErrInvalid, errors.New("--detach and --wait cannot be combined with --abort-on-container-exit, --abort-on-container-failure, --attach or --attach-dependencies"))
	}
	if o.removeOrphans && isTrue(c.getenv("COMPOSE_IGNORE_ORPHANS")) {
		return engine.Problem(engine.ErrInvalid, errors.New("COMPOSE_IGNORE_ORPHANS and --remove-orphans cannot be combined"))
	}
	return flagConflict(cmd, [2]string{"force-recreate", "no-recreate"}, [2]string{"renew-anon-volumes", "no-recreate"},
		[2]string{"abort-on-container-exit", "abort-on-container-failure"})
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// request is what the engine is asked for.
func (o *upOptions) request(c *cli, cmd *cobra.Command, stack *engine.Stack, services []string) (*engine.UpRequest, error) {
	pull, err := pullPolicy(o.pull)
	if err != nil {
		return nil, err
	}
	auths, err := c.credentials(stack)
	if err != nil {
		return nil, err
	}
	req := &engine.UpRequest{
		Stack: *stack, Services: services, NoDeps: o.noDeps, NoStart: o.noStart,
		ForceRecreate: o.forceRecreate, NoRecreate: o.noRecreate, AlwaysRecreateDeps: o.alwaysRecreateDeps,
		RenewAnonVolumes: o.renewVolumes, RecreateVolumes: o.yes,
		RemoveOrphans: o.removeOrphans || isTrue(c.getenv("COMPOSE_REMOVE_ORPHANS")),
		IgnoreOrphans: isTrue(c.getenv("COMPOSE_IGNORE_ORPHANS")),
		Pull:          pull, Wait: o.wait, WaitTimeout: seconds(o.waitTimeout), Auths: auths, Parallel: c.opts.parallel,
	}
	if cmd.Flags().Changed("timeout") {
		req.Timeout = new(seconds(o.timeout))
	}
	return req, nil
}

func seconds(n int) engine.Duration { return engine.Duration(time.Duration(n) * time.Second) }

func pullPolicy(flag string) (engine.PullPolicy, error) {
	switch flag {
	case "", "policy":
		return "", nil
	case "always", "missing", "never":
		return engine.PullPolicy(flag), nil
	default:
		return "", engine.Problem(engine.ErrInvalid, fmt.Errorf("invalid --pull option %q: always, missing, never and policy are known", flag))
	}
}

func (c *cli) up(cmd *cobra.Command, o *upOptions, services []string) error {
	ctx := cmd.Context()
	scale, err := parseScale(o.scale)
	if err != nil {
		return err
	}
	stack, err := c.loadStack(ctx, services, scale)
	if err != nil {
		return err
	}
	t := target{name: stack.Name, stack: stack}
	if err := t.known(slices.Concat(services, o.attach, o.noAttach)...); err != nil {
		return err
	}
	if o.exitCodeFrom != "" {
		if err := t.known(o.exitCodeFrom); err != nil {
			return err
		}
	}
	req, err := o.request(c, cmd, stack, services)
	if err != nil {
		return err
	}
	client, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if c.opts.dryRun {
		return c.printPlan(client.PlanUp(ctx, req))
	}
	if o.detach || o.noStart {
		return c.upDetached(ctx, client, req, o)
	}
	return c.upAttached(ctx, client, req, o)
}

func (c *cli) upDetached(ctx context.Context, client *api.Client, req *engine.UpRequest, o *upOptions) error {
	p := c.newProgress("up")
	defer p.finish()
	return client.Up(ctx, req, quietPulls(p.report, o.quietPull))
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

// upAttached creates everything, then starts it with the output of the containers
// on the terminal, until they end or the user stops them.
func (c *cli) upAttached(ctx context.Context, client *api.Client, req *engine.UpRequest, o *upOptions) error {
	create := *req
	create.NoStart = true
	p := c.newProgress("up")
	err := client.Up(ctx, &create, quietPulls(p.report, o.quietPull))
	p.finish()
	if err != nil {
		return err
	}
	s := &session{c: c, client: client, req: req, opts: o}
	return s.run(ctx)
}

// session is an attached up.
type session struct {
	c      *cli
	client *api.Client
	req    *engine.UpRequest
	opts   *upOptions

	printer *logPrinter
	// stopping is set once the containers are being stopped, by the user or by a rule.
	stopping chan struct{}
	first    *int // exit code of the container that ended first
	from     *int // exit code of the container of --exit-code-from
	ended    chan struct{}
}

func (s *session) run(ctx context.Context) error {
	began := time.Now()
	services := s.attached()
	s.printer = newLogPrinter(s.c.out, s.c.err, logOptions{
		project: s.req.Stack.Name, noPrefix: s.opts.noPrefix, colour: s.c.colourLogs(s.opts.noColour),
		timestamps: s.opts.timestamps, split: true,
	})
	names, err := s.names(ctx, services)
	if err != nil {
		return err
	}
	s.printer.announce(names...)
	short := make([]string, len(names))
	for i, n := range names {
		short[i] = s.printer.short(n)
	}
	fmt.Fprintln(s.c.out, "Attaching to "+strings.Join(short, ", "))
	s.stopping, s.ended = make(chan struct{}), make(chan struct{})
	followCtx, stopFollowing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFollowing()
	release := s.c.takeInterrupts(func(n int) { s.interrupt(followCtx, n) })
	defer release()
	var followErr error
	go func() {
		defer close(s.ended)
		followErr = s.client.Logs(followCtx, &engine.LogRequest{
			Project: s.req.Stack.Name, Services: services, Follow: true, Tail: -1, Since: began, Stdout: true, Stderr: true,
		}, s.entry)
	}()
	if err := s.start(ctx); err != nil {
		stopFollowing()
		<-s.ended
		return err
	}
	<-s.ended
	if err := s.result(); err != nil {
		return err
	}
	return followErr
}

// attached are the services whose output is shown: the targets, or those of --attach.
func (s *session) attached() []string {
	if len(s.opts.attach) > 0 {
		return s.opts.attach
	}
	var out []string
	for i := range s.req.Stack.Services {
		svc := &s.req.Stack.Services[i]
		target := len(s.req.Services) == 0 || s.opts.attachDeps || slices.Contains(s.req.Services, svc.Name)
		if target && !svc.NoAttach && !slices.Contains(s.opts.noAttach, svc.Name) {
			out = append(out, svc.Name)
		}
	}
	return out
}

func (s *session) names(ctx context.Context, services []string) ([]string, error) {
	list, err := s.client.List(ctx, &engine.ListRequest{Project: s.req.Stack.Name, Services: services, All: true})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = list[i].Name
	}
	return names, nil
}

// start starts what was created. Its progress would disturb the output.
func (s *session) start(ctx context.Context) error {
	req := *s.req
	req.ForceRecreate, req.RenewAnonVolumes, req.AlwaysRecreateDeps, req.IgnoreOrphans = false, false, false, true
	if req.Pull == engine.PullAlways {
		req.Pull = engine.PullMissing
	}
	return s.client.Up(ctx, &req, func(e engine.Progress) {
		if e.Status == engine.Warning || e.Status == engine.Failed {
			fmt.Fprintln(s.c.err, " "+printable(e.ID+" "+e.Text+" "+e.Details))
		}
	})
}

func (s *session) entry(e engine.LogEntry) error {
	if err := s.printer.entry(e); err != nil {
		return err
	}
	if e.Exit == nil || e.Exit.Restarting {
		return nil
	}
	code := e.Exit.Code
	if s.first == nil {
		s.first = &code
	}
	if e.Source.Service == s.opts.exitCodeFrom && s.from == nil {
		s.from = &code
	}
	if s.opts.abortOnExit || s.opts.abortOnFailure && code != 0 {
		s.abort()
	}
	return nil
}

// abort stops everything because a container ended.
func (s *session) abort() {
	select {
	case <-s.stopping:
		return
	default:
		close(s.stopping)
	}
	fmt.Fprintln(s.c.out, "Aborting on container exit...")
	go func() { _ = s.stop(context.Background(), engine.ActStop) }() //nolint:errcheck // the end of the output tells
}

// interrupt answers Ctrl-C: stop, then kill, then leave.
func (s *session) interrupt(ctx context.Context, count int) {
	switch count {
	case 1:
		fmt.Fprintln(s.c.err, "Gracefully Stopping... press Ctrl+C again to force")
		s.interrupted(engine.ActStop, ctx) //nolint:contextcheck // ends with the follower
	case 2:
		s.interrupted(engine.ActKill, ctx) //nolint:contextcheck // ends with the follower
	default:
		os.Exit(exitInterrupted) //nolint:revive // the third Ctrl-C leaves at once
	}
}

func (s *session) interrupted(action engine.Action, ctx context.Context) { //nolint:revive // reads as a sentence
	go func() {
		if err := s.stop(ctx, action); err != nil {
			fmt.Fprintln(s.c.err, printable(err.Error()))
		}
	}()
}

// stop acts on the targets: what they depend on is left running.
func (s *session) stop(ctx context.Context, action engine.Action) error {
	p := s.c.newProgress(string(action))
	defer p.finish()
	return s.client.Act(ctx, &engine.ActRequest{
		Project: s.req.Stack.Name, Stack: &s.req.Stack, Action: action, Services: s.req.Services, Timeout: s.req.Timeout,
	}, p.report)
}

// result is how the command ends once the output has.
func (s *session) result() error {
	s.c.mu.Lock()
	interrupted := s.c.interrupted > 0
	s.c.mu.Unlock()
	switch {
	case s.opts.exitCodeFrom != "" && s.from != nil:
		return exitWith(*s.from)
	case interrupted:
		return quietExit{exitInterrupted}
	case (s.opts.abortOnExit || s.opts.abortOnFailure) && s.first != nil:
		return exitWith(*s.first)
	default:
		return nil
	}
}

func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return quietExit{code}
}
