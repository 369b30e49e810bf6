package daemon

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"tiffin/engine"
	"tiffin/engine/network"
)

// attachNetworks puts the container on its networks. Its sandbox may be there
// already, from an earlier start or from the replica that it replaced: then only what is
// missing is done.
func (s *starter) attachNetworks(ctx context.Context) error {
	sandbox, err := s.d.sandboxOf(ctx, &s.record)
	if err != nil || sandbox == nil {
		return err
	}
	s.sandbox = sandbox
	if sandbox.Key() != sandboxKey(&s.record) {
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
	if s.ports, err = s.c.takePorts(ctx, &s.record); err != nil {
		return err
	}
	s.back.add(func(ctx context.Context) error { return s.d.unpublish(ctx, s.c) })
	return nil
}

// addDefaultBridge gives a container with network_mode: bridge its endpoint.
func (s *starter) addDefaultBridge(ctx context.Context) error {
	if s.record.Spec.NetworkMode != defaultBridge {
		return nil
	}
	n, err := s.d.ensureBridge(ctx)
	if err != nil {
		return err
	}
	if _, ok := s.record.Endpoints[defaultBridge]; !ok {
		s.c.setEndpoint(defaultBridge, engine.Endpoint{Network: n.Spec.Name})
		s.record = s.c.snapshot()
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
	n, ok := s.d.networkNamed(name)
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
	ep, err := s.d.nets.Attach(ctx, s.sandbox, network.AttachRequest{
		ContainerID: s.record.ID, Network: n, Spec: spec, Names: want.Names, Keep: keep,
	})
	if err != nil {
		return err
	}
	s.c.setEndpoint(name, ep)
	s.record = s.c.snapshot()
	return nil
}
