package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// AttachRequest asks for a container to be put on a network.
type AttachRequest struct {
	// ContainerID is whose endpoint it is; see SetAnswering.
	ContainerID string
	Network     engine.Network
	Spec        engine.EndpointSpec
	// Name is the container's name, which its addresses lead back to.
	Name string
	// Names are all the names that lead to it on this network: its own and its
	// service's, aliases, its short ID.
	Names []string
	// Links are further names that only this container knows, each with what it
	// stands for: a name on this network.
	Links map[string]string
	// Keep is the endpoint that the replica had before: it gets the same addresses
	// when they are still free.
	Keep engine.Endpoint
}

// attached is an endpoint in a sandbox.
type attached struct {
	engine.Endpoint
	network *network
	sandbox *Sandbox

	// Guarded by the Manager's mutex.
	container string
	name      string
	aliases   map[string]string
	answer    Answer
}

func (a *attached) belongTo(r AttachRequest) {
	a.container, a.name, a.Names, a.aliases, a.answer = r.ContainerID, r.Name, r.Names, r.Links, Silent
}

// Attach puts a sandbox on a network: addresses, a pair of links, routes and names.
// A sandbox that is on the network already stays there, and belongs to the container
// from now on. The container is Silent.
//
// Errors: ErrInvalid for an address outside of the subnet, ErrConflict for one that
// is in use, ErrUnavailable when none is left.
func (m *Manager) Attach(ctx context.Context, s *Sandbox, r AttachRequest) (engine.Endpoint, error) {
	n, err := m.lookup(r.Network.ID)
	if err != nil {
		return engine.Endpoint{}, err
	}
	s.change.Lock()
	defer s.change.Unlock()
	a, err := m.attach(s, n, r)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return engine.Endpoint{}, fmt.Errorf("attach to network %s: %w", n.Spec.Name, err)
	}
	return a.Endpoint, nil
}

func (m *Manager) attach(s *Sandbox, n *network, r AttachRequest) (_ *attached, err error) {
	if s.gone {
		return nil, engine.Problem(engine.ErrConflict, errors.New("the sandbox is gone"))
	}
	if n.Bridge == "" {
		return nil, engine.Problem(engine.ErrInvalid,
			fmt.Errorf("a container cannot be attached to a network of driver %s", n.Spec.Driver))
	}
	if i := s.on(n.ID); i >= 0 {
		a := s.links[i]
		m.leave(a)
		a.belongTo(r)
		m.join(a)
		return a, nil
	}
	a := &attached{network: n, sandbox: s}
	a.Endpoint = engine.Endpoint{
		ID: engine.NewID(), NetworkID: n.ID, Network: n.Spec.Name, Spec: r.Spec, Interface: r.Spec.Interface,
	}
	a.belongTo(r)
	a.HostLink = "tv-" + a.ID[:8]
	if a.Interface == "" {
		a.Interface = s.freeInterface()
	}
	var back undo
	defer func() { err = back.unless(err) }()
	if err := m.address(a, r); err != nil {
		return nil, err
	}
	back.add(func() error { m.release(a); return nil })
	back.add(func() error { return m.removeLinks(a.HostLink) })
	if err := m.wire(s, a); err != nil {
		return nil, err
	}
	m.join(a)
	return a, nil
}

// wire makes the links of an endpoint and configures them.
func (m *Manager) wire(s *Sandbox, a *attached) error {
	if err := m.connect(s, a); err != nil {
		return err
	}
	if err := m.reflect(a); err != nil {
		return err
	}
	if err := s.configure(a); err != nil {
		return err
	}
	return m.settle(a)
}

// settle waits until an endpoint can be reached. That a link has a carrier is made
// known by a worker of the kernel, some time later: to the bridge, which drops what
// comes before, and of the bridge itself, by its first port, to the host. A first
// packet that is lost costs its sender a second. To ask for a link is to bring that forward.
func (m *Manager) settle(a *attached) error {
	what := "look at veth " + a.HostLink
	return m.rtnl.do(getLink(what, a.HostLink), getLink(what, a.network.Bridge))
}

// Detach takes a sandbox off a network. It may be off already.
func (m *Manager) Detach(_ context.Context, s *Sandbox, ep engine.Endpoint) error {
	s.change.Lock()
	defer s.change.Unlock()
	i := s.on(ep.NetworkID)
	if i < 0 {
		return nil
	}
	a := s.links[i]
	m.leave(a)
	err := m.removeLinks(a.HostLink)
	m.forgetAddresses(a.addresses()...)
	m.release(a)
	if err == nil {
		err = s.route()
	}
	if err != nil {
		return fmt.Errorf("detach from network %s: %w", ep.Network, err)
	}
	return nil
}

// on returns the place of the endpoint on that network, or -1.
func (s *Sandbox) on(networkID string) int {
	return slices.IndexFunc(s.links, func(a *attached) bool { return a.NetworkID == networkID })
}

// freeInterface is the first name of the form ethN that is not in use.
func (s *Sandbox) freeInterface() string {
	for i := 0; ; i++ {
		name := "eth" + strconv.Itoa(i)
		if !slices.ContainsFunc(s.links, func(a *attached) bool { return a.Interface == name }) {
			return name
		}
	}
}

// address gives the endpoint its addresses.
func (m *Manager) address(a *attached, r AttachRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pool := range a.network.pools {
		want, keep := r.Spec.IPv4, r.Keep.IPv4
		got, gateway := &a.IPv4, &a.Gateway4
		if pool.pool.Subnet.Addr().Is6() {
			want, keep = r.Spec.IPv6, r.Keep.IPv6
			got, gateway = &a.IPv6, &a.Gateway6
		}
		var err error
		if *got, err = pool.pick(want, keep.Addr()); err != nil {
			return err
		}
		if !a.network.Spec.Internal {
			*gateway = pool.pool.Gateway
		}
	}
	if r.Spec.IPv4.IsValid() && !a.IPv4.IsValid() || r.Spec.IPv6.IsValid() && !a.IPv6.IsValid() {
		return engine.Problem(engine.ErrInvalid, errors.New("a static address of a family that the network does not have"))
	}
	mac := r.Spec.MacAddress
	if mac == "" {
		mac = net.HardwareAddr(macOf(a.first())).String()
	}
	a.MacAddress = strings.ToLower(mac)
	return nil
}

// first is the address that names the endpoint's MAC address.
func (a *attached) first() netip.Addr {
	if a.IPv4.IsValid() {
		return a.IPv4.Addr()
	}
	return a.IPv6.Addr()
}

// release gives the addresses of an endpoint back.
func (m *Manager) release(a *attached) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pool := range a.network.pools {
		for _, p := range []netip.Prefix{a.IPv4, a.IPv6} {
			if p.IsValid() && pool.pool.Subnet.Contains(p.Addr()) {
				pool.free(p.Addr())
			}
		}
	}
}

// connect makes the pair of links: one end a port of the bridge, the other in the
// sandbox under its final name, in one round trip. One queue is enough where a packet
// goes straight to the other end, and a fifth faster to make.
func (m *Manager) connect(s *Sandbox, a *attached) error {
	mac, err := net.ParseMAC(a.MacAddress)
	if err != nil || len(mac) != 6 {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("mac_address %q: six bytes in hexadecimal are expected", a.MacAddress))
	}
	bridge, err := m.rtnl.index(a.network.Bridge)
	if err != nil {
		return err
	}
	o, err := parseOptions(a.network.Spec.DriverOpts)
	if err != nil {
		return err
	}
	inside := link{name: a.Interface, mac: mac, mtu: o.mtu, queues: 1} // veth(4) cannot be up before it has its peer
	peer := nl.NewRtAttr(vethInfoPeer, inside.header().Serialize())
	for _, attr := range inside.attributes() {
		peer.AddChild(attr)
	}
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(s.ns.Fd())))
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddChild(peer)
	err = m.rtnl.do(newLink("create veth "+a.HostLink,
		link{name: a.HostLink, group: m.group(), mtu: o.mtu, up: true, queues: 1},
		nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(bridge))), linkInfo("veth", data)))
	if errors.Is(err, unix.EXFULL) {
		return engine.Problem(engine.ErrUnavailable, errors.New("the network has 1,023 containers, and a bridge has no more ports"))
	}
	return err
}

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h.
const vethInfoPeer = 1

// configure gives the end in the sandbox its addresses, and the sandbox its routes.
func (s *Sandbox) configure(a *attached) error {
	what := "configure " + a.Interface
	index, err := s.rtnl.index(a.Interface)
	if err != nil {
		return err
	}
	if a.IPv6.IsValid() {
		err := within(s.ns, func() error {
			conf := "net/ipv6/conf/" + a.Interface
			return errors.Join(writeSysctl(conf+"/accept_dad", "0"), writeSysctl(conf+"/disable_ipv6", "0"))
		})
		if err != nil {
			return err
		}
	}
	var requests []request
	for _, p := range []netip.Prefix{a.IPv4, a.IPv6} {
		if p.IsValid() {
			requests = append(requests, addAddress(what, index, p))
		}
	}
	routes, err := s.defaultRoutes(append(slices.Clone(s.links), a))
	if err != nil {
		return err
	}
	requests = append([]request{setLinkUp(what, a.Interface)}, requests...)
	return s.rtnl.do(append(requests, routes...)...)
}

// route sets the default routes anew.
func (s *Sandbox) route() error {
	routes, err := s.defaultRoutes(s.links)
	if err != nil || len(routes) == 0 {
		return err
	}
	return s.rtnl.do(routes...)
}

// gateways are the ways to ask an endpoint for its gateway, one a family.
var gateways = [...]func(*attached) netip.Addr{
	func(a *attached) netip.Addr { return a.Gateway4 },
	func(a *attached) netip.Addr { return a.Gateway6 },
}

// defaultRoutes are the requests for the default route of each family.
func (s *Sandbox) defaultRoutes(links []*attached) ([]request, error) {
	var requests []request
	for _, gateway := range gateways {
		owner := gatewayOwner(links, gateway)
		if owner == nil {
			continue
		}
		index, err := s.rtnl.index(owner.Interface)
		if err != nil {
			return nil, err
		}
		requests = append(requests, defaultRoute("default route by "+owner.Interface, index, gateway(owner)))
	}
	return requests, nil
}

// gatewayOwner chooses the endpoint whose network has the default route: the highest
// priority, then the first by name, as Docker does.
func gatewayOwner(links []*attached, gateway func(*attached) netip.Addr) *attached {
	var owner *attached
	for _, a := range links {
		switch {
		case !gateway(a).IsValid():
		case owner == nil, a.Spec.GwPriority > owner.Spec.GwPriority,
			a.Spec.GwPriority == owner.Spec.GwPriority && a.Network < owner.Network:
			owner = a
		}
	}
	return owner
}
