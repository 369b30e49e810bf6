package container

import (
	"cmp"
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
	order := endpointOrder(s.record.Endpoints)
	requests := make([]network.AttachRequest, len(order))
	for i, name := range order {
		if requests[i], err = s.rooms.attachRequest(&s.record, name); err != nil {
			return err
		}
	}
	if err := s.rooms.Networks.Retain(ctx, sandbox, requests); err != nil {
		return err
	}
	for i, name := range order {
		ep, err := s.rooms.Networks.Attach(ctx, sandbox, requests[i])
		if err != nil {
			return err
		}
		s.c.SetEndpoint(name, ep)
	}
	s.record = s.c.Snapshot()
	s.rooms.Networks.SetResolvers(sandbox, s.record.Spec.DNS)
	if s.ports, err = s.c.takePorts(ctx, &s.record); err != nil {
		return err
	}
	s.back.Add(s.c.unpublish)
	return nil
}

// NeedsBridge says that the default bridge is to be there for a container: it is on it; or
// it is one of Docker's clients', which look for published ports at the bridge's gateway when
// they are in containers themselves (Testcontainers), whatever networks those are on.
func NeedsBridge(c *engine.Container) bool {
	return c.Spec.NetworkMode == BridgeMode || c.Project == "" && len(c.Spec.Ports) > 0
}

// addDefaultBridge gives a container with network_mode: bridge its endpoint.
func (s *starter) addDefaultBridge(ctx context.Context) error {
	if !NeedsBridge(&s.record) {
		return nil
	}
	n, err := s.rooms.Index.Bridge(ctx)
	if err != nil || s.record.Spec.NetworkMode != BridgeMode {
		return err
	}
	if _, ok := s.record.Endpoints[BridgeMode]; !ok {
		s.c.SetEndpoint(BridgeMode, engine.Endpoint{Network: n.Spec.Name})
		s.record = s.c.Snapshot()
	}
	return nil
}

// endpointOrder is by priority, highest first, then as it was before, then by name: the
// first is eth0. Those whose interface has a name given come before all, so that no other
// takes it.
func endpointOrder(endpoints map[string]engine.Endpoint) []string {
	names := slices.Sorted(maps.Keys(endpoints))
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := endpoints[a].Spec, endpoints[b].Spec
		return cmp.Or(cmp.Compare(named(&y), named(&x)), cmp.Compare(y.Priority, x.Priority),
			compareInterfaces(endpoints[a].Interface, endpoints[b].Interface))
	})
	return names
}

// compareInterfaces sorts eth2 before eth10, and what has no name yet behind both.
func compareInterfaces(a, b string) int {
	if a == "" || b == "" {
		return -cmp.Compare(len(a), len(b))
	}
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// primary is the network that a service's own mac_address is for.
func primary(endpoints map[string]engine.Endpoint) string {
	return slices.MinFunc(slices.Collect(maps.Keys(endpoints)), func(a, b string) int {
		return cmp.Or(cmp.Compare(endpoints[b].Spec.Priority, endpoints[a].Spec.Priority), cmp.Compare(a, b))
	})
}

// named is 1 for an endpoint whose interface has a name given.
func named(spec *engine.EndpointSpec) int {
	if spec.Interface != "" || spec.DriverOpts[network.InterfaceOption] != "" {
		return 1
	}
	return 0
}

// attachRequest asks for a container to be put on one of its networks, at the address
// that it had there.
func (r *Rooms) attachRequest(record *engine.Container, name string) (network.AttachRequest, error) {
	n, ok := r.Index.Network(name)
	want := record.Endpoints[name]
	if known := want.NetworkID; known != "" && known != n.ID && name != BridgeMode {
		// It has been removed. One that was made with its name since is another one.
		return network.AttachRequest{}, engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s not found", known))
	}
	if !ok {
		return network.AttachRequest{}, engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s not found", name))
	}
	spec := want.Spec
	if spec.MacAddress == "" && name == primary(record.Endpoints) {
		spec.MacAddress = record.Spec.MacAddress
	}
	keep := want
	if keep.NetworkID != n.ID {
		keep = engine.Endpoint{} // of a network, or default bridge, that was made anew: other addresses
	}
	return network.AttachRequest{
		ContainerID: record.ID, Name: record.Name, Project: record.Project, Network: n,
		Spec: spec, Names: want.Names, Links: links(&record.Spec, &spec), Keep: keep,
	}, nil
}

// links are the names by which a container calls others, beside their own: alias → name.
func links(spec *engine.ContainerSpec, on *engine.EndpointSpec) map[string]string {
	out := make(map[string]string, len(spec.Links)+len(on.Links))
	for _, l := range slices.Concat(spec.Links, spec.ExternalLinks, on.Links) {
		name, alias, ok := strings.Cut(l, ":")
		if !ok {
			alias = name
		}
		out[alias] = name
	}
	return out
}

// checkExternalLinks looks whether those links lead anywhere: a name of another project's container is known
// on a network that both are on.
func (r *Rooms) checkExternalLinks(c *engine.Container) error {
	for _, link := range c.Spec.ExternalLinks {
		name, _, _ := strings.Cut(link, ":")
		other, err := r.Index.Container(name)
		if err != nil || other.Name() != name { // an ID is no name on the network
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("external_links: no such container: %s", name))
		}
		record := other.Snapshot()
		shares := false
		for name := range c.Endpoints {
			_, both := record.Endpoints[name]
			shares = shares || both
		}
		if !shares {
			return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("external_links: container %s is on no network of %s", name, c.Name)),
				"Put both on one network: `external: true` in this file, by its name.")
		}
	}
	return nil
}
