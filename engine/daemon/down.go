package daemon

import (
	"context"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// PlanDown says what Down would do.
func (d *Daemon) PlanDown(ctx context.Context, req *call.DownRequest) (*plan.Plan, error) {
	stack := d.stackOr(req.Stack, req.Project)
	obs, err := d.observe(ctx, req.Project, stack)
	if err != nil {
		return nil, err
	}
	return plan.Down(req, stack, obs)
}

// Down takes a project away. What is in use elsewhere stays, with a warning.
func (d *Daemon) Down(ctx context.Context, req *call.DownRequest, report engine.Report) error {
	ctx, unlock, err := d.lock(ctx, req.Project)
	if err != nil {
		return err
	}
	defer unlock()
	if len(req.Services) == 0 {
		if err := d.clock.Disarm(req.Project); err != nil {
			return err
		}
	}
	stack := d.stackOr(req.Stack, req.Project)
	obs, err := d.observe(ctx, req.Project, stack)
	if err != nil {
		return err
	}
	p, err := plan.Down(req, stack, obs)
	if err != nil {
		return err
	}
	w := d.newWalk(stack, nil, report)
	w.remember(obs)
	if err := w.apply(ctx, p, 0); err != nil {
		return err
	}
	return d.forgetProject(req.Project)
}

// PlanAct says what Act would do.
func (d *Daemon) PlanAct(ctx context.Context, req *call.ActRequest) (*plan.Plan, error) {
	stack := d.stackOr(req.Stack, req.Project)
	obs, err := d.observe(ctx, req.Project, nil)
	if err != nil {
		return nil, err
	}
	return plan.Act(req, stack, obs)
}

// Act starts, stops, restarts, kills, pauses, unpauses or removes containers.
func (d *Daemon) Act(ctx context.Context, req *call.ActRequest, report engine.Report) error {
	ctx, unlock, err := d.lock(ctx, req.Project)
	if err != nil {
		return err
	}
	defer unlock()
	stack := d.stackOr(req.Stack, req.Project)
	obs, err := d.observe(ctx, req.Project, nil)
	if err != nil {
		return err
	}
	p, err := plan.Act(req, stack, obs)
	if err != nil {
		return err
	}
	w := d.newWalk(stack, nil, report)
	w.remember(obs)
	if err := w.apply(ctx, p, 0); err != nil {
		return err
	}
	if req.Wait && req.Action == call.ActStart && stack != nil {
		up := &call.UpRequest{Stack: *stack, Services: req.Services, WaitTimeout: req.WaitTimeout}
		return d.waitReady(ctx, w, up)
	}
	return nil
}

// stackOr is the Stack that the caller has, or else the one in the records.
func (d *Daemon) stackOr(given *engine.Stack, name string) *engine.Stack {
	if given != nil {
		return given
	}
	return d.storedStack(name)
}

// forgetProject drops the record of a project of which nothing is left.
func (d *Daemon) forgetProject(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.containers {
		if c.Snapshot().Project == name {
			return nil
		}
	}
	for _, n := range d.networks {
		if n.Project == name {
			return nil
		}
	}
	if p, ok := d.projects[name]; ok {
		p.stack = nil
	}
	return d.records.Delete(kindStack, name)
}
