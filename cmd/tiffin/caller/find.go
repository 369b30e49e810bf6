package caller

import (
	"context"
	"fmt"
	"slices"

	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
)

// Which says which containers of a service are meant, whether they run or not.
type Which struct {
	Index   int  // that number; 0: all
	OneOffs bool // those of run, too
}

// FindContainers finds containers of a service by their numbers, of run last.
//
// Errors: docker compose's text when there is none.
func (c *Caller) FindContainers(ctx context.Context, service string, which Which) (*api.Client, []engine.Container, error) {
	client, list, err := c.ContainersOf(ctx, service, which)
	switch {
	case err != nil || len(list) > 0:
		return client, list, err
	case which.Index > 0:
		err = fmt.Errorf("service %q has no container %d", service, which.Index)
	default:
		err = fmt.Errorf("no container found for service %q", service)
	}
	return nil, nil, engine.Hint(engine.Problem(engine.ErrNotFound, err), "make it with `tiffin create "+service+"`")
}

// ContainersOf is FindContainers for who says in other words that there is none.
func (c *Caller) ContainersOf(ctx context.Context, service string, which Which) (*api.Client, []engine.Container, error) {
	t, err := c.FindTarget(ctx, []string{service})
	if err != nil {
		return nil, nil, err
	}
	if err := t.Known(service); err != nil {
		return nil, nil, err
	}
	client, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: []string{service}, All: true, OneOffs: which.OneOffs})
	if err != nil {
		return nil, nil, err
	}
	list = slices.DeleteFunc(list, func(ct engine.Container) bool {
		return which.Index > 0 && (ct.Number != which.Index || ct.OneOff)
	})
	slices.SortStableFunc(list, func(a, b engine.Container) int {
		if a.OneOff != b.OneOff {
			return map[bool]int{true: 1, false: -1}[a.OneOff]
		}
		return a.Number - b.Number
	})
	return client, list, nil
}
