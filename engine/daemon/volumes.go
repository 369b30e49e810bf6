package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/daemon/events"
)

// createVolume makes a volume of a Stack.
func (d *Daemon) createVolume(ctx context.Context, stack *engine.Stack, key string) error {
	spec, ok := stack.Volume(key)
	if !ok {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("volume %q is not defined", key))
	}
	_, err := d.MakeVolume(ctx, *spec, stack.Name)
	return err
}

// MakeVolume makes a volume and its record.
func (d *Daemon) MakeVolume(ctx context.Context, spec engine.VolumeSpec, project string) (engine.Volume, error) {
	v, err := d.rooms.Volumes.Create(ctx, spec, project)
	if err != nil {
		return engine.Volume{}, err
	}
	if err := d.saveVolume(v); err != nil {
		return engine.Volume{}, errors.Join(err, d.rooms.Volumes.Remove(ctx, v.Name))
	}
	d.events.Publish(events.OfVolume(v.Name, "create"))
	return v, nil
}

func (d *Daemon) saveVolume(v engine.Volume) error {
	if err := d.records.Put(kindVolume, v.Name, &v); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.volumes[v.Name] = v
	return nil
}

// Volume finds a volume by name.
func (d *Daemon) Volume(name string) (engine.Volume, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.volumes[name]
	return v, ok
}

// DropVolume removes a volume that no container mounts.
//
// Errors: errInUse.
func (d *Daemon) DropVolume(ctx context.Context, name string) error {
	if _, ok := d.Volume(name); !ok {
		return nil
	}
	if len(d.volumeUsers(name)) > 0 {
		return errInUse
	}
	// The record goes first: a folder without one is swept, a record without a folder is a loss.
	if err := d.records.Delete(kindVolume, name); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.volumes, name)
	d.mu.Unlock()
	d.rooms.Mounts.Forget(name)
	if err := d.rooms.Volumes.Remove(ctx, name); err != nil {
		return err
	}
	d.events.Publish(events.OfVolume(name, "destroy"))
	return nil
}

// volumeUsers are the containers that mount a volume.
func (d *Daemon) volumeUsers(name string) []engine.Container {
	return d.all(func(c *engine.Container) bool {
		return slices.ContainsFunc(c.Mounts, func(m engine.MountPoint) bool { return m.Type == engine.MountVolume && m.Name == name })
	})
}

// FillVolume calls fill for a volume that is fresh, once, whoever comes first, and
// records that it is not any more.
func (d *Daemon) FillVolume(ctx context.Context, name string, fill func(engine.Volume) error) error {
	_, unlock, err := d.lock(ctx, "volume "+name) // no project has this name
	if err != nil {
		return err
	}
	defer unlock()
	v, ok := d.Volume(name)
	if !ok || !v.Fresh {
		return nil
	}
	if err := fill(v); err != nil {
		return err
	}
	v.Fresh = false
	return d.saveVolume(v)
}

// Volumes lists the volumes by name.
func (d *Daemon) Volumes(context.Context) ([]engine.Volume, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.SortedFunc(maps.Values(d.volumes), func(a, b engine.Volume) int { return strings.Compare(a.Name, b.Name) }), nil
}
