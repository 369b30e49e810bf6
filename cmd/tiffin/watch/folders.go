package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/project/develop"
)

// A batch is closed when nothing has changed for quiet, or after patience: something may be written all the time.
const (
	quiet    = 75 * time.Millisecond
	patience = time.Second
)

// change is one path that is not what it was.
type change struct {
	path    string
	removed bool
	folder  bool
}

// stamp is what a path looks like from outside. It is another one when it was written or replaced.
type stamp struct {
	mode         fs.FileMode
	size         int64
	mtime, ctime syscall.Timespec
	inode        uint64
}

func stampOf(info fs.FileInfo) stamp {
	s := stamp{mode: info.Mode(), size: info.Size()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.mtime, s.ctime, s.inode = st.Mtim, st.Ctim, st.Ino
	}
	return s
}

func (s stamp) folder() bool { return s.mode.IsDir() }

// folders watches some paths and all below them.
type folders struct {
	inotify *fsnotify.Watcher
	skip    func(dir string) bool
	roots   map[string]stamp            // as they were looked at last; zero for what is not there
	seen    map[string]map[string]stamp // folders, and what was in them
	watched map[string]bool
	changed []change

	wake chan struct{}
	work sync.WaitGroup
	mu   sync.Mutex
	news news
}

// news say where to look.
type news struct {
	dirty   map[string]bool // folders in which something happened
	touched map[string]bool // written, even if it looks as before
	lost    map[string]bool // perhaps another folder by now, which nobody watches
	all     bool            // some was not told
}

func newNews() news {
	return news{dirty: map[string]bool{}, touched: map[string]bool{}, lost: map[string]bool{}}
}

// newFolders watches paths from now on. Those that lie in others need not be watched twice.
func newFolders(paths []string, skip func(string) bool) (*folders, error) {
	inotify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, limits(err)
	}
	f := &folders{
		inotify: inotify, skip: skip, roots: map[string]stamp{}, seen: map[string]map[string]stamp{}, watched: map[string]bool{},
		wake: make(chan struct{}, 1), news: newNews(),
	}
	for _, p := range paths {
		outer := func(o string) bool { return o != p && develop.Below(o, p) }
		if !slices.ContainsFunc(paths, outer) {
			f.roots[p] = stamp{}
		}
	}
	f.work.Go(f.collect)
	if _, err := f.look(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *folders) close() error {
	err := f.inotify.Close()
	f.work.Wait()
	return err
}

// collect notes where something happens, so that the kernel's queue stays empty while changes are carried out.
func (f *folders) collect() {
	for {
		select {
		case e, ok := <-f.inotify.Events:
			if !ok {
				return
			}
			f.note(e)
		case _, ok := <-f.inotify.Errors:
			if !ok {
				return
			}
			f.mu.Lock()
			f.news.all = true
			f.mu.Unlock()
		}
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

func (f *folders) note(e fsnotify.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.news.dirty[filepath.Dir(e.Name)] = true
	if e.Has(fsnotify.Write) || e.Has(fsnotify.Create) {
		f.news.touched[e.Name] = true
	}
	if e.Has(fsnotify.Create) || e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		f.news.lost[e.Name] = true
	}
}

// next waits for changes and returns them once it is quiet.
func (f *folders) next(ctx context.Context) ([]change, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-f.wake:
		}
		if err := f.settle(ctx); err != nil {
			return nil, err
		}
		found, err := f.look()
		if len(found) > 0 || err != nil {
			return found, err
		}
	}
}

func (f *folders) settle(ctx context.Context) error {
	calm, enough := time.NewTimer(quiet), time.NewTimer(patience)
	defer calm.Stop()
	defer enough.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-f.wake:
			calm.Reset(quiet)
		case <-calm.C:
			return nil
		case <-enough.C:
			return nil
		}
	}
}

// look compares what there is with what there was, where there are news.
func (f *folders) look() ([]change, error) {
	f.mu.Lock()
	n := f.news
	f.news = newNews()
	f.mu.Unlock()
	f.changed = nil
	dirty := slices.Sorted(maps.Keys(n.dirty))
	if n.all {
		dirty = slices.Sorted(maps.Keys(f.seen))
	}
	// First all that has moved away is let go: it may be watched under its new name, and that is the same watch.
	for _, dir := range dirty {
		for name, was := range f.seen[dir] {
			if p := filepath.Join(dir, name); was.folder() && (n.all || n.lost[p]) {
				f.unwatch(p)
			}
		}
	}
	for _, root := range slices.Sorted(maps.Keys(f.roots)) {
		if err := f.visitRoot(root, &n); err != nil {
			return nil, err
		}
	}
	for _, dir := range dirty {
		if _, known := f.seen[dir]; !known {
			continue
		}
		if err := f.visit(dir, &n); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(f.changed, func(a, b change) int { return strings.Compare(a.path, b.path) })
	return slices.Compact(f.changed), nil
}

// visitRoot looks at a path that is watched by itself, and at what is above it: it may come and go.
func (f *folders) visitRoot(root string, n *news) error {
	if err := f.anchor(filepath.Dir(root)); err != nil {
		return err
	}
	was := f.roots[root]
	info, err := os.Lstat(root)
	if err != nil {
		f.roots[root] = stamp{}
		switch {
		case was.folder():
			f.drop(root)
		case was != stamp{}:
			f.changed = append(f.changed, change{path: root, removed: true})
		}
		return nil
	}
	is := stampOf(info)
	f.roots[root] = is
	if !is.folder() {
		if is != was || n.touched[root] {
			f.changed = append(f.changed, change{path: root})
		}
		return nil
	}
	if !was.folder() || was.inode != is.inode || n.lost[root] {
		f.unwatch(root)
		return f.visit(root, n)
	}
	return nil
}

// anchor watches the nearest folder above a root that is there, so that its coming is seen.
func (f *folders) anchor(dir string) error {
	for {
		err := f.inotify.Add(dir)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) || dir == "/" {
			return limits(err)
		}
		dir = filepath.Dir(dir)
	}
}

// visit compares one folder, and those in it that were not looked at yet.
func (f *folders) visit(dir string, n *news) error {
	is, err := f.entries(dir)
	if is == nil || err != nil {
		return err
	}
	was := f.seen[dir]
	f.seen[dir] = is
	for name, before := range was {
		p := filepath.Join(dir, name)
		now, there := is[name]
		if before.folder() && !now.folder() {
			f.drop(p)
		}
		if !there {
			f.changed = append(f.changed, change{path: p, removed: true, folder: before.folder()})
		}
	}
	return f.come(dir, was, is, n)
}

// entries watches a folder and reads what is in it; nil: it has gone, which the folder above tells.
func (f *folders) entries(dir string) (map[string]stamp, error) {
	if !f.watched[dir] {
		// The watch first: what comes into the folder after it was read is told.
		if err := f.inotify.Add(dir); err != nil {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
				return nil, nil
			}
			return nil, limits(err)
		}
		f.watched[dir] = true
	}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", dir, err)
	}
	is := map[string]stamp{}
	for _, e := range list {
		info, err := e.Info()
		if p := filepath.Join(dir, e.Name()); err == nil && (!e.IsDir() || !f.skip(p)) {
			is[e.Name()] = stampOf(info)
		}
	}
	return is, nil
}

// come notes what is new in a folder or another, and visits the folders in it that were not looked at yet.
func (f *folders) come(dir string, was, is map[string]stamp, n *news) error {
	for name, now := range is {
		p := filepath.Join(dir, name)
		before, had := was[name]
		switch {
		case !now.folder():
			if now != before || n.touched[p] {
				f.changed = append(f.changed, change{path: p})
			}
			continue
		case !had || !before.folder():
			f.changed = append(f.changed, change{path: p, folder: true})
		case before.inode != now.inode:
			f.unwatch(p)
		}
		if f.watched[p] {
			continue
		}
		if err := f.visit(p, n); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets a folder that is no more. All that was in it is removed.
func (f *folders) drop(dir string) {
	f.unwatch(dir)
	for name, was := range f.seen[dir] {
		p := filepath.Join(dir, name)
		f.changed = append(f.changed, change{path: p, removed: true, folder: was.folder()})
		if was.folder() {
			f.drop(p)
		}
	}
	delete(f.seen, dir)
}

// unwatch ends the watches of a folder and of those below it; what was seen in them is still known.
func (f *folders) unwatch(dir string) {
	if f.watched[dir] {
		_ = f.inotify.Remove(dir) // the kernel may have done it
		delete(f.watched, dir)
	}
	for name, was := range f.seen[dir] {
		if was.folder() {
			f.unwatch(filepath.Join(dir, name))
		}
	}
}

// limits says what to do when the kernel has no more watches.
func limits(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC):
		return engine.Hint(engine.Problem(engine.ErrUnavailable, errors.New("the kernel allows no more folders to be watched")),
			"raise fs.inotify.max_user_watches with sysctl, or ignore large folders")
	case errors.Is(err, unix.EMFILE):
		return engine.Hint(engine.Problem(engine.ErrUnavailable, errors.New("the kernel allows no more watchers of files")),
			"raise fs.inotify.max_user_instances with sysctl")
	default:
		return err
	}
}
