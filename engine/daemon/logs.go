package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/logs"
)

// Logs calls emit for the output of the selected containers. Without Follow the
// entries of all of them come in the order of time; with it as they come, those of
// containers that are made later included, until all have ended.
func (d *Daemon) Logs(ctx context.Context, req *engine.LogRequest, emit func(engine.LogEntry) error) error {
	if req.Follow {
		return d.followLogs(ctx, req, emit)
	}
	return d.mergeLogs(ctx, req, emit)
}

func selects(req *engine.LogRequest, c *engine.Container) bool {
	switch {
	case len(req.Containers) > 0:
		return slices.Contains(req.Containers, c.ID)
	case c.Project != req.Project || c.OneOff:
		return false
	case len(req.Services) > 0 && !slices.Contains(req.Services, c.Service):
		return false
	default:
		return req.Index == 0 || c.Number == req.Index
	}
}

func logQuery(req *engine.LogRequest) logs.Query {
	return logs.Query{Since: req.Since, Until: req.Until, Tail: req.Tail, Follow: req.Follow, Stdout: req.Stdout, Stderr: req.Stderr}
}

// read reads the log of one container; done ends the following of it.
func (d *Daemon) read(ctx context.Context, c *container.Container, src *engine.LogSource, q logs.Query, done <-chan struct{}, emit func(engine.LogEntry) error) error {
	return logs.Read(ctx, c.LogDir(), q, done, func(e logs.Entry) error {
		return emit(engine.LogEntry{Source: src, Time: e.Time, Stream: engine.Stream(e.Stream), Data: e.Data})
	})
}

// head is the next entry of one container; its reader waits until taken is told.
type head struct {
	entry engine.LogEntry
	taken chan<- struct{}
}

// mergeLogs emits the entries of many logs in the order of time. Each log has a
// reader that is one entry ahead.
func (d *Daemon) mergeLogs(ctx context.Context, req *engine.LogRequest, emit func(engine.LogEntry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	var errs []error
	var mu sync.Mutex
	var sources []<-chan head
	for _, record := range d.all(func(c *engine.Container) bool { return selects(req, c) }) {
		c, err := d.byID(record.ID)
		if err != nil {
			continue // it went meanwhile
		}
		ch := make(chan head)
		sources = append(sources, ch)
		readers.Go(func() {
			defer close(ch)
			if err := d.read(ctx, c, c.Source(), logQuery(req), nil, func(e engine.LogEntry) error { return offerHead(ctx, ch, e) }); err != nil && ctx.Err() == nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
		})
	}
	if err := merge(sources, emit); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return errors.Join(errs...)
}

func offerHead(ctx context.Context, ch chan<- head, e engine.LogEntry) error {
	taken := make(chan struct{})
	select {
	case ch <- head{e, taken}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-taken:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func merge(sources []<-chan head, emit func(engine.LogEntry) error) error {
	heads := make([]*head, len(sources))
	for {
		first := -1
		for i := range sources {
			if heads[i] == nil {
				if h, ok := <-sources[i]; ok {
					heads[i] = &h
				}
			}
			if heads[i] != nil && (first < 0 || heads[i].entry.Time.Before(heads[first].entry.Time)) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		err := emit(heads[first].entry)
		close(heads[first].taken)
		heads[first] = nil
		if err != nil {
			return err
		}
	}
}

// follower follows the containers of a request, those that are made later, too.
type follower struct {
	d    *Daemon
	req  *engine.LogRequest
	emit func(engine.LogEntry) error
	stop context.CancelCauseFunc

	mu      sync.Mutex // over emit, too: entries come one at a time
	known   map[string]bool
	active  int
	idle    chan struct{} // told when active has become zero
	readers sync.WaitGroup
}

func (d *Daemon) followLogs(ctx context.Context, req *engine.LogRequest, emit func(engine.LogEntry) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	f := &follower{d: d, req: req, emit: emit, stop: stop, known: map[string]bool{}, idle: make(chan struct{}, 1)}
	defer f.readers.Wait()
	defer stop(nil)
	subscribed := make(chan struct{})
	f.readers.Go(func() {
		err := d.Events(ctx, time.Time{}, time.Time{}, func() { close(subscribed) }, func(ev engine.Event) error {
			if ev.Type == engine.EventContainer && (ev.Action == "create" || ev.Action == "start") {
				f.take(ctx, ev.ID)
			}
			return nil
		})
		if err != nil {
			stop(err)
		}
	})
	<-subscribed
	for _, c := range d.all(func(c *engine.Container) bool { return selects(req, c) }) {
		f.take(ctx, c.ID)
	}
	f.mu.Lock()
	none := f.active == 0
	f.mu.Unlock()
	if none {
		return nil
	}
	for {
		select {
		case <-f.idle:
			f.mu.Lock()
			none := f.active == 0
			f.mu.Unlock()
			if none {
				return nil
			}
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		}
	}
}

// take begins to follow a container, unless it is followed already.
func (f *follower) take(ctx context.Context, id string) {
	c, err := f.d.byID(id)
	if err != nil {
		return
	}
	record := c.Snapshot()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known[id] || !selects(f.req, &record) || ctx.Err() != nil {
		return
	}
	f.known[id] = true
	f.active++
	f.readers.Go(func() {
		f.follow(ctx, c)
		f.mu.Lock()
		f.active--
		delete(f.known, id) // a later start is followed again
		f.mu.Unlock()
		select {
		case f.idle <- struct{}{}:
		default:
		}
	})
}

// follow emits what a container writes, and how it ended, over its restarts by policy.
func (f *follower) follow(ctx context.Context, c *container.Container) {
	src := c.Source()
	emit := func(e engine.LogEntry) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		err := f.emit(e)
		if err != nil {
			f.stop(err)
		}
		return err
	}
	q := logQuery(f.req)
	began := time.Now()
	for {
		done := make(chan struct{})
		over := make(chan engine.Container, 1)
		watchCtx, cancel := context.WithCancel(ctx)
		go func() {
			defer close(done)
			over <- c.AwaitEnd(watchCtx)
		}()
		err := f.d.read(ctx, c, src, q, done, emit)
		cancel()
		end := <-over
		if err != nil || ctx.Err() != nil || end.State.FinishedAt.Before(began) {
			return
		}
		restarting := end.State.Status == engine.StatusRestarting
		if emit(engine.LogEntry{Source: src, Time: end.State.FinishedAt, Exit: &engine.LogExit{Code: end.State.ExitCode, Restarting: restarting}}) != nil || !restarting {
			return
		}
		q.Since, q.Tail, began = end.State.FinishedAt.Add(time.Nanosecond), -1, end.State.FinishedAt
	}
}
