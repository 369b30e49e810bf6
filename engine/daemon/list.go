package daemon

import (
	"context"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// List lists containers by name: those that run, or all.
func (d *Daemon) List(_ context.Context, req *call.ListRequest) ([]engine.Container, error) {
	return d.all(func(c *engine.Container) bool {
		switch {
		case req.Project != "" && c.Project != req.Project:
			return false
		case len(req.Services) > 0 && !slices.Contains(req.Services, c.Service):
			return false
		case c.OneOff && !req.OneOffs:
			return false
		default:
			return req.All || c.State.Status.Alive() || c.State.Status == engine.StatusRestarting
		}
	}), nil
}

// Projects lists the projects that have containers.
func (d *Daemon) Projects(_ context.Context) ([]call.ProjectSummary, error) {
	byName := map[string]*call.ProjectSummary{}
	for _, c := range d.all(func(c *engine.Container) bool { return c.Project != "" && (!c.OneOff || c.IsJob()) }) {
		p, ok := byName[c.Project]
		if !ok {
			p = &call.ProjectSummary{Name: c.Project, Status: map[engine.Status]int{}}
			byName[c.Project] = p
		}
		p.Status[engine.Status(c.State.Status.Docker())]++
		if files := c.Spec.Labels[engine.LabelConfigFiles]; files != "" {
			p.ConfigFiles = strings.Split(files, ",")
			p.WorkingDir = c.Spec.Labels[engine.LabelWorkingDir]
		}
	}
	out := make([]call.ProjectSummary, 0, len(byName))
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, *byName[name])
	}
	return out, nil
}
