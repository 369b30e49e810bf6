package logs

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// watching serves all who follow a log in this process with one inotify instance: the
// kernel allows a user few of them. It is there while somebody follows.
var watching watchers

type watchers struct {
	mu      sync.Mutex
	inotify *fsnotify.Watcher
	loop    *sync.WaitGroup
	dirs    map[string][]chan struct{}
}

// watch returns a channel that is told of changes in a folder: at least once after the
// last one. forget ends it.
func (w *watchers) watch(dir string) (changed <-chan struct{}, forget func(), err error) {
	dir = filepath.Clean(dir)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inotify == nil {
		if err := w.open(); err != nil {
			return nil, nil, fmt.Errorf("follow logs: %w", err)
		}
	}
	if len(w.dirs[dir]) == 0 {
		if err := w.inotify.Add(dir); err != nil {
			return nil, nil, fmt.Errorf("follow logs: %w", err)
		}
	}
	c := make(chan struct{}, 1)
	w.dirs[dir] = append(w.dirs[dir], c)
	return c, func() { w.forget(dir, c) }, nil
}

func (w *watchers) open() error {
	inotify, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	w.inotify, w.loop, w.dirs = inotify, &sync.WaitGroup{}, map[string][]chan struct{}{}
	w.loop.Go(func() { w.run(inotify) })
	return nil
}

// run passes events on until the instance is closed.
func (w *watchers) run(inotify *fsnotify.Watcher) {
	for {
		select {
		case event, ok := <-inotify.Events:
			if !ok {
				return
			}
			w.tell(filepath.Dir(event.Name))
		case _, ok := <-inotify.Errors:
			if !ok {
				return
			}
			w.tellAll() // some events were lost
		}
	}
}

func (w *watchers) tell(dir string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.dirs[dir] {
		notify(c)
	}
}

func (w *watchers) tellAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range maps.Values(w.dirs) {
		for _, c := range c {
			notify(c)
		}
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has not looked yet
	}
}

func (w *watchers) forget(dir string, c chan struct{}) {
	w.mu.Lock()
	rest := slices.DeleteFunc(w.dirs[dir], func(other chan struct{}) bool { return other == c })
	if len(rest) > 0 {
		w.dirs[dir] = rest
		w.mu.Unlock()
		return
	}
	delete(w.dirs, dir)
	inotify, loop := w.inotify, w.loop
	if len(w.dirs) > 0 {
		_ = inotify.Remove(dir) // the folder may be gone
		w.mu.Unlock()
		return
	}
	w.inotify = nil
	w.mu.Unlock()
	_ = inotify.Close() // it was only read
	loop.Wait()
}
