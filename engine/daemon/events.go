package daemon

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

// events hands every event to whoever listens, and keeps the last ones.
type events struct {
	mu      sync.Mutex
	backlog []engine.Event
	subs    map[chan engine.Event]struct{}
}

func (e *events) publish(ev engine.Event) {
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

// Events calls emit for each event after since (zero: from now on), until until (zero:
// until ctx ends). subscribed, if not nil, is called when no event can be missed any more.
//
// Errors: what emit returns; engine.ErrUnavailable when the reader was too slow.
func (d *Daemon) Events(ctx context.Context, since, until time.Time, subscribed func(), emit func(engine.Event) error) error {
	ch := make(chan engine.Event, eventQueue)
	past := d.events.subscribe(ch, since)
	defer d.events.unsubscribe(ch)
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

func (e *events) subscribe(ch chan engine.Event, since time.Time) []engine.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.subs == nil {
		e.subs = map[chan engine.Event]struct{}{}
	}
	e.subs[ch] = struct{}{}
	if since.IsZero() {
		return nil
	}
	var past []engine.Event
	for _, ev := range e.backlog {
		if !ev.Time.Before(since) {
			past = append(past, ev)
		}
	}
	return past
}

func (e *events) unsubscribe(ch chan engine.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.subs, ch)
}
