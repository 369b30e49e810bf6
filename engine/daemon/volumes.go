package daemon

import (
	"context"
	"errors"
	"fmt"

	"tiffin/engine"
)

// createVolume makes a volume of a Stack.
func (d *Daemon) createVolume(ctx context.Context, stack *engine.Stack, key string) error {
	spec, ok := stack.Volume(key)
	if !ok {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("volume %q is not defined", key))
	}
	_, err := d.makeVolume(ctx, *spec, stack.Name)
	return err
}

// makeVolume makes a volume and its record.
func (d *Daemon) makeVolume(ctx context.Context, spec engine.VolumeSpec, project string) (engine.Volume, error) {
	v, err := d.vols.Create(ctx, spec, project)
	if err != nil {
		return engine.Volume{}, err
	}
	if err := d.saveVolume(v); err != nil {
		return engine.Volume{}, errors.Join(err, d.vols.Remove(ctx, v.Name))
	}
	d.events.publish(engine.Event{Type: engine.EventVolume, Action: "create", ID: v.Name, Attributes: map[string]string{"driver": "local"}})
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

func (d *Daemon) volume(name string) (engine.Volume, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.volumes[name]
	return v, ok
}

// removeVolume removes a volume that no container mounts.
//
// Errors: errInUse.
func (d *Daemon) removeVolume(ctx context.Context, name string) error {
	if _, ok := d.volume(name); !ok {
		return nil
	}
	users := d.all(func(c *engine.Container) bool {
		for i := range c.Mounts {
			if c.Mounts[i].Name == name {
				return true
			}
		}
		return false
	})
	if len(users) > 0 {
		return errInUse
	}
	// The record goes first: a folder without one is swept, a record without a folder is a loss.
	if err := d.records.Delete(kindVolume, name); err != nil {
		return err
	}
	d.mu.Lock()
	delete(d.volumes, name)
	d.mu.Unlock()
	if err := d.vols.Remove(ctx, name); err != nil {
		return err
	}
	d.events.publish(engine.Event{Type: engine.EventVolume, Action: "destroy", ID: name, Attributes: map[string]string{"driver": "local"}})
	return nil
}
