package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/plan"
)

// step does one step and reports it.
func (w *walk) step(ctx context.Context, s *plan.Step) error {
	doing, doneWord := s.Words()
	id := s.Subject()
	w.report(engine.Progress{ID: id, Status: engine.Working, Text: doing})
	done, err := w.do(ctx, s)
	switch {
	case err == nil:
		if done == "" {
			done = doneWord
		}
		w.report(engine.Progress{ID: id, Status: engine.Done, Text: done})
	case errors.Is(err, errInUse):
		w.report(engine.Progress{ID: id, Status: engine.Warning, Text: "Resource is still in use"})
		return nil
	case s.Kind == plan.PullImage && s.Optional && ctx.Err() == nil:
		w.report(engine.Progress{ID: id, Status: engine.Warning, Text: "Not pulled", Details: err.Error()})
		return nil
	default:
		w.report(engine.Progress{ID: id, Status: engine.Failed, Text: "Error", Details: err.Error()})
	}
	return err
}

// errInUse is the refusal of a network or volume that down leaves with a warning.
var errInUse = errors.New("resource is still in use")

// do does one step; done replaces the usual word for success.
func (w *walk) do(ctx context.Context, s *plan.Step) (done string, err error) {
	switch s.Kind {
	case plan.PullImage:
		_, err := w.d.PullImage(ctx, s.Name, s.Platform, w.auths, w.reportOf(s))
		return "", err
	case plan.BuildImage:
		return w.build(ctx, s)
	case plan.RemoveImage:
		_, err := w.d.RemoveImage(ctx, s.Name, false)
		return "", err
	case plan.CreateNetwork:
		return "", w.d.createNetwork(ctx, w.stack, s.Key)
	case plan.RecreateNetwork:
		return "", w.d.recreateNetwork(ctx, w.stack, s.Key)
	case plan.RemoveNetwork:
		return "", w.d.removeNetwork(ctx, s.Name)
	case plan.CreateVolume:
		return "", w.d.createVolume(ctx, w.stack, s.Key)
	case plan.RemoveVolume:
		return "", w.d.DropVolume(ctx, s.Name)
	case plan.CreateContainer:
		return "", w.create(ctx, s)
	case plan.Proceed:
		return fmt.Sprintf("Updated %s", s.Cause), pause(ctx, time.Duration(s.For))
	default:
		return w.doContainer(ctx, s)
	}
}

// reportOf is where a step reports to: the failure of an optional one is no error.
func (w *walk) reportOf(s *plan.Step) engine.Report {
	if !s.Optional {
		return w.report
	}
	return func(p engine.Progress) {
		if p.Status != engine.Failed {
			w.report(p)
		}
	}
}

// build does not: sources are the caller's, who builds before it asks for the rest. It
// finds the step unneeded, or says who has to do it.
func (w *walk) build(ctx context.Context, s *plan.Step) (done string, err error) {
	there := map[string]string{}
	if err := w.d.observeImages(ctx, w.stack, there); err != nil {
		return "", err
	}
	missing := func(ref string) bool { return there[ref] == "" }
	if len(s.IfMissing) > 0 && !slices.ContainsFunc(s.IfMissing, missing) {
		return "Skipped", nil
	}
	return "", engine.Hint(
		engine.Problem(engine.ErrNotFound, fmt.Errorf("image %s has to be built (%s)", s.Name, s.Cause)),
		fmt.Sprintf("`tiffin build %s` builds it", s.Service))
}

// doContainer does a step on a container that exists by now.
func (w *walk) doContainer(ctx context.Context, s *plan.Step) (done string, err error) {
	c, err := w.container(s)
	if err != nil {
		if s.Kind == plan.RemoveContainer && errors.Is(err, engine.ErrNotFound) {
			return "", nil
		}
		return "", err
	}
	switch s.Kind {
	case plan.RenameContainer:
		return "", w.d.GiveName(c, s.Name)
	case plan.RunHook:
		return "", w.runPreStart(ctx, s, c)
	case plan.StartContainer:
		return "", w.start(ctx, c)
	case plan.RestartContainer:
		return "", w.restart(ctx, c)
	case plan.StopContainer:
		if s.Signal != "" {
			return "", c.StopNow(ctx)
		}
		return "", w.stop(ctx, c, s.Timeout)
	case plan.KillContainer:
		return "", w.d.kill(ctx, c, s.Signal)
	case plan.PauseContainer:
		return "", c.Super.Pause(ctx)
	case plan.UnpauseContainer:
		return "", c.Super.Unpause(ctx)
	case plan.RemoveContainer:
		return "", w.d.remove(ctx, c, removeOptions{anonymousVolumes: s.Volumes})
	case plan.Await:
		return w.await(ctx, c, s.Condition)
	case plan.Monitor:
		return "", c.Stays(ctx, time.Duration(s.For), func(c *engine.Container) error { return plan.Judge(c, plan.ConditionUpdated).Err })
	default:
		return "", fmt.Errorf("%w: step %q", engine.ErrInvalid, s.Kind)
	}
}

// create makes a replica. While the one it replaces is still there the new one goes
// by a name of its own; a later step renames it.
func (w *walk) create(ctx context.Context, s *plan.Step) error {
	svc, ok := w.stack.Service(s.Service)
	if !ok {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", s.Service))
	}
	req := createRequest{
		stack: w.stack, service: svc, number: s.Number, name: s.Name, spec: svc.Container,
		hash: svc.Hash, renewVolumes: s.RenewVolumes,
	}
	if old, ok := w.former[s.Replaces]; ok {
		req.replaces = &old
	}
	c, err := w.d.create(ctx, req)
	if err != nil {
		return err
	}
	w.mu.Lock()
	w.made[replicaKey{s.Service, s.Number}] = c.ID
	w.mu.Unlock()
	return nil
}

// start starts a container by command and runs its post_start hooks. A start that has
// begun comes to its end, whatever becomes of ctx.
func (w *walk) start(ctx context.Context, c *container.Container) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	through := context.WithoutCancel(ctx)
	err := w.offerPorts(through, c)
	if err == nil {
		err = c.Super.Start(through)
	}
	// What no start has taken is not wanted: it runs already, or cannot be started.
	err = errors.Join(err, c.OfferPorts(through, nil))
	if err != nil {
		return fmt.Errorf("start %s: %w", c.Name(), err)
	}
	return w.afterStart(ctx, c)
}

// afterStart runs the post_start hooks of a container; it is stopped if one fails.
func (w *walk) afterStart(ctx context.Context, c *container.Container) error {
	for _, h := range w.hooks(c, postStart) {
		if err := c.RunHook(ctx, h); err != nil {
			return errors.Join(fmt.Errorf("post_start hook of %s: %w", c.Name(), err),
				c.Super.Stop(context.WithoutCancel(ctx), c.Super.StopTimeout()))
		}
	}
	return nil
}

// stop runs the pre_stop hooks and stops. A hook that fails stops the stop, as the
// Compose specification has it.
func (w *walk) stop(ctx context.Context, c *container.Container, timeout *engine.Duration) error {
	if c.Snapshot().State.Status == engine.StatusRunning {
		for _, h := range w.hooks(c, preStop) {
			if err := c.RunHook(ctx, h); err != nil {
				return fmt.Errorf("pre_stop hook of %s: %w", c.Name(), err)
			}
		}
	}
	grace := c.Super.StopTimeout()
	if timeout != nil {
		grace = time.Duration(*timeout)
	}
	return c.Super.StopTelling(ctx, grace, func() {
		if why := c.WhyInVain(grace); why != "" {
			w.report(engine.Progress{Status: engine.Warning, Text: why})
		}
	})
}

type hookPoint int

const (
	postStart hookPoint = iota
	preStop
)

func (w *walk) hooks(c *container.Container, at hookPoint) []engine.Hook {
	record := c.Snapshot()
	if w.stack == nil || record.OneOff {
		return nil
	}
	svc, ok := w.stack.Service(record.Service)
	switch {
	case !ok:
		return nil
	case at == postStart:
		return svc.PostStart
	default:
		return svc.PreStop
	}
}

// await waits for a condition of a container. The texts are docker compose's.
func (w *walk) await(ctx context.Context, c *container.Container, condition engine.Condition) (done string, err error) {
	return awaitCondition(ctx, c, condition)
}
