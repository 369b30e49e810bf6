package container

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/network"
)

// BridgeMode is the network mode, and the name of the network, of containers that are
// on no network of a project.
const BridgeMode = "bridge"

// SandboxKey names the network namespace of a container. That of a replica stays over
// a recreate: its neighbours in it, and its addresses, do too.
func SandboxKey(c *engine.Container) string {
	if c.Project == "" || c.OneOff {
		return c.ID
	}
	return fmt.Sprintf("%s-%s-%d", c.Project, c.Service, c.Number)
}

// SandboxOf returns the sandbox that a container is in: its own, or that of another
// with network_mode: container; nil for the host's network.
func (r *Rooms) SandboxOf(ctx context.Context, c *engine.Container) (*network.Sandbox, error) {
	owner, err := r.networkOwner(c)
	if err != nil {
		return nil, err
	}
	if owner.Spec.NetworkMode == "host" {
		return nil, nil //nolint:nilnil // no sandbox is what the host's network is
	}
	return r.Networks.EnsureSandbox(ctx, SandboxKey(owner))
}

// networkOwner is the container whose network c is in, mostly itself. Those named by
// users may lead in a circle.
func (r *Rooms) networkOwner(c *engine.Container) (*engine.Container, error) {
	owner := c
	for range maxShared {
		id, shared := strings.CutPrefix(owner.Spec.NetworkMode, "container:")
		if !shared {
			return owner, nil
		}
		next, err := r.Index.Container(id)
		if err != nil {
			return nil, fmt.Errorf("share network: %w", err)
		}
		record := next.Snapshot()
		owner = &record
	}
	return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("share network: %s leads in a circle", c.Spec.NetworkMode))
}

// maxShared bounds how many containers share one network by way of each other.
const maxShared = 16

// attachNetworks puts the container on its networks. Its sandbox may be there
// already, from an earlier start or from the replica that it replaced: then only what is
// missing is done.
func (s *starter) attachNetworks(ctx context.Context) error {
	sandbox, err := s.rooms.SandboxOf(ctx, &s.record)
	if err != nil || sandbox == nil {
		return err
	}
	s.sandbox = sandbox
	if sandbox.Key() != SandboxKey(&s.record) {
		return nil // another's: its networks, names and ports are not ours
	}
	if err := s.addDefaultBridge(ctx); err != nil {
		return err
	}
	for _, name := range endpointOrder(s.record.Endpoints) {
		if err := s.attach(ctx, name); err != nil {
			return err
		}
	}
	s.rooms.Networks.SetResolvers(sandbox, s.record.Spec.DNS)
	if s.ports, err = s.c.takePorts(ctx, &s.record); err != nil {
		return err
	}
	s.back.Add(s.c.unpublish)
	return nil
}

// addDefaultBridge gives a container with network_mode: bridge its endpoint.
func (s *starter) addDefaultBridge(ctx context.Context) error {
	if s.record.Spec.NetworkMode != BridgeMode {
		return nil
	}
	n, err := s.rooms.Index.Bridge(ctx)
	if err != nil {
		return err
	}
	if _, ok := s.record.Endpoints[BridgeMode]; !ok {
		s.c.SetEndpoint(BridgeMode, engine.Endpoint{Network: n.Spec.Name})
		s.record = s.c.Snapshot()
	}
	return nil
}

// endpointOrder is by priority, highest first, then by name: the first is eth0.
func endpointOrder(endpoints map[string]engine.Endpoint) []string {
	names := slices.Sorted(maps.Keys(endpoints))
	slices.SortStableFunc(names, func(a, b string) int {
		return endpoints[b].Spec.Priority - endpoints[a].Spec.Priority
	})
	return names
}

func (s *starter) attach(ctx context.Context, name string) error {
	n, ok := s.rooms.Index.Network(name)
	if !ok {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s not found", name))
	}
	want := s.record.Endpoints[name]
	spec := want.Spec
	if spec.MacAddress == "" {
		spec.MacAddress = s.record.Spec.MacAddress
	}
	keep := want
	if keep.NetworkID != n.ID {
		keep = engine.Endpoint{} // of a network that was made anew: other addresses
	}
	ep, err := s.rooms.Networks.Attach(ctx, s.sandbox, network.AttachRequest{
		ContainerID: s.record.ID, Name: s.record.Name, Network: n, Spec: spec, Names: want.Names, Links: links(&s.record.Spec), Keep: keep,
	})
	if err != nil {
		return err
	}
	s.c.SetEndpoint(name, ep)
	s.record = s.c.Snapshot()
	return nil
}

// links are the names by which a container calls others, beside their own: alias → name.
func links(spec *engine.ContainerSpec) map[string]string {
	out := make(map[string]string, len(spec.Links))
	for _, l := range spec.Links {
		name, alias, ok := strings.Cut(l, ":")
		if !ok {
			alias = name
		}
		out[alias] = name
	}
	return out
}
