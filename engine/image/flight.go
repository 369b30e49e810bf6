package image

import (
	"context"
	"errors"
	"sync"

	"tiffin/engine"
)

var errClosed = errors.New("the image store is closed")

// flights joins callers that want the same: one does it, all of them hear of it. The zero value is ready.
type flights struct {
	mu     sync.Mutex
	byKey  map[string]*flight
	closed bool
	ended  sync.WaitGroup
}

// flight is one pull under way. Its fields are guarded by the flights' mutex; result and err are written before
// done is closed.
type flight struct {
	done    chan struct{}
	cancel  context.CancelFunc
	waiting map[*waiter]struct{}
	told    map[string]engine.Progress // the last of each line, for those who join later
	order   []string

	result engine.Image
	err    error
}

type waiter struct{ report engine.Report }

// do runs f once for all who ask for key at the same time. It ends when each of them has gone.
func (fs *flights) do(
	ctx context.Context, key string, report engine.Report, f func(context.Context, engine.Report) (engine.Image, error),
) (engine.Image, error) {
	w := &waiter{report}
	fl, err := fs.join(ctx, key, w, f)
	if err != nil {
		return engine.Image{}, err
	}
	select {
	case <-fl.done:
		return fl.result, fl.err
	case <-ctx.Done():
		fs.leave(key, fl, w)
		return engine.Image{}, ctx.Err()
	}
}

func (fs *flights) join(
	ctx context.Context, key string, w *waiter, f func(context.Context, engine.Report) (engine.Image, error),
) (*flight, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.closed {
		return nil, errClosed
	}
	if fl := fs.byKey[key]; fl != nil {
		fl.waiting[w] = struct{}{}
		for _, id := range fl.order {
			w.report(fl.told[id])
		}
		return fl, nil
	}
	// It outlives the caller that began it, if others have joined.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{
		done: make(chan struct{}), cancel: cancel,
		waiting: map[*waiter]struct{}{w: {}}, told: map[string]engine.Progress{},
	}
	if fs.byKey == nil {
		fs.byKey = map[string]*flight{}
	}
	fs.byKey[key] = fl
	fs.ended.Go(func() {
		fl.result, fl.err = f(ctx, func(p engine.Progress) { fs.tell(fl, p) })
		fs.mu.Lock()
		fs.forget(key, fl)
		fs.mu.Unlock()
		cancel()
		close(fl.done)
	})
	return fl, nil
}

func (fs *flights) tell(fl *flight, p engine.Progress) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, ok := fl.told[p.ID]; !ok {
		fl.order = append(fl.order, p.ID)
	}
	fl.told[p.ID] = p
	for w := range fl.waiting {
		w.report(p)
	}
}

// leave takes a caller off; a flight that nobody waits for is ended, and the next caller begins anew.
func (fs *flights) leave(key string, fl *flight, w *waiter) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fl.waiting, w)
	if len(fl.waiting) == 0 {
		fl.cancel()
		fs.forget(key, fl)
	}
}

// forget lets the next caller begin anew; the caller holds mu.
func (fs *flights) forget(key string, fl *flight) {
	if fs.byKey[key] == fl {
		delete(fs.byKey, key)
	}
}

// close ends all flights and waits for them.
func (fs *flights) close() {
	fs.mu.Lock()
	fs.closed = true
	for _, fl := range fs.byKey {
		fl.cancel()
	}
	fs.mu.Unlock()
	fs.ended.Wait()
}
