package daemon

import (
	"context"
	"errors"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/plan"
)

// boot starts again what waits for that since its machine, or its keeper, ended: project
// by project, while the engine answers already.
func (d *Daemon) boot() {
	projects := map[string]bool{}
	for _, c := range d.all(waits) {
		projects[c.Project] = true
	}
	for name := range projects {
		d.work.Go(func() {
			for errors.Is(d.bootProject(name), errGaveWay) {
			}
		})
	}
}

func waits(c *engine.Container) bool { return c.State.Status == engine.StatusRestarting }

// errGaveWay is the end of a boot that a command of the user has interrupted. What then
// still waits is planned anew after the command.
var errGaveWay = errors.New("a command on the project goes first")

func (d *Daemon) bootProject(name string) error {
	ctx, unlock, err := d.lock(d.life, name)
	if err != nil {
		return err
	}
	defer unlock()
	ctx, giveWay := context.WithCancelCause(ctx)
	defer giveWay(nil)
	d.onCommand(name, func() { giveWay(errGaveWay) })
	defer d.onCommand(name, nil)
	obs, err := d.observe(ctx, name, nil)
	if err != nil {
		return err
	}
	p, err := plan.Boot(obs)
	if err == nil && !p.Empty() {
		d.log.Info("start again", "project", name, "plan", p.String())
		err = d.newWalk(obs.Previous, nil, nil).apply(ctx, p, 0)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	d.log.Warn("not all of a project is started again", "project", name, "err", err)
	for _, c := range d.all(func(c *engine.Container) bool { return c.Project == name && waits(c) }) {
		if held, gone := d.byID(c.ID); gone == nil {
			err = errors.Join(err, held.Super.Abandon(ctx, err))
		}
	}
	return err
}

// onCommand says what happens when a command waits for its turn on a project, or does so
// already. nil: nothing.
func (d *Daemon) onCommand(name string, happens func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.project(name)
	if p.giveWay = happens; happens != nil && p.commands > 1 {
		happens()
	}
}

// restart lets a container start by its policy and runs its post_start hooks then. It
// may take the policy several times.
func (w *walk) restart(ctx context.Context, c *container.Container) error {
	if err := c.Super.Resume(ctx); err != nil {
		return err
	}
	if _, err := awaitCondition(ctx, c, plan.ConditionHasStarted); err != nil {
		return err
	}
	return w.afterStart(ctx, c)
}
