package schedule

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/cron"
)

// entry is one job that is armed. Its goroutine waits for its times, and has another one run it.
type entry struct {
	s            *Scheduler
	project, job string
	schedules    []engine.Schedule
	times        []times
	cancel       context.CancelFunc

	// What follows is the goroutine's own.
	seen    time.Time
	queued  int
	running bool
}

// times is one schedule, read.
type times struct {
	cron.Schedule
	zone *time.Location
	how  engine.Schedule
}

// late is how long after its time something counts as missed rather than due.
const late = time.Minute

// keptRuns is how many of a job's last runs stay, for ps -a and logs.
const keptRuns = 3

// run waits for the job's times, and has it run, until ctx ends.
func (e *entry) run(ctx context.Context) {
	ended := make(chan struct{})
	for ctx.Err() == nil {
		if e.queued > 0 && !e.running {
			e.queued--
			e.begin(ctx, true, ended)
			e.save(ctx)
		}
		timer := make(chan error, 1)
		waiting, stop := context.WithCancel(ctx)
		if next := e.next(); !next.IsZero() {
			e.s.work.Go(func() { timer <- e.s.clock.Until(waiting, next) })
		}
		select {
		case err := <-timer:
			if err == nil {
				e.look(ctx, ended)
			}
		case <-ended:
			e.running = false
		case <-ctx.Done():
		}
		stop()
	}
	if e.running {
		<-ended
	}
}

// next is when to look what is due; zero: never.
func (e *entry) next() time.Time {
	var next time.Time
	for _, t := range e.times {
		if at := t.Next(e.seen.In(t.zone)); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// due says whether the job is to be run, and whether after what runs yet.
func (e *entry) due(now time.Time) (due, queue bool) {
	for _, t := range e.times {
		last := time.Time{}
		for at := t.Next(e.seen.In(t.zone)); !at.IsZero() && !at.After(now); at = t.Next(at) {
			last = at
			if now.Sub(at) > late {
				at = now.Add(-late).Add(-time.Nanosecond).In(t.zone) // missed as all before that
			}
		}
		if last.IsZero() || t.how.SkipMissed && now.Sub(last) > late {
			continue
		}
		due, queue = true, queue || t.how.Queue
	}
	return due, queue
}

// look has the job run if it is due.
func (e *entry) look(ctx context.Context, ended chan struct{}) {
	now := e.s.clock.Now()
	if now.Before(e.seen) { // the clock was set back: what comes twice counts once more
		e.seen = now
	}
	due, queue := e.due(now)
	e.seen = now
	switch {
	case !due:
	case e.running && queue:
		e.queued++
	case e.running:
		e.leftOut()
	default:
		e.begin(ctx, queue, ended)
	}
	e.save(ctx)
}

func (e *entry) leftOut() {
	e.s.log.Warn("a job is left out: its last run has not ended", "project", e.project, "job", e.job)
}

// save writes down what the next engine has to know; who was disarmed is forgotten.
func (e *entry) save(ctx context.Context) {
	e.s.mu.Lock()
	defer e.s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	r := record{Project: e.project, Job: e.job, Seen: e.seen, Queued: e.queued, Schedules: e.schedules}
	if err := e.s.records.Put(kind, key(e.project, e.job), &r); err != nil {
		e.s.log.Error("a schedule was not recorded", "project", e.project, "job", e.job, "err", err)
	}
}

// begin runs the job; ended is told when it has ended.
func (e *entry) begin(ctx context.Context, queue bool, ended chan<- struct{}) {
	e.running = true
	e.s.work.Go(func() {
		if err := e.once(ctx, engine.Schedule{Queue: queue}); err != nil && ctx.Err() == nil {
			e.s.log.Warn("a job was not run", "project", e.project, "job", e.job, "err", err)
		}
		ended <- struct{}{}
	})
}

// once runs the job once, and waits for its end. What others, or an earlier engine, have run of it counts, too.
func (e *entry) once(ctx context.Context, how engine.Schedule) error {
	runs, err := e.runs(ctx)
	if err != nil {
		return err
	}
	for i := range runs {
		if runs[i].Ended() {
			continue
		}
		if !how.Queue {
			e.leftOut()
			return nil
		}
		if _, err := e.s.host.Wait(ctx, runs[i].ID); err != nil {
			return err
		}
	}
	stack, err := e.s.host.Stack(ctx, e.project)
	if err != nil {
		return err
	}
	svc, ok := stack.Service(e.job)
	if !ok || svc.Job == nil {
		return errNoJob
	}
	// What it depends on is started if need be, and otherwise left as it is: nobody asked for more.
	up := call.UpRequest{Stack: *stack, NoRecreate: true, NoBuild: true}
	id, err := e.s.host.Run(ctx, &call.RunRequest{Up: up, Service: e.job, Container: svc.Container, Start: true}, nil)
	code := 0
	if err == nil {
		code, err = e.s.host.Wait(ctx, id)
	}
	if err == nil {
		e.s.log.Info("a job has run", "project", e.project, "job", e.job, "exit code", code)
	}
	return errors.Join(err, e.prune(ctx))
}

// runs are the containers of the job, the newest first.
func (e *entry) runs(ctx context.Context) ([]engine.Container, error) {
	list, err := e.s.host.List(ctx, &call.ListRequest{Project: e.project, Services: []string{e.job}, All: true, OneOffs: true})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(c engine.Container) bool { return !c.IsJob() })
	slices.SortFunc(list, func(a, b engine.Container) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// prune removes all but the last runs.
func (e *entry) prune(ctx context.Context) error {
	runs, err := e.runs(ctx)
	if err != nil {
		return err
	}
	runs = slices.DeleteFunc(runs, func(c engine.Container) bool { return !c.Ended() })
	for _, c := range runs[min(keptRuns, len(runs)):] {
		if err := e.s.host.Remove(ctx, c.ID, call.RemoveOptions{Volumes: true}); err != nil {
			return err
		}
	}
	return nil
}

var errNoJob = errors.New("the project has no such job any more")
