package output

import (
	"context"
	"errors"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/logs"
)

// follower follows the containers of a request until they have ended, those that are
// made or started later, too.
type follower struct {
	index Index
	req   *call.LogRequest
	began time.Time // ends before it are no news
	stop  context.CancelCauseFunc

	mu      sync.Mutex
	places  map[string]*place // by container
	active  int
	idle    chan struct{} // told when active has become zero
	readers sync.WaitGroup

	emitting sync.Mutex // entries come one at a time
	emit     func(call.LogEntry) error
}

// place is how far a container was followed.
type place struct {
	active bool
	query  logs.Query
	end    time.Time // the last one that was told
	// restarts says that it was told as one that is not for good.
	restarts bool
}

func follow(ctx context.Context, index Index, req *call.LogRequest, emit func(call.LogEntry) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	f := &follower{index: index, req: req, began: req.Since, stop: stop, places: map[string]*place{}, idle: make(chan struct{}, 1), emit: emit}
	if f.began.IsZero() {
		f.began = time.Now()
	}
	defer f.readers.Wait()
	defer stop(nil)
	subscribed := make(chan struct{})
	f.readers.Go(func() {
		err := index.Events(ctx, time.Time{}, time.Time{}, func() { close(subscribed) }, func(ev engine.Event) error {
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
	for _, c := range index.Containers(func(c *engine.Container) bool { return selects(req, c) }) {
		f.take(ctx, c.ID)
	}
	f.mu.Lock()
	none := f.active == 0
	f.mu.Unlock()
	if none && !req.Stay {
		return nil
	}
	select {
	case <-f.idle:
		return nil
	case <-ctx.Done():
		if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}

// take begins to follow a container, unless it is followed already.
func (f *follower) take(ctx context.Context, id string) {
	c, err := f.index.ByID(id)
	if err != nil {
		return
	}
	record := c.Snapshot()
	f.mu.Lock()
	defer f.mu.Unlock()
	p, known := f.places[id]
	if !known {
		p = &place{query: logQuery(f.req), end: f.began}
		f.places[id] = p
	}
	if p.active || !selects(f.req, &record) || ctx.Err() != nil {
		return
	}
	p.active = true
	f.active++
	f.readers.Go(func() {
		for more := true; more; {
			f.follow(ctx, c, p)
			more = f.goesOn(ctx, c, p)
		}
	})
}

// goesOn says whether a container that has ended was started again meanwhile, even if it
// has ended again, too; else it is left, until it is started.
func (f *follower) goesOn(ctx context.Context, c *container.Container, p *place) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	record := c.Snapshot()
	if (isNews(&record, c.LastEnd(), p.end) || mayWrite(&record)) && ctx.Err() == nil && !c.IsGone() {
		return true
	}
	p.active = false
	f.active--
	if c.IsGone() {
		delete(f.places, c.ID)
	}
	if f.active == 0 && !f.req.Stay {
		select {
		case f.idle <- struct{}{}:
		default:
		}
	}
	return false
}

// isNews says of a container that does not run that the last of its ends was not told: a start
// and an end may both come while the log of the life before is being read, and the event of
// that start found the container followed.
func isNews(record *engine.Container, last engine.State, told time.Time) bool {
	return record.State.Status == engine.StatusExited && last.FinishedAt.After(told)
}

// mayWrite says that more output may come of a container: it runs, will without a
// command, or was made and waits for its start.
func mayWrite(c *engine.Container) bool { return !c.Ended() }

// follow emits what a container writes, and how it ended, over its restarts by policy.
func (f *follower) follow(ctx context.Context, c *container.Container, p *place) {
	if !awaitBegin(ctx, c) {
		return
	}
	src := c.Source() // a replacement has its name by now
	emit := func(e call.LogEntry) error {
		f.emitting.Lock()
		defer f.emitting.Unlock()
		err := f.emit(e)
		if err != nil {
			f.stop(err)
		}
		return err
	}
	for {
		end, err := life(ctx, c, p, func(e logs.Entry) error {
			p.query.Since, p.query.Tail = e.Time.Add(time.Nanosecond), -1
			return emit(entryOf(src, e))
		})
		if err != nil && end.FinishedAt.After(p.end) {
			p.end = end.FinishedAt // its log cannot be read: that is no reason to try for ever
		}
		// Whoever was told of a restart that somebody prevented hears of the end once more.
		if err != nil || ctx.Err() != nil || !end.FinishedAt.After(p.end) && !p.restarts {
			return
		}
		exit := &call.LogExit{Code: end.ExitCode, Restarting: end.Status == engine.StatusRestarting}
		p.end, p.restarts = end.FinishedAt, exit.Restarting
		if emit(call.LogEntry{Source: src, Time: p.end, Exit: exit}) != nil || !exit.Restarting {
			return
		}
	}
}

// awaitBegin returns once the container has been started, or false when it will not be:
// it went before, or its start did not succeed.
func awaitBegin(ctx context.Context, c *container.Container) bool {
	for {
		record, changed := c.Watch()
		switch {
		case record.State.Status != engine.StatusCreated && record.State.Status != engine.StatusStarting:
			return true
		case record.Ended():
			return false
		}
		select {
		case <-changed:
		case <-c.Gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// life emits what a container writes until it ends, and returns its state then.
func life(ctx context.Context, c *container.Container, p *place, emit func(logs.Entry) error) (engine.State, error) {
	done := make(chan struct{})
	var end engine.State
	watchCtx, cancel := context.WithCancel(ctx)
	go func() {
		defer close(done)
		end = awaitNextEnd(watchCtx, c, p.end)
	}()
	err := logs.Read(ctx, c.LogDir(), p.query, done, emit)
	cancel()
	<-done
	return end, err
}

// awaitNextEnd returns how the container ended after the end that is known, or once it
// does not run and will not by itself.
func awaitNextEnd(ctx context.Context, c *container.Container, known time.Time) engine.State {
	for {
		record, changed := c.Watch()
		if end := c.LastEnd(); end.FinishedAt.After(known) {
			return end
		}
		if !mayWrite(&record) {
			return record.State
		}
		select {
		case <-changed:
		case <-c.Gone:
			return c.Snapshot().State
		case <-ctx.Done():
			return record.State
		}
	}
}
