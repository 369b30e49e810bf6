package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/network"
)

// Connectable says why a container cannot be put on a further network, in Docker's words.
//
// Errors: ErrConflict, ErrInvalid, ErrDenied.
func Connectable(c *engine.Container, n *engine.Network) error {
	name, mode := n.Spec.Name, c.Spec.NetworkMode
	switch {
	case mode == "host", strings.HasPrefix(mode, "container:"):
		return engine.Problem(engine.ErrConflict,
			errors.New("container sharing network namespace with another container or host cannot be connected to any other network"))
	case mode == "none":
		return engine.Problem(engine.ErrConflict,
			errors.New("container cannot be connected to multiple networks with one of the networks in private (none) mode"))
	}
	e, there := c.Endpoints[name]
	if lost := e.NetworkID != "" && e.NetworkID != n.ID && name != BridgeMode; there && !lost {
		return engine.Problem(engine.ErrDenied,
			fmt.Errorf("container %s is already connected to network %s: endpoint with name %s already exists", c.Name, name, c.Name))
	}
	return nil
}

// Join puts the container on a network that its record names already, if it has a process;
// else its next start does. Ports are published by the new network if the default route
// leads there now. The container's goroutine calls it, through its supervisor.
func (c *Container) Join(ctx context.Context, name string) error {
	if c.running() == nil {
		return nil
	}
	return c.rewire(ctx, func(s *network.Sandbox, record *engine.Container) error {
		req, err := c.rooms.attachRequest(record, name)
		if err != nil {
			return err
		}
		ep, err := c.rooms.Networks.Attach(ctx, s, req)
		if err == nil {
			c.SetEndpoint(name, ep)
		}
		return err
	})
}

// Part takes the container off a network that its record does not name any more. What it
// had there is in former.
func (c *Container) Part(ctx context.Context, former engine.Endpoint) error {
	if former.ID == "" {
		return nil // it was never attached
	}
	return c.rewire(ctx, func(s *network.Sandbox, _ *engine.Container) error {
		return c.rooms.Networks.Detach(ctx, s, former)
	})
}

// rewire changes the networks of a container, and lets everything follow that depends on
// them: published ports, and what /etc/hosts says.
func (c *Container) rewire(ctx context.Context, change func(*network.Sandbox, *engine.Container) error) error {
	record := c.Snapshot()
	s, err := c.rooms.SandboxOf(ctx, &record)
	if err != nil || s == nil {
		return err
	}
	before, _ := s.Outside()
	if err := change(s, &record); err != nil {
		return err
	}
	if after, _ := s.Outside(); before.ID != after.ID {
		err = c.movePorts(ctx, s)
	}
	return errors.Join(err, c.updateHosts())
}

// movePorts publishes the container's ports by the network that has the default route now.
func (c *Container) movePorts(ctx context.Context, s *network.Sandbox) error {
	c.mu.Lock()
	ports := c.ports
	c.mu.Unlock()
	if ports == nil { // there was no way in until now
		record := c.Snapshot()
		var err error
		if ports, err = c.takePorts(ctx, &record); err != nil || ports == nil {
			return err
		}
	}
	if err := c.publishIn(ctx, ports, s); err != nil {
		return err
	}
	k, err := c.rooms.Keepers.Of(ctx, c.Snapshot().Project)
	if err != nil || len(c.Snapshot().Published) == 0 {
		return err
	}
	return c.keepPorts(ctx, k, ports)
}

// updateHosts writes /etc/hosts of a container that runs: into the file that is mounted
// there. What the container has written to it itself is lost, as with Docker.
func (c *Container) updateHosts() error {
	record := c.Snapshot()
	path := filepath.Join(c.rooms.Run, c.ID, "hosts")
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // the user mounts one of his own
	}
	text := renderHosts(c.rooms.withLinks(record.Spec, c.rooms.liveLinks(&record)), c.rooms.hostname(&record), record.Endpoints)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:forbidigo,gosec // the file itself is mounted: another one would not be seen
		return fmt.Errorf("update /etc/hosts: %w", err)
	}
	return nil
}

// DropEndpoint takes a network out of the record.
func (c *Container) DropEndpoint(name string) {
	c.Update(func(r *engine.Container) {
		endpoints := maps.Clone(r.Endpoints)
		delete(endpoints, name)
		r.Endpoints = endpoints
		if name == BridgeMode && r.Spec.NetworkMode == BridgeMode {
			r.Spec.NetworkMode = "" // the next start would put it there again
		}
	})
}

// Names are all that answer with a container on a network: its own name, its short ID, its
// hostname, and those that it shares with others.
func Names(id, name, hostname string, shared []string) []string {
	names := append([]string{name, engine.ShortID(id)}, shared...)
	if hostname != "" {
		names = append(names, hostname)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
