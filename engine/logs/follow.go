package logs

import (
	"context"
	"errors"
	"fmt"

	"github.com/fsnotify/fsnotify"
)

// follow emits what there is and what comes. The watch is set before the first
// reading, so that nothing comes unseen between the two.
func (r *reader) follow(ctx context.Context, done <-chan struct{}) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch log: %w", err)
	}
	defer w.Close() //nolint:errcheck // nothing was written
	if err := w.Add(r.dir); err != nil {
		return fmt.Errorf("watch log: %w", err)
	}
	if err := r.begin(); err != nil {
		return err
	}
	for {
		err := r.drain(ctx)
		if errors.Is(err, errUntil) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-done:
			return r.last(ctx)
		case _, open := <-w.Events:
			if !open {
				return errors.New("watch log: the watch ended")
			}
			if err := r.beginLate(); err != nil {
				return err
			}
		case err := <-w.Errors:
			// An overflow of the queue says that there was more than it could hold: read on.
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch log: %w", err)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// beginLate opens the log of a container that had none when the following began.
func (r *reader) beginLate() error {
	if r.file != nil {
		return nil
	}
	r.q.Tail = -1
	return r.begin()
}

// last reads what came up to the end of the container.
func (r *reader) last(ctx context.Context) error {
	if err := r.beginLate(); err != nil {
		return err
	}
	err := r.drain(ctx)
	if errors.Is(err, errUntil) {
		return nil
	}
	return err
}
