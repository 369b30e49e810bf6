package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/ipam"
	"tiffin/engine/network/nft"
	"tiffin/engine/network/option"
)

// Create makes a network with that ID. A bridge network gets its subnets, its bridge
// and its rules; one of macvlan or ipvlan its subnets and, unless the host has it, its
// parent; networks of the drivers host and none are records only.
//
// Errors: ErrInvalid for addresses that do not fit together, ErrConflict when
// another network or the host uses the subnet, ErrUnavailable when no subnet is
// free, ErrUnsupported for other drivers and options.
func (m *Manager) Create(ctx context.Context, spec engine.NetworkSpec, id, project string) (engine.Network, error) {
	n := engine.Network{ID: id, Project: project, Created: time.Now(), Spec: spec}
	n, err := m.create(ctx, n)
	if err != nil {
		return engine.Network{}, fmt.Errorf("create network %s: %w", spec.Name, err)
	}
	return n, nil
}

func (m *Manager) create(ctx context.Context, n engine.Network) (_ engine.Network, err error) {
	o, err := option.Parse(&n.Spec)
	if err != nil {
		return n, err
	}
	if err := nameLink(&n, o); err != nil {
		return n, err
	}
	if n, err = m.plan(n); err != nil || !hasLinks(n) {
		return n, err
	}
	var back undo
	defer func() { err = back.unless(err) }()
	back.add(func() error { return m.remove(n) })
	if n.Parent != "" {
		return n, errors.Join(m.ensureParent(n), ctx.Err())
	}
	if err := m.fw.add(networkEntries(n)...); err != nil {
		return n, err
	}
	if err := m.startForwarding(n, func() error { return m.ensureBridge(n) }); err != nil {
		return n, err
	}
	return n, ctx.Err()
}

// nameLink gives a network the name of its link on the host, if its driver has one.
func nameLink(n *engine.Network, o option.Network) error {
	switch n.Spec.Driver {
	case "", "bridge", "default":
		n.Bridge = o.Bridge
		if n.Bridge == "" {
			n.Bridge = "tf-" + n.ID[:min(8, len(n.ID))]
		}
	case "macvlan", "ipvlan":
		n.Parent = o.Parent
		if n.Parent == "" {
			n.Parent = "tm-" + n.ID[:min(8, len(n.ID))]
		}
	case "host", "none", "null":
	default:
		return engine.Problem(engine.ErrUnsupported,
			fmt.Errorf("network driver %q is not supported (bridge, macvlan, ipvlan, host and none are)", n.Spec.Driver))
	}
	return nil
}

// hasLinks says whether containers have a link on the network.
func hasLinks(n engine.Network) bool { return n.Bridge != "" || n.Parent != "" }

// plan chooses the subnets of a network and enters it into the index, so that the
// next one chooses others.
func (m *Manager) plan(n engine.Network) (engine.Network, error) {
	m.planning.Lock()
	defer m.planning.Unlock()
	if hasLinks(n) {
		var err error
		if n.Pools, err = m.choosePools(n); err != nil {
			return n, err
		}
		n.Spec.EnableIPv6 = slices.ContainsFunc(n.Pools, func(p engine.Pool) bool { return p.Subnet.Addr().Is6() })
	}
	m.register(n)
	return n, nil
}

// Remove takes a network away, with whatever is left of its endpoints. It may be
// gone already.
func (m *Manager) Remove(_ context.Context, n engine.Network) error {
	if err := m.remove(n); err != nil {
		return fmt.Errorf("remove network %s: %w", n.Spec.Name, err)
	}
	return nil
}

func (m *Manager) remove(n engine.Network) error {
	m.mu.Lock()
	delete(m.networks, n.ID)
	m.renewBridged()
	m.mu.Unlock()
	m.hostNames.Show(m.hostZones)
	if n.Parent != "" {
		return m.removeParent(n.Parent)
	}
	if n.Bridge == "" {
		return nil
	}
	err := m.removeBridge(n.Bridge)
	entries := append(networkEntries(n), named(setApart, n.Bridge, n.ID))
	return errors.Join(err, m.fw.remove(entries...), m.stopForwarding(n.ID))
}

// networkEntries are a bridge's elements in our table.
func networkEntries(n engine.Network) []entry {
	o, _ := option.Parse(&n.Spec) // Create has seen that they are good
	entries := []entry{named(setBridges, n.Bridge, n.ID)}
	if !o.NoICC {
		entries = append(entries, entry{setSame, nft.Element{Key: []nft.Value{nft.Ifname(n.Bridge), nft.Ifname(n.Bridge)}}, n.ID})
	}
	if n.Spec.Internal {
		return append(entries, named(setInternal, n.Bridge, n.ID))
	}
	four, six := o.Translates(netip.IPv4Unspecified()), o.Translates(netip.IPv6Unspecified())
	switch {
	case four && six:
		entries = append(entries, named(setMasqueraded, n.Bridge, n.ID))
	case four:
		entries = append(entries, named(setMasqueraded4, n.Bridge, n.ID))
	case six:
		entries = append(entries, named(setMasqueraded6, n.Bridge, n.ID))
	}
	for _, f := range []struct {
		translated   bool
		source       netip.Addr
		sources      string
		mode         option.Mode
		setUnguarded string
	}{{four, o.Source4, mapSources4, o.Mode4, setUnguarded4}, {six, o.Source6, mapSources6, o.Mode6, setUnguarded6}} {
		if f.translated && f.source.IsValid() {
			entries = append(entries, entry{f.sources, nft.Element{
				Key: []nft.Value{nft.Ifname(n.Bridge)}, Data: []nft.Value{nft.Addr(f.source)},
			}, n.ID})
		}
		if f.mode == option.Unprotected {
			entries = append(entries, named(f.setUnguarded, n.Bridge, n.ID))
		}
	}
	return entries
}

// choosePools completes the pools of the Compose file and adds those it leaves to us.
func (m *Manager) choosePools(n engine.Network) ([]engine.Pool, error) {
	var pools []engine.Pool
	has := map[int]bool{}
	others := m.subnets()
	for _, p := range n.Spec.Pools {
		p, err := ipam.CompletePool(p, gatewayOf(n))
		if err != nil {
			return nil, err
		}
		f := family(p.Subnet.Addr())
		if has[f] {
			return nil, engine.Problem(engine.ErrUnsupported, errors.New("a network has one subnet of each family at most"))
		}
		has[f] = true
		if f == unix.AF_INET && n.Spec.DisableIPv4 {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("subnet %s: the network has no IPv4 (enable_ipv4: false)", p.Subnet))
		}
		if ipam.OverlapsAny(p.Subnet, others) {
			return nil, engine.Problem(engine.ErrConflict,
				fmt.Errorf("subnet %s: Pool overlaps with other one on this address space", p.Subnet)) // in Docker's words, which clients look for
		}
		pools = append(pools, p)
	}
	if !has[unix.AF_INET] && !n.Spec.DisableIPv4 {
		taken, err := m.taken()
		if err != nil {
			return nil, err
		}
		subnet, err := ipam.ChooseSubnet(append(taken, others...), m.cfg.RunRoot+" "+n.Spec.Name)
		if err != nil {
			return nil, err
		}
		pools = append(pools, engine.Pool{Subnet: subnet, Gateway: gatewayOf(n)(subnet)})
	}
	if !has[unix.AF_INET6] && n.Spec.EnableIPv6 {
		subnet := ipam.UniqueLocal(m.cfg.RunRoot, n.ID)
		pools = append(pools, engine.Pool{Subnet: subnet, Gateway: gatewayOf(n)(subnet)})
	}
	if len(pools) == 0 {
		return nil, engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("a network without IPv4 and without IPv6")),
			"say enable_ipv6: true, or leave out enable_ipv4: false")
	}
	return pools, nil
}

// gatewayOf chooses the gateway where none is given: the bridge has the first address;
// what is behind the parent of a macvlan is not ours to say.
func gatewayOf(n engine.Network) func(netip.Prefix) netip.Addr {
	if n.Parent != "" {
		return func(netip.Prefix) netip.Addr { return netip.Addr{} }
	}
	return func(subnet netip.Prefix) netip.Addr { return subnet.Addr().Next() }
}

// subnets are those of all our networks.
func (m *Manager) subnets() []netip.Prefix {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []netip.Prefix
	for _, n := range m.networks {
		for _, p := range n.Pools {
			all = append(all, p.Subnet)
		}
	}
	return all
}

func (m *Manager) register(n engine.Network) {
	entry := &network{Network: n}
	entry.opts, _ = option.Parse(&n.Spec) // Create has seen that they are good
	for _, p := range n.Pools {
		entry.pools = append(entry.pools, ipam.New(p))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.networks[n.ID] = entry
	m.renewBridged()
}
