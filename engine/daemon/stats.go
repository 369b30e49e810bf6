package daemon

import (
	"context"

	"tiffin/engine/call"
	"tiffin/engine/container"
)

// Stats says what containers use now; see container.Stats. One that is removed meanwhile is left out, unless it was asked
// for by name.
func (d *Daemon) Stats(ctx context.Context, req *call.StatsRequest) ([]call.Stats, error) {
	refs := req.Containers
	if len(refs) == 0 {
		list, err := d.List(ctx, &req.List)
		if err != nil {
			return nil, err
		}
		for i := range list {
			refs = append(refs, list[i].ID)
		}
	}
	machine, err := container.ReadMachine()
	if err != nil {
		return nil, err
	}
	out := make([]call.Stats, 0, len(refs))
	for _, ref := range refs {
		c, err := d.Container(ref)
		if err != nil {
			if len(req.Containers) > 0 {
				return nil, err
			}
			continue
		}
		s, err := c.Stats(machine)
		if err != nil {
			return nil, err
		}
		if !req.Details {
			s.Memory.Details = nil
		}
		out = append(out, s)
	}
	return out, nil
}
