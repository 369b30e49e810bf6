package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"tiffin/engine"
	"tiffin/engine/tree"
	"tiffin/project/develop"
)

// Host does what changes lead to.
type Host interface {
	// Containers are those of a service, running or not.
	Containers(ctx context.Context, service string) ([]engine.Container, error)
	ChangeFiles(ctx context.Context, id string, changes io.Reader) error
	Rebuild(ctx context.Context, services []string) error
	Restart(ctx context.Context, services []string) error
	// Exec runs a command in a container and returns its exit code.
	Exec(ctx context.Context, id string, h engine.Hook) (int, error)
	// Say tells the user something, a line at a time.
	Say(text string)
	Warn(text string)
}

// Watch carries rules out until ctx ends; its cause is the error then. What cannot be done is said, and the next change
// is waited for. The end of until is the end, too, once what is under way is done: half a rebuild may be no container.
func Watch(ctx, until context.Context, rules []develop.Rule, host Host) error {
	compiled, err := compile(rules)
	if err != nil {
		return err
	}
	var paths []string
	for i := range compiled {
		if r := &compiled[i]; r.Mounted {
			host.Warn(fmt.Sprintf("path '%s' also declared by a bind mount volume, this path won't be monitored!", r.Path))
		} else {
			paths = append(paths, r.Path)
		}
	}
	f, err := newFolders(unique(paths), func(dir string) bool { return skipped(compiled, dir) })
	if err != nil {
		return err
	}
	defer f.close() //nolint:errcheck // nothing was written
	w := &watcher{rules: compiled, host: host}
	if err := w.initial(ctx); err != nil {
		return err
	}
	host.Say("Watch enabled")
	for {
		changes, err := f.next(until)
		if err == nil {
			err = w.carryOut(ctx, newBatch(w.rules, changes))
			if err != nil && ctx.Err() == nil {
				host.Warn(err.Error())
				continue
			}
		}
		if until.Err() != nil {
			host.Say("Watch disabled")
			return context.Cause(until)
		}
		if err != nil {
			return err
		}
	}
}

// BuildAtStart has the images of services that are rebuilt be of the source as it is at the start.
func BuildAtStart(stack *engine.Stack, rules []develop.Rule) {
	for _, r := range rules {
		if svc, ok := stack.Service(r.Service); ok && r.Action == develop.Rebuild {
			svc.PullPolicy = engine.PullBuild
		}
	}
}

type watcher struct {
	rules []rule
	host  Host
}

// initial writes everything that rules with initial_sync are about.
func (w *watcher) initial(ctx context.Context) error {
	for i := range w.rules {
		r := &w.rules[i]
		if !r.InitialSync || !r.Action.Syncs() || r.Mounted {
			continue
		}
		var all []change
		err := filepath.WalkDir(r.Path, func(name string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case d.IsDir() && name != r.Path && skipped(w.rules[i:i+1], name):
				return filepath.SkipDir
			case name != r.Path || !d.IsDir():
				all = append(all, change{path: name, folder: d.IsDir()})
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, t := range newBatch(w.rules[i:i+1], all).sync {
			if err := w.transfer(ctx, &t); err != nil {
				return err
			}
		}
	}
	return nil
}

// carryOut does one thing after the other, as far as it can be done.
func (w *watcher) carryOut(ctx context.Context, b batch) error {
	if len(b.rebuild) > 0 {
		w.host.Say(fmt.Sprintf("Rebuilding service(s) %q after changes were detected...", b.rebuild))
		if err := w.host.Rebuild(ctx, b.rebuild); err != nil {
			return err
		}
		w.host.Say(fmt.Sprintf("service(s) %q successfully built", b.rebuild))
	}
	for i := range b.sync {
		t := &b.sync[i]
		w.host.Say(fmt.Sprintf("Syncing service %q after %d changes were detected", t.service, t.count()))
		if err := w.transfer(ctx, t); err != nil {
			return err
		}
	}
	if len(b.restart) > 0 {
		if err := w.host.Restart(ctx, b.restart); err != nil {
			return err
		}
		w.host.Say(fmt.Sprintf("service(s) %q restarted", b.restart))
	}
	for _, c := range b.exec {
		if err := w.exec(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// transfer writes into all containers of a service.
func (w *watcher) transfer(ctx context.Context, t *transfer) error {
	list, err := w.host.Containers(ctx, t.service)
	if err != nil {
		return err
	}
	var group errgroup.Group // a container that cannot be written to is no reason to leave another one out
	for i := range list {
		group.Go(func() error {
			err := w.send(ctx, list[i].ID, t.pieces)
			if errors.Is(err, engine.ErrConflict) {
				err = w.send(ctx, list[i].ID, t.pieces) // it ended, or started, meanwhile
			}
			if err != nil {
				return fmt.Errorf("sync to container %s: %w", list[i].Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (w *watcher) send(ctx context.Context, id string, pieces []piece) error {
	r, out := io.Pipe()
	var group errgroup.Group
	group.Go(func() error {
		err := write(out, pieces)
		_ = out.CloseWithError(err) // it does not fail
		return err
	})
	err := w.host.ChangeFiles(ctx, id, r)
	_ = r.CloseWithError(io.ErrClosedPipe) // it does not fail
	if reading := group.Wait(); reading != nil && !errors.Is(reading, io.ErrClosedPipe) {
		return reading
	}
	return err
}

func write(to io.Writer, pieces []piece) error {
	w := tree.NewWriter(to)
	for _, p := range pieces {
		var err error
		if p.removed {
			err = w.Remove(p.target)
		} else {
			err = w.Put(p.source, p.target)
		}
		if err != nil {
			return err
		}
	}
	return w.Close()
}

func (w *watcher) exec(ctx context.Context, c command) error {
	list, err := w.host.Containers(ctx, c.service)
	if err != nil {
		return err
	}
	var errs []error
	for i := range list {
		if list[i].State.Status != engine.StatusRunning {
			continue
		}
		code, err := w.host.Exec(ctx, list[i].ID, c.hook)
		if err == nil && code != 0 {
			err = fmt.Errorf("%s: exit code %d", strings.Join(c.hook.Command, " "), code)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("exec in container %s: %w", list[i].Name, err))
		}
	}
	return errors.Join(errs...)
}
