package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/nft"
)

// The options of Docker's bridge driver that are carried out.
const (
	optBridgeName = "com.docker.network.bridge.name"
	optMasquerade = "com.docker.network.bridge.enable_ip_masquerade"
	optHostIP     = "com.docker.network.bridge.host_binding_ipv4"
	optMTU        = "com.docker.network.driver.mtu"
)

// Create makes a network with that ID. A bridge network gets its subnets, its bridge
// and its rules; networks of the drivers host and none are records only.
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
	if _, err := parseOptions(n.Spec.DriverOpts); err != nil {
		return n, err
	}
	bridge, err := isBridge(n.Spec.Driver)
	if err != nil {
		return n, err
	}
	if bridge {
		n.Bridge = bridgeName(n)
	}
	if n, err = m.plan(n); err != nil || !bridge {
		return n, err
	}
	var back undo
	defer func() { err = back.unless(err) }()
	back.add(func() error { return m.remove(n) })
	if err := m.fw.add(networkEntries(n)...); err != nil {
		return n, err
	}
	if err := m.startForwarding(n, func() error { return m.ensureBridge(n) }); err != nil {
		return n, err
	}
	return n, ctx.Err()
}

// plan chooses the subnets of a network and enters it into the index, so that the
// next one chooses others.
func (m *Manager) plan(n engine.Network) (engine.Network, error) {
	m.planning.Lock()
	defer m.planning.Unlock()
	if n.Bridge != "" {
		var err error
		if n.Pools, err = m.choosePools(n); err != nil {
			return n, err
		}
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
	m.mu.Unlock()
	if n.Bridge == "" {
		return nil
	}
	err := m.removeBridge(n.Bridge)
	return errors.Join(err, m.fw.remove(networkEntries(n)...), m.stopForwarding(n.ID))
}

func isBridge(driver string) (bool, error) {
	switch driver {
	case "", "bridge", "default":
		return true, nil
	case "host", "none", "null":
		return false, nil
	default:
		return false, engine.Problem(engine.ErrUnsupported,
			fmt.Errorf("network driver %q is not supported (bridge, host and none are)", driver))
	}
}

// options are the driver_opts, read.
type options struct {
	bridge string
	noNAT  bool
	mtu    int
	hostIP netip.Addr
}

func parseOptions(opts map[string]string) (options, error) {
	var o options
	for key, value := range opts {
		var err error
		switch key {
		case optBridgeName:
			o.bridge = value
			if value == "" || len(value) >= unix.IFNAMSIZ {
				err = errors.New("an interface name has 1 to 15 characters")
			}
		case optMasquerade:
			var on bool
			on, err = strconv.ParseBool(value)
			o.noNAT = !on
		case optMTU:
			o.mtu, err = strconv.Atoi(value)
		case optHostIP:
			o.hostIP, err = netip.ParseAddr(value)
		default:
			return o, engine.Problem(engine.ErrUnsupported, fmt.Errorf("driver option %s is not supported", key))
		}
		if err != nil {
			return o, engine.Problem(engine.ErrInvalid, fmt.Errorf("driver option %s=%s: %w", key, value, err))
		}
	}
	return o, nil
}

func bridgeName(n engine.Network) string {
	if name := n.Spec.DriverOpts[optBridgeName]; name != "" {
		return name
	}
	return "tf-" + n.ID[:min(8, len(n.ID))]
}

// networkEntries are a bridge's elements in our table.
func networkEntries(n engine.Network) []entry {
	o, _ := parseOptions(n.Spec.DriverOpts) // Create has seen that they are good
	entries := []entry{
		named(setBridges, n.Bridge, n.ID),
		{setSame, nft.Element{Key: []nft.Value{nft.Ifname(n.Bridge), nft.Ifname(n.Bridge)}}, n.ID},
	}
	switch {
	case n.Spec.Internal:
		entries = append(entries, named(setInternal, n.Bridge, n.ID))
	case !o.noNAT:
		entries = append(entries, named(setMasqueraded, n.Bridge, n.ID))
	}
	return entries
}

// choosePools completes the pools of the Compose file and adds those it leaves to us.
func (m *Manager) choosePools(n engine.Network) ([]engine.Pool, error) {
	var pools []engine.Pool
	has := map[int]bool{}
	others := m.subnets()
	for _, p := range n.Spec.Pools {
		p, err := completePool(p)
		if err != nil {
			return nil, err
		}
		f := family(p.Subnet.Addr())
		if has[f] {
			return nil, engine.Problem(engine.ErrUnsupported, errors.New("a network has one subnet of each family at most"))
		}
		has[f] = true
		if overlapsAny(p.Subnet, others) {
			return nil, engine.Problem(engine.ErrConflict,
				fmt.Errorf("subnet %s: overlaps that of another network", p.Subnet))
		}
		pools = append(pools, p)
	}
	if !has[unix.AF_INET] && !n.Spec.DisableIPv4 {
		taken, err := m.taken()
		if err != nil {
			return nil, err
		}
		subnet, err := chooseSubnet(append(taken, others...), m.cfg.RunRoot+" "+n.Spec.Name)
		if err != nil {
			return nil, err
		}
		pools = append(pools, engine.Pool{Subnet: subnet, Gateway: subnet.Addr().Next()})
	}
	if !has[unix.AF_INET6] && n.Spec.EnableIPv6 {
		subnet := uniqueLocal(m.cfg.RunRoot, n.ID)
		pools = append(pools, engine.Pool{Subnet: subnet, Gateway: subnet.Addr().Next()})
	}
	return pools, nil
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
	for _, p := range n.Pools {
		entry.pools = append(entry.pools, newAddresses(p))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.networks[n.ID] = entry
}
