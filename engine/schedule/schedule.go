package schedule

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/cron"
	"tiffin/engine/state"
)

// Host runs jobs.
type Host interface {
	// Stack returns the Stack that a project was brought up with last.
	Stack(ctx context.Context, project string) (*engine.Stack, error)
	Run(ctx context.Context, req *call.RunRequest, report engine.Report) (string, error)
	List(ctx context.Context, req *call.ListRequest) ([]engine.Container, error)
	Wait(ctx context.Context, id string) (int, error)
	Remove(ctx context.Context, ref string, opts call.RemoveOptions) error
}

// kind is that of the records: one for each job that is armed.
const kind = "job"

// record is what the next engine has to know of a job.
type record struct {
	Project, Job string
	// Seen is the time up to which was looked what was due.
	Seen time.Time
	// Queued is how often it is to be run yet.
	Queued    int               `json:",omitempty"`
	Schedules []engine.Schedule `json:",omitempty"`
}

func key(project, job string) string { return project + "/" + job }

// Scheduler has the jobs that are armed. Its methods may be called by many at once.
type Scheduler struct {
	host    Host
	records *state.Store
	clock   Clock
	log     *slog.Logger

	mu      sync.Mutex
	entries map[string]*entry
	life    context.Context //nolint:containedctx // the life of the jobs is that of the engine
	end     context.CancelFunc
	work    sync.WaitGroup
}

// New makes a scheduler that has nothing to do yet.
func New(host Host, records *state.Store, clock Clock, log *slog.Logger) *Scheduler {
	s := &Scheduler{host: host, records: records, clock: clock, log: log, entries: map[string]*entry{}}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Resume goes on where the last engine was: what it has missed is due now.
func (s *Scheduler) Resume() error {
	records, bad, err := state.Load[record](s.records, kind)
	if err != nil {
		return err
	}
	for _, b := range bad {
		s.log.Error("a record cannot be read", "kind", b.Kind, "key", b.Key, "reason", b.Reason)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range records {
		s.start(r)
	}
	return nil
}

// Arm arms the jobs of a Stack that have a schedule, and disarms those of the project that it
// does not have. One that is armed already, with the same schedule, goes on as it was.
func (s *Scheduler) Arm(stack *engine.Stack) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]bool{}
	for i := range stack.Services {
		svc := &stack.Services[i]
		if svc.Job == nil || len(svc.Job.Schedules) == 0 {
			continue
		}
		k := key(stack.Name, svc.Name)
		wanted[k] = true
		r := record{Project: stack.Name, Job: svc.Name, Seen: s.clock.Now(), Schedules: svc.Job.Schedules}
		if e, armed := s.entries[k]; armed {
			if slices.Equal(e.schedules, r.Schedules) {
				continue
			}
			e.cancel()
		}
		if err := s.records.Put(kind, k, &r); err != nil {
			return err
		}
		s.start(r)
	}
	return s.drop(func(e *entry) bool { return e.project == stack.Name && !wanted[key(e.project, e.job)] })
}

// Disarm gives up the jobs of a project. One that waits for its turn is not run any more.
func (s *Scheduler) Disarm(project string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.drop(func(e *entry) bool { return e.project == project })
}

// drop disarms jobs. s.mu is held.
func (s *Scheduler) drop(which func(*entry) bool) error {
	var keys []string
	for k, e := range s.entries {
		if which(e) {
			e.cancel()
			delete(s.entries, k)
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return s.records.Delete(kind, keys...)
}

// start starts the goroutine of a job. s.mu is held.
func (s *Scheduler) start(r record) {
	e := &entry{s: s, project: r.Project, job: r.Job, schedules: r.Schedules, seen: r.Seen, queued: r.Queued}
	for _, one := range r.Schedules {
		parsed, err := cron.Parse(one.Cron)
		zone := time.Local
		if err == nil && one.Zone != "" {
			zone, err = time.LoadLocation(one.Zone)
		}
		if err != nil {
			s.log.Error("a schedule cannot be read", "project", r.Project, "job", r.Job, "err", err)
			continue
		}
		e.times = append(e.times, times{parsed, zone, one})
	}
	var ctx context.Context
	ctx, e.cancel = context.WithCancel(s.life)
	s.entries[key(r.Project, r.Job)] = e
	s.work.Go(func() { e.run(ctx) })
}

// Close ends the waiting. What runs goes on, and what is due meanwhile is the next engine's.
func (s *Scheduler) Close() {
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.work.Wait()
}
