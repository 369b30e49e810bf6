package container

import (
	"context"
	"errors"
	"sync"

	"tiffin/engine"
	"tiffin/engine/volume"
)

// Mounts keeps volumes that need a mount of their own (driver_opts) mounted while a
// container that uses them runs.
type Mounts struct {
	store *volume.Store

	mu     sync.Mutex
	byName map[string]*usedVolume
}

type usedVolume struct {
	mu    sync.Mutex // held while it is mounted or unmounted
	users map[string]bool
}

// NewMounts knows of no users.
func NewMounts(store *volume.Store) *Mounts {
	return &Mounts{store: store, byName: map[string]*usedVolume{}}
}

func (m *Mounts) of(name string) *usedVolume {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.byName[name]
	if !ok {
		u = &usedVolume{users: map[string]bool{}}
		m.byName[name] = u
	}
	return u
}

// Use mounts a volume for a container, if that is needed.
func (m *Mounts) Use(ctx context.Context, v engine.Volume, containerID string) error {
	if len(v.Spec.DriverOpts) == 0 {
		return nil
	}
	u := m.of(v.Name)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := m.store.Mount(ctx, v); err != nil {
		return err
	}
	u.users[containerID] = true
	return nil
}

// Leave unmounts a volume when no other container uses it.
func (m *Mounts) Leave(v engine.Volume, containerID string) error {
	if len(v.Spec.DriverOpts) == 0 {
		return nil
	}
	u := m.of(v.Name)
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.users, containerID)
	if len(u.users) > 0 {
		return nil
	}
	return m.store.Unmount(v)
}

// Forget drops what is known of a volume that was removed.
func (m *Mounts) Forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byName, name)
}

// volumes are the named volumes that a container mounts.
func (r *Rooms) volumes(c *engine.Container) []engine.Volume {
	var out []engine.Volume
	for i := range c.Mounts {
		if c.Mounts[i].Type != engine.MountVolume {
			continue
		}
		if v, ok := r.Index.Volume(c.Mounts[i].Name); ok {
			out = append(out, v)
		}
	}
	return out
}

// unmountVolumes lets go of the volumes of a container that runs no more.
func (r *Rooms) unmountVolumes(c *engine.Container) error {
	var errs []error
	for _, v := range r.volumes(c) {
		errs = append(errs, r.Mounts.Leave(v, c.ID))
	}
	return errors.Join(errs...)
}
