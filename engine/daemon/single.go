package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/daemon/single"
	"tiffin/engine/plan"
)

// What clients of the Docker Engine API ask for: containers and volumes by themselves.

// Create makes a container that no Stack has.
func (d *Daemon) Create(ctx context.Context, req *call.CreateRequest) (engine.Container, error) {
	ctx, leave, err := d.Enter(ctx)
	if err != nil {
		return engine.Container{}, err
	}
	defer leave()
	name := strings.TrimPrefix(req.Name, "/")
	if name == "" {
		name = single.NewName(func(n string) bool { return !d.taken(n) })
	}
	if err := single.CheckName(name); err != nil {
		return engine.Container{}, err
	}
	for i := range req.NewVolumes {
		if _, err := d.CreateVolume(ctx, &req.NewVolumes[i]); err != nil {
			return engine.Container{}, err
		}
	}
	for _, m := range req.Spec.Mounts {
		if m.Type != engine.MountVolume || m.Source == "" {
			continue
		}
		if _, err := d.CreateVolume(ctx, &engine.VolumeSpec{Name: m.Source}); err != nil {
			return engine.Container{}, err
		}
	}
	spec := req.Spec
	networks, _ := d.Networks(ctx) // it does not fail
	if err := plan.NameEndpoints(networks, &spec); err != nil {
		return engine.Container{}, err
	}
	c, err := d.create(ctx, createRequest{name: name, spec: spec})
	if err != nil {
		return engine.Container{}, err
	}
	return c.Snapshot(), nil
}

func (d *Daemon) taken(name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[name] != ""
}

// adoptLabels makes a container one of a project whose labels it was given.
func adoptLabels(c *engine.Container, labels map[string]string) {
	if c.Project = labels[engine.LabelProject]; c.Project == "" {
		return
	}
	c.Service = labels[engine.LabelService]
	c.OneOff = labels[engine.LabelOneOff] == "True"
	if n, err := strconv.Atoi(labels[engine.LabelNumber]); err == nil && !c.OneOff {
		c.Number = n
	}
}

// CreateVolume makes a volume, or finds the one that there is.
func (d *Daemon) CreateVolume(ctx context.Context, spec *engine.VolumeSpec) (engine.Volume, error) {
	ctx, unlock, err := d.lock(ctx, "new volume "+spec.Name) // no project has a name with blanks
	if err != nil {
		return engine.Volume{}, err
	}
	defer unlock()
	if v, ok := d.Volume(spec.Name); ok {
		return v, nil
	}
	made := *spec
	made.Key, made.Hash = spec.Labels[engine.LabelVolume], spec.Labels[engine.LabelHash]
	return d.MakeVolume(ctx, made, spec.Labels[engine.LabelProject])
}

// RemoveVolume removes a volume that no container has.
//
// Errors: engine.ErrNotFound, engine.ErrConflict.
func (d *Daemon) RemoveVolume(ctx context.Context, name string) error {
	if _, ok := d.Volume(name); !ok {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("get %s: no such volume", name))
	}
	err := d.DropVolume(ctx, name)
	if !errors.Is(err, errInUse) {
		return err
	}
	var users []string
	for _, c := range d.volumeUsers(name) {
		users = append(users, c.ID)
	}
	return engine.Problem(engine.ErrConflict, fmt.Errorf("remove %s: volume is in use - [%s]", name, strings.Join(users, ", ")))
}
