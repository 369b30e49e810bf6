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
	"tiffin/engine/network/option"
)

// AttachRequest asks for a container to be put on a network.
type AttachRequest struct {
	// ContainerID is whose endpoint it is; see SetAnswering.
	ContainerID string
	Network     engine.Network
	Spec        engine.EndpointSpec
	// Name is the container's name, which its addresses lead back to.
	Name string
	// Project is whose it is: the host finds it below that, see HostNames.
	Project string
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
	project   string
	aliases   map[string]string
	answer    Answer

	sysctls []option.Sysctl // of the interface
}

func (a *attached) belongTo(r AttachRequest) {
	a.container, a.name, a.project, a.Names, a.aliases, a.answer = r.ContainerID, r.Name, r.Project, r.Names, r.Links, Silent
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
		err = errors.Join(m.approach(s), ctx.Err())
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
	if !hasLinks(n.Network) {
		return nil, engine.Problem(engine.ErrInvalid,
			fmt.Errorf("a container cannot be attached to a network of driver %s", n.Spec.Driver))
	}
	if i := s.on(n.ID); i >= 0 {
		a := s.links[i]
		m.leave(a)
		a.belongTo(r)
		moved := a.Spec.GwPriority != r.Spec.GwPriority
		a.Spec = r.Spec
		m.join(a)
		if moved {
			return a, s.route()
		}
		return a, nil
	}
	a, err := s.newEndpoint(n, r)
	if err != nil {
		return nil, err
	}
	var back undo
	defer func() { err = back.unless(err) }()
	if err := m.address(a, r); err != nil {
		return nil, err
	}
	back.add(func() error { m.release(a); return nil })
	back.add(func() error { return m.unwire(a) })
	if err := m.wire(s, a); err != nil {
		return nil, err
	}
	m.join(a)
	return a, nil
}

// newEndpoint is an endpoint that has a name for its interface, and nothing else yet.
func (s *Sandbox) newEndpoint(n *network, r AttachRequest) (*attached, error) {
	o, err := option.ParseEndpoint(r.Spec.DriverOpts)
	if err != nil {
		return nil, err
	}
	a := &attached{network: n, sandbox: s, sysctls: o.Sysctls}
	a.Endpoint = engine.Endpoint{ID: engine.NewID(), NetworkID: n.ID, Network: n.Spec.Name, Spec: r.Spec}
	a.belongTo(r)
	if n.Bridge != "" {
		a.HostLink = "tv-" + a.ID[:8]
	}
	var names []string
	for _, other := range s.links {
		names = append(names, other.Interface)
	}
	if a.Interface, err = interfaceFor(n, r.Spec, o, names); err != nil {
		return nil, err
	}
	if slices.Contains(names, a.Interface) {
		return nil, engine.Problem(engine.ErrConflict, fmt.Errorf("interface name %s is in use by another network of the container", a.Interface))
	}
	return a, nil
}

// interfaceFor is the name of an endpoint's interface: the one that was asked for, or the
// first of the form ethN that is free.
func interfaceFor(n *network, spec engine.EndpointSpec, o option.Endpoint, taken []string) (string, error) {
	switch {
	case spec.Interface != "" && o.Interface != "" && spec.Interface != o.Interface:
		return "", engine.Problem(engine.ErrInvalid, fmt.Errorf("interface_name %s: the driver options say %s", spec.Interface, o.Interface))
	case spec.Interface != "":
		return spec.Interface, option.InterfaceName(spec.Interface)
	case o.Interface != "":
		return o.Interface, nil
	}
	for i := 0; ; i++ {
		if name := n.opts.Prefix + strconv.Itoa(i); !slices.Contains(taken, name) {
			return name, nil
		}
	}
}

// wire makes the links of an endpoint and configures them.
func (m *Manager) wire(s *Sandbox, a *attached) error {
	connect := m.connect
	if a.HostLink == "" {
		connect = m.branch
	}
	if err := connect(s, a); err != nil {
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

// unwire removes the links of endpoints, as far as they are there.
func (m *Manager) unwire(links ...*attached) error {
	var errs []error
	var names []string
	for _, a := range links {
		if a.HostLink == "" {
			errs = append(errs, a.sandbox.cut(a))
		} else {
			names = append(names, a.HostLink)
		}
	}
	return errors.Join(append(errs, m.removeLinks(names...))...)
}

// settle waits until an endpoint can be reached. That a link has a carrier is made
// known by a worker of the kernel, some time later: to the bridge, which drops what
// comes before, and of the bridge itself, by its first port, to the host. A first
// packet that is lost costs its sender a second. To ask for a link is to bring that forward.
func (m *Manager) settle(a *attached) error {
	if a.HostLink == "" {
		return a.sandbox.rtnl.do(getLink("look at "+a.Interface, a.Interface))
	}
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
	err := m.takeOff(s.links[i])
	if err == nil {
		err = errors.Join(s.route(), m.approach(s))
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

// address gives the endpoint its addresses.
func (m *Manager) address(a *attached, r AttachRequest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pool := range a.network.pools {
		want, keep := r.Spec.IPv4, r.Keep.IPv4
		got, gateway := &a.IPv4, &a.Gateway4
		if pool.Pool().Subnet.Addr().Is6() {
			want, keep = r.Spec.IPv6, r.Keep.IPv6
			got, gateway = &a.IPv6, &a.Gateway6
		}
		var err error
		if *got, err = pool.Pick(want, keep.Addr()); err != nil {
			return err
		}
		if !a.network.Spec.Internal {
			*gateway = a.network.gateway(pool.Pool())
		}
	}
	if r.Spec.IPv4.IsValid() && !a.IPv4.IsValid() || r.Spec.IPv6.IsValid() && !a.IPv6.IsValid() {
		return engine.Problem(engine.ErrInvalid, errors.New("a static address of a family that the network does not have"))
	}
	return a.chooseMAC()
}

// gateway is where the default route of a pool leads; unspecified is the link itself.
func (n *network) gateway(p engine.Pool) netip.Addr {
	switch {
	case !n.opts.VLAN.Routes(n.Spec.Driver):
		return p.Gateway
	case p.Subnet.Addr().Is6():
		return netip.IPv6Unspecified()
	default:
		return netip.IPv4Unspecified()
	}
}

// chooseMAC gives the endpoint the MAC address that was asked for, or one made of its
// address, if it has one of its own at all.
func (a *attached) chooseMAC() error {
	n := a.network
	inherited := n.Spec.Driver == "ipvlan" || n.opts.VLAN.Passes(n.Spec.Driver)
	switch {
	case inherited && a.Spec.MacAddress != "":
		return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("mac_address %s: containers have that of the parent %s", a.Spec.MacAddress, n.Parent)),
			"leave out mac_address, or use the driver macvlan in another mode")
	case inherited:
	case a.Spec.MacAddress != "":
		a.MacAddress = strings.ToLower(a.Spec.MacAddress)
	default:
		a.MacAddress = madeMAC(a.first())
	}
	return nil
}

// madeMAC is the MAC address that goes with an address.
func madeMAC(a netip.Addr) string { return net.HardwareAddr(macOf(a)).String() }

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
			if p.IsValid() && pool.Pool().Subnet.Contains(p.Addr()) {
				pool.Free(p.Addr())
			}
		}
	}
}

// connect makes the pair of links: one end a port of the bridge, the other in the
// sandbox under its final name, in one round trip. One queue is enough where a packet
// goes straight to the other end, and a fifth faster to make.
func (m *Manager) connect(s *Sandbox, a *attached) error {
	mac, err := parseMAC(a.MacAddress)
	if err != nil {
		return err
	}
	bridge, err := m.rtnl.index(a.network.Bridge)
	if err != nil {
		return err
	}
	o := a.network.opts
	inside := link{name: a.Interface, mac: mac, mtu: o.MTU, queues: 1} // veth(4) cannot be up before it has its peer
	peer := nl.NewRtAttr(vethInfoPeer, inside.header().Serialize())
	for _, attr := range inside.attributes() {
		peer.AddChild(attr)
	}
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(s.ns.Fd())))
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddChild(peer)
	err = m.rtnl.do(newLink("create veth "+a.HostLink,
		link{name: a.HostLink, group: m.group(), mtu: o.MTU, up: true, queues: 1},
		nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(bridge))), linkInfo("veth", data)))
	if errors.Is(err, unix.EXFULL) {
		return engine.Hint(engine.Problem(engine.ErrUnavailable, errors.New("the network has 1,023 containers, and a bridge has no more ports")),
			"spread the containers over several networks")
	}
	if err == nil && o.NoICC {
		err = m.isolatePort(a.HostLink)
	}
	return err
}

// brportIsolated is IFLA_BRPORT_ISOLATED of linux/if_link.h.
const brportIsolated = 33

// isolatePort keeps a port of a bridge from the other ports that are isolated, too; the
// bridge itself still reaches it (Linux 4.18).
func (m *Manager) isolatePort(name string) error {
	index, err := m.rtnl.index(name)
	if err != nil {
		return err
	}
	h := nl.NewIfInfomsg(unix.AF_BRIDGE)
	h.Index = int32(index)
	port := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	port.AddRtAttr(brportIsolated, []byte{1})
	r := nl.NewNetlinkRequest(unix.RTM_SETLINK, 0)
	r.AddData(h)
	r.AddData(port)
	return m.rtnl.do(request{r, "isolate veth " + name})
}

// vethInfoPeer is VETH_INFO_PEER of linux/veth.h.
const vethInfoPeer = 1
