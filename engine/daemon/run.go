package daemon

import (
	"context"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/daemon/single"
	"tiffin/engine/plan"
)

// Run makes a one-off container of a service, after what the service depends on is
// up and its conditions are met, and returns its ID.
func (d *Daemon) Run(ctx context.Context, req *call.RunRequest, report engine.Report) (string, error) {
	stack := &req.Up.Stack
	svc, ok := stack.Service(req.Service)
	if !ok {
		return "", engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", req.Service))
	}
	ctx, unlock, err := d.lock(ctx, stack.Name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := d.rooms.Available(&req.Container); err != nil {
		return "", fmt.Errorf("service %s: %w", svc.Name, err)
	}
	err = d.apply(ctx, &req.Up, report, func(obs *plan.Observed) (*plan.Plan, error) { return plan.Run(&req.Up, svc.Name, obs) })
	if err != nil {
		return "", err
	}
	slug := single.NewSlug()
	name := req.Name
	if name == "" {
		name = fmt.Sprintf("%s-%s-run-%s", stack.Name, svc.Name, slug)
	}
	c, err := d.create(ctx, createRequest{
		stack: stack, service: svc, name: name, spec: req.Container, hash: svc.Hash, slug: slug, useAliases: req.UseAliases,
	})
	if err != nil {
		return "", err
	}
	if !req.Start {
		return c.ID, nil
	}
	if err := c.Super.Start(ctx); err != nil {
		c.AwaitRemoval(ctx)
		return "", err
	}
	return c.ID, nil
}
