package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/lines"
	"tiffin/cmd/tiffin/menu"
	"tiffin/cmd/tiffin/progress"
	"tiffin/cmd/tiffin/watch"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/project/develop"
)

// session is an attached up, once everything is created: it starts the services and
// shows their output until all have ended, a rule says that one end is enough, or the
// user has enough of it. What happens is handled one after the other in run's goroutine;
// the others only bring the news.
type session struct {
	c      *cli
	client *api.Client
	req    *call.UpRequest
	opts   *upOptions
	rules  []develop.Rule // of watch

	screen   menu.Screen
	out, err io.Writer // on the screen

	printer *lines.Printer
	news    chan func(ctx context.Context) (over bool, err error)
	work    sync.WaitGroup

	// updated says that all is started: an update needed it.
	updated bool

	// What follows belongs to run.
	began      time.Time            // of what is shown
	targets    []string             // services that are waited for
	started    bool                 // everything that was to be started is
	failure    error                // why not
	told       map[string]time.Time // when the last end of a container was told
	first      *int                 // exit code of the container that ended first, and counts
	from       *int                 // exit code of the container of --exit-code-from
	reason     stopReason
	stops      int                // calls that stop or kill, so far
	stopped    bool               // the last one is done
	cancel     context.CancelFunc // of the call that is under way
	interrupts int                // so far
	watching   bool               // the rules are to be carried out
	unwatched  error              // why there are none
	endWatch   context.CancelFunc // at once; nil: nothing is watched
	leaveWatch context.CancelFunc // when what is under way is done
	detaching  bool               // the containers are to run on

	acting sync.Mutex // one stop after the other
}

// stopReason is why the containers are being stopped.
type stopReason int

const (
	notStopped stopReason = iota
	byUser
	byRule
)

func (s *session) run(ctx context.Context) error {
	s.told = map[string]time.Time{}
	s.out, s.err = s.screen.Writer(s.c.Out), s.screen.Writer(s.c.Err)
	s.news = make(chan func(context.Context) (bool, error))
	var shown []string
	s.targets, shown = s.services()
	if err := s.announce(ctx, shown); err != nil {
		return err
	}
	// An interrupt is for the containers: the calls end when they have.
	before := ctx
	ctx, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer s.work.Wait()
	defer leave()
	defer s.c.TakeInterrupts(func(os.Signal) { s.tell(ctx, s.interrupted) })()
	if before.Err() != nil {
		return context.Cause(before)
	}
	if s.opts.menu {
		var err error
		s.screen.Menu, err = menu.Open(s.c.Caller, s.menuState(), func(ctx context.Context, key menu.Action) {
			s.tell(ctx, func(ctx context.Context) (bool, error) { return s.pressed(ctx, key) })
		})
		if err != nil {
			return err
		}
		defer s.screen.Close()
	}

	s.follow(ctx, call.LogRequest{Services: shown, Stdout: true, Stderr: true})
	s.follow(ctx, call.LogRequest{Services: without(s.targets, shown)})
	s.start(ctx)
	for {
		if over, err := (<-s.news)(ctx); over || err != nil {
			return err
		}
		s.screen.Show(s.menuState())
	}
}

// tell hands news to run, unless that has ended.
func (s *session) tell(ctx context.Context, news func(context.Context) (bool, error)) {
	select {
	case s.news <- news:
	case <-ctx.Done():
	}
}

// services are those that are waited for, the targets, and those whose output is
// shown: the targets that do not say otherwise, or those of --attach.
func (s *session) services() (targets, shown []string) {
	named := slices.Clone(s.req.Services)
	for i := 0; i < len(named) && s.opts.attachDeps; i++ {
		if svc, ok := s.req.Stack.Service(named[i]); ok {
			for _, d := range svc.DependsOn {
				if !slices.Contains(named, d.Service) {
					named = append(named, d.Service)
				}
			}
		}
	}
	for i := range s.req.Stack.Services {
		svc := &s.req.Stack.Services[i]
		if len(named) > 0 && !slices.Contains(named, svc.Name) {
			continue
		}
		targets = append(targets, svc.Name)
		if !svc.NoAttach && !slices.Contains(s.opts.noAttach, svc.Name) {
			shown = append(shown, svc.Name)
		}
	}
	if len(s.opts.attach) > 0 {
		shown = s.opts.attach
	}
	return targets, shown
}

// without are the names of all that are not among some.
func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}

// announce says whose output is to come, and makes the printer.
func (s *session) announce(ctx context.Context, shown []string) error {
	s.printer = lines.New(s.out, s.err, lines.Options{
		Project: s.req.Stack.Name, NoPrefix: s.opts.noPrefix, Colour: s.c.colourLogs(s.opts.noColour),
		Timestamps: s.opts.timestamps, Split: true,
	})
	if len(shown) == 0 {
		return nil
	}
	list, err := s.client.List(ctx, &call.ListRequest{Project: s.req.Stack.Name, Services: shown, All: true})
	if err != nil {
		return err
	}
	var short []string
	for i := range list {
		s.printer.Announce(list[i].Name)
		short = append(short, s.printer.Short(list[i].Name))
	}
	_, err = fmt.Fprintln(s.out, "Attaching to "+strings.Join(short, ", "))
	return err
}

// follow shows output of some services, or only takes notice of their ends, until run
// has ended.
func (s *session) follow(ctx context.Context, req call.LogRequest) {
	if len(req.Services) == 0 {
		return
	}
	req.Project, req.Follow, req.Stay, req.Tail, req.Since = s.req.Stack.Name, true, true, -1, s.began
	s.work.Go(s.screen.Guard(func() {
		err := s.client.Logs(ctx, &req, func(e call.LogEntry) error {
			if req.Stdout {
				if err := s.printer.Entry(e); err != nil {
					return err
				}
			}
			if e.Exit != nil {
				source, exit := e.Source, *e.Exit
				s.tell(ctx, func(ctx context.Context) (bool, error) { return s.exited(ctx, source, exit) })
			}
			return nil
		})
		if err == nil {
			err = engine.Problem(engine.ErrUnavailable, errors.New("the engine has stopped; the containers run on"))
		}
		s.tell(ctx, func(context.Context) (bool, error) { return true, err })
	}))
}

// start starts what was created. Its progress would disturb the output.
func (s *session) start(ctx context.Context) {
	if s.updated {
		s.work.Go(func() {
			s.tell(ctx, func(ctx context.Context) (bool, error) {
				s.started, s.failure = true, s.opts.times.Show(s.err)
				s.watch(ctx)
				return s.over(ctx)
			})
		})
		s.cancel = func() {}
		return
	}
	req := *s.req
	req.ForceRecreate, req.RenewAnonVolumes, req.AlwaysRecreateDeps, req.IgnoreOrphans = false, false, false, true
	if req.Pull == engine.PullAlways {
		req.Pull = engine.PullMissing
	}
	callCtx, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	s.work.Go(s.screen.Guard(func() {
		defer cancel()
		err := s.client.Up(callCtx, &req, s.opts.times.Take(func(e engine.Progress) {
			if e.Status == engine.Warning {
				fmt.Fprintln(s.err, progress.WarningText(progress.OneLine(e.ID+" "+e.Text)))
			}
		}))
		err = errors.Join(err, s.opts.times.Show(s.err))
		s.tell(ctx, func(ctx context.Context) (bool, error) {
			s.started, s.failure = err == nil, err
			s.watch(ctx)
			return s.over(ctx)
		})
	}))
}

// watch carries out the rules, if it is to, until it is not, or the containers are stopped.
func (s *session) watch(ctx context.Context) {
	if !s.watching || s.detaching || !s.started || s.endWatch != nil || s.reason != notStopped {
		return
	}
	watchCtx, cancel := context.WithCancel(ctx)
	until, leave := context.WithCancel(watchCtx)
	s.endWatch, s.leaveWatch = cancel, leave
	host := &watchHost{
		c: s.c, client: s.client, stack: &s.req.Stack, out: s.err, indent: s.printer.Indent(),
		quiet: s.opts.quietBuild, prune: true, menu: s.screen.Menu,
	}
	s.work.Go(s.screen.Guard(func() {
		defer cancel()
		err := watch.Watch(watchCtx, until, s.rules, host)
		failed := until.Err() == nil
		s.tell(ctx, func(ctx context.Context) (bool, error) {
			s.endWatch = nil
			switch {
			case failed && s.screen.Menu == nil:
				return true, err
			case failed:
				host.Warn(err.Error())
				s.watching = false
			}
			s.watch(ctx) // it may be wanted again
			return s.over(ctx)
		})
	}))
}

func (s *session) menuState() menu.State {
	return menu.State{Watchable: len(s.rules) > 0, Watching: s.watching, Detaching: s.detaching}
}

// pressed does what a key of the menu means.
func (s *session) pressed(ctx context.Context, key menu.Action) (bool, error) {
	switch {
	case key == menu.Detach:
		s.detaching = true
	case s.unwatched != nil:
		fmt.Fprintln(s.err, progress.WarningText(s.unwatched.Error()))
	default:
		s.watching = !s.watching
	}
	if s.endWatch != nil && (s.detaching || !s.watching) {
		s.leaveWatch()
	}
	s.watch(ctx)
	return s.over(ctx)
}

// exited notes the end of a container; some are the end of all.
func (s *session) exited(ctx context.Context, source *call.LogSource, exit call.LogExit) (bool, error) {
	s.told[source.ID] = time.Now()
	if exit.Restarting {
		return false, nil
	}
	counts := s.opts.abortOnExit || s.opts.abortOnFailure && exit.Code != 0
	if s.first == nil && counts {
		s.first = &exit.Code
	}
	if source.Service == s.opts.exitCodeFrom && s.from == nil {
		s.from = &exit.Code
	}
	if counts && s.reason == notStopped {
		s.reason = byRule
		fmt.Fprintln(s.out, "Aborting on container exit...")
		s.stop(ctx, call.ActStop)
	}
	return s.over(ctx)
}

// interrupted answers Ctrl-C: stop, then kill, then leave.
func (s *session) interrupted(ctx context.Context) (bool, error) {
	s.reason = byUser
	s.interrupts++
	switch s.interrupts {
	case 1:
		if _, echoes := caller.Terminal(s.c.In); !s.screen.Close() && echoes {
			fmt.Fprintln(s.c.Err) // the line of the ^C
		}
		fmt.Fprintln(s.c.Err, "Gracefully Stopping... press Ctrl+C again to force")
		s.stop(ctx, call.ActStop)
	case 2:
		s.stop(ctx, call.ActKill)
	default:
		return true, caller.ExitWithError{Code: caller.ExitInterrupted}
	}
	return false, nil
}

// stop stops or kills the targets; what they depend on is left running. A call that is
// under way is given up first: it has the project's turn.
func (s *session) stop(ctx context.Context, action call.Action) {
	s.screen.Close()
	s.cancel()
	if s.endWatch != nil {
		s.endWatch()
	}
	callCtx, cancel := context.WithCancel(ctx)
	s.cancel = cancel
	s.stops++
	number := s.stops
	s.work.Go(func() {
		defer cancel()
		s.acting.Lock()
		defer s.acting.Unlock()
		p := s.c.NewProgress(string(action))
		s.screen.ShowProgress(p)
		err := s.client.Act(callCtx, &call.ActRequest{
			Project: s.req.Stack.Name, Stack: &s.req.Stack, Action: action, Services: s.req.Services, Timeout: s.req.Timeout,
		}, p.Report)
		if err == nil && action == call.ActStop {
			err = s.c.runner(p.Report).Stop(callCtx, s.c.providers(len(s.req.Services) > 0, s.req.Services...))
		}
		s.screen.ShowProgress(nil)
		p.Finish()
		s.tell(ctx, func(ctx context.Context) (bool, error) {
			if number != s.stops {
				return false, nil // another one was asked for meanwhile
			}
			s.stopped = true
			if err != nil {
				return true, err
			}
			return s.over(ctx)
		})
	})
}

// over says whether all is done and told, and how the command ends then.
func (s *session) over(ctx context.Context) (bool, error) {
	if s.detaching && s.started && s.endWatch == nil && s.reason == notStopped {
		s.screen.Close()
		fmt.Fprintln(s.err, "Detached; the containers run on")
		return true, nil
	}
	list, err := s.client.List(ctx, &call.ListRequest{Project: s.req.Stack.Name, Services: s.targets, All: true})
	if err != nil {
		return true, err
	}
	alive := false
	for i := range list {
		c := &list[i]
		alive = alive || !c.Ended() && c.State.Status != engine.StatusCreated
		if end := c.State.FinishedAt; c.Ended() && end.After(s.began) && end.After(s.told[c.ID]) {
			return false, nil // its last lines are on their way
		}
	}
	switch {
	case s.reason != notStopped:
		return s.stopped, s.result()
	case s.failure != nil:
		return true, s.failure
	default:
		return s.started && !alive && s.endWatch == nil, nil // what has ended may be started by a change
	}
}

// result is the exit code of a session that was stopped.
func (s *session) result() error {
	switch {
	case !s.stopped:
		return nil
	case s.reason == byUser:
		return caller.ExitWithError{Code: caller.ExitInterrupted}
	case s.opts.exitCodeFrom != "":
		if s.from == nil {
			return nil
		}
		return caller.ExitWith(*s.from)
	default:
		return caller.ExitWith(*s.first)
	}
}
