package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"tiffin/engine"
	"tiffin/engine/network/nft"
	"tiffin/engine/network/option"
	"tiffin/engine/network/relay"
)

// Publish lets connections to the reserved ports arrive in the sandbox, by the
// endpoint that has the default route. A sandbox that is on internal networks only
// has none, and its ports are reachable from nowhere. To publish again moves the
// ports.
func (m *Manager) Publish(ctx context.Context, r *Reservation, s *Sandbox) error {
	ep, ok := s.Outside()
	if !ok {
		return nil
	}
	at, err := m.place(r.owner, s, ep)
	if err != nil {
		return err
	}
	if err := m.Unpublish(ctx, r); err != nil {
		return err
	}
	r.change.Lock()
	defer r.change.Unlock()
	if err := m.publish(ctx, r, s, at); err != nil {
		return fmt.Errorf("publish ports: %w", err)
	}
	return nil
}

func (m *Manager) publish(ctx context.Context, r *Reservation, in *Sandbox, at place) (err error) {
	ep := at.endpoint
	var back undo
	defer func() { err = back.unless(err) }()
	back.add(func() error { return m.unpublish(r) })
	r.published, r.sandbox, r.endpoint = true, in, ep
	r.entries = at.entries(r.Ports())
	if err := m.fw.add(r.entries...); err != nil {
		return err
	}
	if err := m.forgetFlows(r.sockets, ep); err != nil {
		return err
	}
	for _, s := range r.sockets {
		to := target(s.PublishedPort, ep)
		s.forward(m.dialer(), to)
		if err := m.shortcut.Add(s.PublishedPort, to); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// dialTimeout bounds the wait for a container that is there but does not answer.
const dialTimeout = 10 * time.Second

// dialer dials from the Manager's network namespace.
func (m *Manager) dialer() relay.Dial {
	return func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
		var c net.Conn
		err := m.inHost(func() (err error) {
			d := net.Dialer{Timeout: dialTimeout}
			d.SetMultipathTCP(false)
			c, err = d.DialContext(ctx, network, to.String())
			return err
		})
		return c, err
	}
}

// forward begins to carry what arrives on the socket.
func (s *socket) forward(dial relay.Dial, to netip.AddrPort) {
	if s.tcp != nil {
		s.relay = relay.TCP(s.tcp, dial, to)
	} else {
		s.relay = relay.UDP(s.udp, dial, to)
	}
}

// stop ends all connections. The socket stays open.
func (s *socket) stop() {
	if s.relay != nil {
		s.relay.Stop()
		s.relay = nil
	}
}

// Unpublish stops what Publish began. The ports stay reserved: connections wait for
// the next Publish.
func (m *Manager) Unpublish(_ context.Context, r *Reservation) error {
	r.change.Lock()
	defer r.change.Unlock()
	if err := m.unpublish(r); err != nil {
		return fmt.Errorf("unpublish ports: %w", err)
	}
	return nil
}

func (m *Manager) unpublish(r *Reservation) error {
	if !r.published {
		return nil
	}
	r.published, r.sandbox = false, nil
	errs := []error{m.fw.remove(r.entries...), m.forgetFlows(r.sockets, r.endpoint)}
	r.entries = nil
	for _, s := range r.sockets {
		errs = append(errs, m.shortcut.Remove(s.PublishedPort))
		s.stop()
	}
	return errors.Join(errs...)
}

// Outside is the endpoint by which ports are published: of those on bridges the one that
// has the default route, or the first family's when the families differ; none on internal
// networks.
func (s *Sandbox) Outside() (engine.Endpoint, bool) {
	s.change.Lock()
	defer s.change.Unlock()
	bridged := slices.DeleteFunc(slices.Clone(s.links), func(a *attached) bool { return a.HostLink == "" })
	for _, gateway := range gateways {
		if a := gatewayOwner(bridged, gateway); a != nil {
			return a.Endpoint, true
		}
	}
	return engine.Endpoint{}, false
}

// target is where a published port leads: in the family that the client speaks if
// the container does, else in the other one by way of the forwarder.
func target(p engine.PublishedPort, ep engine.Endpoint) netip.AddrPort {
	ip := ep.IPv4.Addr()
	if !ip.IsValid() || p.HostIP.Is6() && ep.IPv6.IsValid() {
		ip = ep.IPv6.Addr()
	}
	return netip.AddrPortFrom(ip, p.ContainerPort)
}

// place is where published ports lead: the owner is a container's name.
type place struct {
	owner    string
	endpoint engine.Endpoint
	bridge   string   // of the endpoint
	bridges  []string // of all the container's endpoints
}

// place finds where ports that an endpoint of the sandbox publishes lead.
func (m *Manager) place(owner string, s *Sandbox, ep engine.Endpoint) (place, error) {
	n, err := m.lookup(ep.NetworkID)
	if err != nil {
		return place{}, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	return place{owner: owner, endpoint: ep, bridge: n.Bridge, bridges: s.bridges()}, nil
}

// bridges are those that the sandbox is on.
func (s *Sandbox) bridges() []string {
	var names []string
	for _, a := range s.links {
		if a.HostLink != "" {
			names = append(names, a.network.Bridge)
		}
	}
	return names
}

// approach tells of the networks of a sandbox, whose ports may be published, that they
// are others now.
func (m *Manager) approach(s *Sandbox) error {
	m.mu.Lock()
	all := slices.Collect(maps.Keys(m.reservations))
	m.mu.Unlock()
	var errs []error
	for _, r := range all {
		errs = append(errs, m.renewNear(r, s))
	}
	return errors.Join(errs...)
}

func (m *Manager) renewNear(r *Reservation, s *Sandbox) error {
	r.change.Lock()
	defer r.change.Unlock()
	if r.sandbox != s || len(r.entries) == 0 {
		return nil
	}
	n, err := m.lookup(r.endpoint.NetworkID)
	if err != nil {
		return err
	}
	isNear := func(e entry) bool { return e.set == setNear }
	old := slices.DeleteFunc(slices.Clone(r.entries), func(e entry) bool { return !isNear(e) })
	news := nearEntries(place{owner: r.owner, bridge: n.Bridge, bridges: s.bridges()})
	r.entries = append(slices.DeleteFunc(r.entries, isNear), news...)
	gone := slices.DeleteFunc(old, func(e entry) bool {
		return slices.ContainsFunc(news, func(other entry) bool { return other.String() == e.String() })
	})
	return errors.Join(m.fw.add(news...), m.fw.remove(gone...))
}

// entries are the elements that publish the ports of a container.
func (at place) entries(ports []engine.PublishedPort) []entry {
	var entries []entry
	for _, p := range ports {
		entries = append(entries, portEntries(p, at)...)
	}
	if len(entries) > 0 {
		entries = append(entries, nearEntries(at)...)
	}
	return entries
}

// nearEntries are for those whom the container would answer past the NAT, by a
// network that they share. A frame that does not leave its bridge (br_netfilter) has
// no input interface once its destination is rewritten.
func nearEntries(at place) []entry {
	var entries []entry
	for _, from := range append([]string{""}, at.bridges...) {
		key := []nft.Value{nft.Ifname(from), nft.Ifname(at.bridge)}
		entries = append(entries, entry{setNear, nft.Element{Key: key}, at.owner})
	}
	return entries
}

// openEntries are the elements that open a port at the container's own address, in the
// family of the binding.
func openEntries(p engine.PublishedPort, protocol nft.Value, at place) []entry {
	ip, set := at.endpoint.IPv4.Addr(), setOpened4
	if p.HostIP.Is6() {
		ip, set = at.endpoint.IPv6.Addr(), setOpened6
	}
	if !ip.IsValid() {
		return nil
	}
	return []entry{{set, nft.Element{Key: []nft.Value{nft.Addr(ip), protocol, nft.Port(p.ContainerPort)}}, at.owner}}
}

// portEntries are the elements that publish a port: destination NAT when both sides
// speak one family, and none for loopback addresses.
func portEntries(p engine.PublishedPort, at place) []entry {
	protocol := nft.TCP
	if p.Protocol == "udp" {
		protocol = nft.UDP
	}
	if p.HostPort == 0 {
		return openEntries(p, protocol, at)
	}
	key := []nft.Value{protocol, nft.Port(p.HostPort)}
	if p.HostIP.IsLoopback() {
		if p.HostIP.Is6() {
			return nil
		}
		return []entry{{setLoopback, nft.Element{Key: key}, at.owner}}
	}
	to := target(p, at.endpoint)
	if to.Addr().Is6() != p.HostIP.Is6() {
		return nil
	}
	set := mapAnyPorts4
	switch {
	case p.HostIP.IsUnspecified() && p.HostIP.Is6():
		set = mapAnyPorts6
	case p.HostIP.IsUnspecified():
	case p.HostIP.Is6():
		set, key = mapPorts6, append([]nft.Value{nft.Addr(p.HostIP)}, key...)
	default:
		set, key = mapPorts4, append([]nft.Value{nft.Addr(p.HostIP)}, key...)
	}
	return []entry{{set, nft.Element{Key: key, Data: []nft.Value{nft.Addr(to.Addr()), nft.Port(to.Port())}}, at.owner}}
}

// Membership is a container on a network, before there is either.
type Membership struct {
	Network  engine.NetworkSpec
	Endpoint engine.EndpointSpec
}

// Bindings are the ports of a container as they are to be reserved: the network by which
// they are published may have an address for those that say none, or open them at the
// container's own.
func Bindings(ports []engine.PortBinding, on []Membership) []engine.PortBinding {
	var owner *Membership
	for i := range on {
		m := &on[i]
		if d := m.Network.Driver; m.Network.Internal || d != "" && d != "bridge" {
			continue
		}
		if owner == nil || m.Endpoint.GwPriority > owner.Endpoint.GwPriority ||
			m.Endpoint.GwPriority == owner.Endpoint.GwPriority && m.Network.Name < owner.Network.Name {
			owner = m
		}
	}
	if owner == nil {
		return ports
	}
	o, err := option.Parse(&owner.Network)
	if err != nil {
		return ports // to make the network tells
	}
	return o.Bind(ports)
}
