package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/output"
	"tiffin/engine/plan"
)

// runPreStart runs a pre_start hook for a replica, in a container of its own that has the
// replica's volumes. It stays when the hook fails, for its output to be read.
func (w *walk) runPreStart(ctx context.Context, s *plan.Step, replica *container.Container) error {
	svc, ok := w.stack.Service(s.Service)
	if !ok || s.Hook > len(svc.PreStart) {
		return engine.Problem(engine.ErrNotFound, plan.NoHook(s))
	}
	spec := svc.PreStart[s.Hook-1].Container
	spec.VolumesFrom = append(slices.Clone(spec.VolumesFrom), "container:"+replica.ID)
	spec.Labels = maps.Clone(spec.Labels)
	if spec.Labels == nil {
		spec.Labels = map[string]string{}
	}
	spec.Labels[engine.LabelHook] = "pre_start"
	c, err := w.d.create(ctx, createRequest{stack: w.stack, service: svc, name: s.Name, spec: spec})
	if err != nil {
		return err
	}
	done := context.WithoutCancel(ctx)
	err = c.Super.Start(ctx)
	if err != nil {
		err = fmt.Errorf("start %s: %w", s.Name, err)
	} else {
		end := c.AwaitEnd(ctx)
		if ctx.Err() == nil && (end.State.ExitCode != 0 || end.State.Error != "") {
			return plan.HookFailed(s, &end, output.Tail(done, c, plan.HookLines))
		}
		err = context.Cause(ctx)
	}
	if removed := w.d.remove(done, c, removeOptions{force: true, anonymousVolumes: true}); err == nil {
		err = removed
	}
	return err
}
