// Package events hands what happens to whoever listens.
//
// It keeps the last events, for those who ask for what was before they came.
package events

import (
	"context"
	"sync"
	"time"

	"tiffin/engine"
)

const (
	eventBacklog = 1024 // kept for --since
	eventQueue   = 1024 // a subscriber this far behind is dropped
)

// Log hands every event to whoever listens, and keeps the last ones. The zero value is
// ready for use.
type Log struct {
	mu      sync.Mutex
	backlog []engine.Event
	subs    map[chan engine.Event]struct{}
}

// Publish tells an event. One without a time happens now.
func (e *Log) Publish(ev engine.Event) {
	if ev.Time.IsZero() {
		ev.Time = time.Now()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.backlog) == eventBacklog {
		e.backlog = append(e.backlog[:0], e.backlog[1:]...)
	}
	e.backlog = append(e.backlog, ev)
	for ch := range e.subs {
		select {
		case ch <- ev:
		default:
			// It does not read: closing tells it that it missed something.
			delete(e.subs, ch)
			close(ch)
		}
	}
}

// Follow calls emit for each event after since (zero: from now on, or all before until),
// until until (zero: until ctx ends). subscribed, if not nil, is called when no event can be missed any more.
//
// Errors: what emit returns; engine.ErrUnavailable when the reader was too slow.
func (e *Log) Follow(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	ch := make(chan engine.Event, eventQueue)
	past := e.subscribe(ch, since, until)
	defer e.unsubscribe(ch)
	if subscribed != nil {
		subscribed()
	}
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	for _, ev := range past {
		if err := emit(ev); err != nil {
			return err
		}
	}
	for {
		select {
		case ev, ok := <-ch:
			if !ok {
				return engine.ErrUnavailable
			}
			if err := emit(ev); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Log) subscribe(ch chan engine.Event, since, until time.Time) []engine.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.subs == nil {
		e.subs = map[chan engine.Event]struct{}{}
	}
	e.subs[ch] = struct{}{}
	if since.IsZero() && until.IsZero() {
		return nil
	}
	var past []engine.Event
	for _, ev := range e.backlog {
		if !ev.Time.Before(since) && (until.IsZero() || !ev.Time.After(until)) {
			past = append(past, ev)
		}
	}
	return past
}

func (e *Log) unsubscribe(ch chan engine.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.subs, ch)
}
