package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/network"
	"tiffin/engine/runtime"
)

// What keepers keep, so that names, ports, and the engine's socket where it is mounted go on
// working while no engine runs: a query or a connection waits in its socket for the next one,
// and the short way to loopback ports needs none. These are the names it is kept under.
const (
	keptNames  = "names-"  // and the sandbox: the sockets of its name queries
	keptPorts  = "ports-"  // and the container, and a number: the sockets of its ports, and more
	keptSocket = "socket-" // and the container: the engine's socket
)

// keepDescriptors lets the keeper keep what the network of a container needs. The container
// runs without it just as well: what goes wrong is logged.
func (s *starter) keepDescriptors(ctx context.Context, k *runtime.Keeper) {
	if s.sandbox == nil || s.sandbox.Key() != SandboxKey(&s.record) {
		return // the host's, or another's
	}
	err := s.keepNames(ctx, k)
	if s.ports != nil && len(s.c.Snapshot().Published) > 0 {
		err = errors.Join(err, s.c.keepPorts(ctx, k, s.ports))
	}
	if err != nil {
		s.rooms.Log.Warn("names and ports will pause if the engine is killed", "container", s.record.Name, "err", err)
	}
}

func (s *starter) keepNames(ctx context.Context, k *runtime.Keeper) error {
	files, err := s.sandbox.NameSockets()
	if err != nil {
		return err
	}
	err = k.Keep(ctx, nameOfNames(s.sandbox.Key()), files)
	return errors.Join(err, closeFiles(files...))
}

// nameOfNames is short and of the letters that a name may have, whatever the key is.
func nameOfNames(sandbox string) string {
	sum := sha256.Sum256([]byte(sandbox))
	return keptNames + hex.EncodeToString(sum[:16])
}

func nameOfPorts(id string, piece int) string {
	return keptPorts + id[:min(len(id), 32)] + "-" + strconv.Itoa(piece)
}

// keepPorts lets the keeper keep what the ports of a container need.
func (c *Container) keepPorts(ctx context.Context, k *runtime.Keeper, r *network.Reservation) error {
	files, err := c.rooms.Networks.PortFiles(r)
	if err != nil {
		return err
	}
	pieces := 0
	for piece := range slices.Chunk(files, runtime.MaxKeptFiles) {
		err = errors.Join(err, k.Keep(ctx, nameOfPorts(c.ID, pieces), piece))
		pieces++
	}
	c.mu.Lock()
	c.keptPorts = pieces
	c.mu.Unlock()
	return errors.Join(err, closeFiles(files...))
}

// forgetPorts lets the keeper close the sockets of a container's ports: they are free when
// it returns.
func (c *Container) forgetPorts(ctx context.Context) error {
	c.mu.Lock()
	pieces := c.keptPorts
	c.keptPorts = 0
	c.mu.Unlock()
	k := c.rooms.Keepers.Known(c.Snapshot().Project)
	if k == nil || pieces == 0 {
		return nil
	}
	var errs []error
	for piece := range pieces {
		errs = append(errs, k.Forget(ctx, nameOfPorts(c.ID, piece)))
	}
	return errors.Join(errs...)
}

// ForgetNames lets a keeper close the sockets of a sandbox that is dropped: they keep its
// namespace.
func (r *Rooms) ForgetNames(ctx context.Context, project, sandbox string) error {
	if k := r.Keepers.Known(project); k != nil {
		return k.Forget(ctx, nameOfNames(sandbox))
	}
	return nil
}

// takeNames returns what was kept of a sandbox's names since an earlier engine.
func (c *Container) takeNames(record *engine.Container) []*os.File {
	if k := c.rooms.Keepers.Known(record.Project); k != nil {
		return k.TakeKept(nameOfNames(SandboxKey(record)))
	}
	return nil
}

// takePortFiles returns what was kept of the container's ports since an earlier engine.
func (c *Container) takePortFiles(k *runtime.Keeper) []*os.File {
	var files []*os.File
	for piece := 0; ; piece++ {
		some := k.TakeKept(nameOfPorts(c.ID, piece))
		if len(some) == 0 {
			return files
		}
		files = append(files, some...)
	}
}

// keepSocket lets the keeper keep the engine's socket for a container that mounts it, from
// before there is somebody to connect: the mount leads there for as long as the container runs.
func (s *starter) keepSocket(ctx context.Context, k *runtime.Keeper) error {
	for i := range s.record.Mounts {
		m := &s.record.Mounts[i]
		if m.Type != engine.MountBind || s.rooms.Door == nil {
			continue
		}
		files, err := s.rooms.Door.Behind(m.Source)
		if len(files) == 0 && err == nil {
			continue
		}
		s.c.setSocketKept(true)
		s.back.Add(s.c.forgetSocket)
		if err == nil {
			err = k.KeepListener(ctx, nameOfSocket(s.c.ID), files)
		}
		return errors.Join(err, closeFiles(files...))
	}
	return nil
}

func nameOfSocket(id string) string { return keptSocket + id[:min(len(id), 32)] }

func (c *Container) setSocketKept(is bool) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, c.socketKept = c.socketKept, is
	return was
}

// forgetSocket lets the keeper close the socket of a container that runs no more.
func (c *Container) forgetSocket(ctx context.Context) error {
	if k := c.rooms.Keepers.Known(c.Snapshot().Project); c.setSocketKept(false) && k != nil {
		return k.Forget(ctx, nameOfSocket(c.ID))
	}
	return nil
}

// TakeSocket returns what was kept of the engine's socket for this container since an earlier
// engine; it is the caller's to close.
func (c *Container) TakeSocket() []*os.File {
	k := c.rooms.Keepers.Known(c.Snapshot().Project)
	if k == nil {
		return nil
	}
	files := k.TakeKept(nameOfSocket(c.ID))
	c.setSocketKept(len(files) > 0)
	return files
}

// ForgetSockets lets the keepers close the sockets of containers that no engine knows: who is
// called by one of them again and again could never answer.
func (ks *Keepers) ForgetSockets(ctx context.Context) error {
	return ks.forgetUntaken(ctx, keptSocket)
}

// ForgetUntaken lets the keepers close what an earlier engine gave them and no container
// has asked for. It comes after the containers have been adopted.
func (ks *Keepers) ForgetUntaken(ctx context.Context) error { return ks.forgetUntaken(ctx, "") }

func (ks *Keepers) forgetUntaken(ctx context.Context, prefix string) error {
	var errs []error
	for _, k := range ks.all() {
		for _, name := range k.Untaken() {
			if strings.HasPrefix(name, prefix) {
				errs = append(errs, closeFiles(k.TakeKept(name)...), k.Forget(ctx, name))
			}
		}
	}
	return errors.Join(errs...)
}
