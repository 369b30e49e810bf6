package output

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/logs"
)

// Index is what there is to read.
type Index interface {
	// Containers are the records of those that keep lets through, by name.
	Containers(keep func(*engine.Container) bool) []engine.Container
	ByID(id string) (*container.Container, error)
	Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error
}

// Read calls emit for the output of the selected containers. Without Follow the
// entries of all of them come in the order of time; with it as they come, those of
// containers that are made later included, until all have ended.
func Read(ctx context.Context, index Index, req *call.LogRequest, emit func(call.LogEntry) error) error {
	if req.Follow {
		return follow(ctx, index, req, emit)
	}
	return inOrder(ctx, index, req, emit)
}

func selects(req *call.LogRequest, c *engine.Container) bool {
	switch {
	case len(req.Containers) > 0:
		return slices.Contains(req.Containers, c.ID)
	case c.Project != req.Project || c.OneOff && (!c.IsHook() && !c.IsJob() || req.Follow):
		return false // a hook is followed by who waits for it
	case len(req.Services) > 0 && !slices.Contains(req.Services, c.Service):
		return false
	default:
		return req.Index == 0 || c.Number == req.Index
	}
}

func logQuery(req *call.LogRequest) logs.Query {
	return logs.Query{Since: req.Since, Until: req.Until, Tail: req.Tail, Follow: req.Follow, Stdout: req.Stdout, Stderr: req.Stderr}
}

// entryOf is an entry of a container's log as clients are told it.
func entryOf(src *call.LogSource, e logs.Entry) call.LogEntry {
	return call.LogEntry{Source: src, Time: e.Time, Stream: call.Stream(e.Stream), Data: e.Data}
}

// head is the next entry of one container; its reader waits until taken is told.
type head struct {
	entry call.LogEntry
	taken chan<- struct{}
}

// inOrder emits the entries of many logs in the order of time. Each log has a
// reader that is one entry ahead.
func inOrder(ctx context.Context, index Index, req *call.LogRequest, emit func(call.LogEntry) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	var errs []error
	var mu sync.Mutex
	var sources []<-chan head
	for _, record := range index.Containers(func(c *engine.Container) bool { return selects(req, c) }) {
		c, err := index.ByID(record.ID)
		if err != nil {
			continue // it went meanwhile
		}
		ch := make(chan head)
		sources = append(sources, ch)
		readers.Go(func() {
			defer close(ch)
			src := c.Source()
			err := logs.Read(ctx, c.LogDir(), logQuery(req), nil, func(e logs.Entry) error { return offerHead(ctx, ch, entryOf(src, e)) })
			if err != nil && ctx.Err() == nil {
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

func offerHead(ctx context.Context, ch chan<- head, e call.LogEntry) error {
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

func merge(sources []<-chan head, emit func(call.LogEntry) error) error {
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
