package network

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"tiffin/dns"
	"tiffin/engine/network/names"
)

// Answer says whether the names of a container lead to it.
type Answer = names.Answer

// What a container answers to, see package names.
const (
	Silent    = names.Silent
	Unhealthy = names.Unhealthy
	Answering = names.Answering
)

// HostNames are the names under which the host's programs find containers.
type HostNames = names.HostNames

// SetAnswering says whether the names of a container lead to it, on all its networks.
// Every neighbour sees it when SetAnswering returns.
func (m *Manager) SetAnswering(containerID string, to Answer) {
	var changed []*network
	m.mu.Lock()
	for _, a := range m.endpoints[containerID] {
		if a.answer != to {
			a.answer = to
			changed = append(changed, a.network)
		}
	}
	m.mu.Unlock()
	for _, n := range changed {
		m.announce(n)
	}
}

// Rename lets a container answer by another name, and no more by the old one, on all its
// networks.
func (m *Manager) Rename(containerID, name string, change func([]string) []string) {
	var changed []*network
	m.mu.Lock()
	for _, a := range m.endpoints[containerID] {
		a.name, a.Names = name, change(a.Names)
		changed = append(changed, a.network)
	}
	m.mu.Unlock()
	for _, n := range changed {
		m.announce(n)
	}
}

// SetResolvers replaces the host's resolvers in what a sandbox asks of the outside
// (dns in a Compose file). They are asked from the sandbox, as its processes would:
// 127.0.0.1 is a server in the container. None means the host's.
func (m *Manager) SetResolvers(s *Sandbox, servers []netip.Addr) {
	m.mu.Lock()
	s.resolvers = servers
	m.mu.Unlock()
	m.refresh(s)
}

// directory is what is known of the names on a network.
type directory struct {
	wanted atomic.Uint64 // the last change asked for
	build  sync.Mutex
	built  uint64 // the last change in what the neighbours see

	// Guarded by the Manager's mutex, and never changed in place.
	zone  *dns.Zone
	names map[string][]netip.Addr
	host  *dns.Zone // what the host sees; nil if it sees nothing
}

// announce brings a change on a network to everybody there. Changes that come while
// one is being made are made together.
func (m *Manager) announce(n *network) {
	d := &n.directory
	change := d.wanted.Add(1)
	d.build.Lock()
	defer d.build.Unlock()
	if d.built >= change {
		return
	}
	d.built = d.wanted.Load()

	m.mu.Lock()
	known := n.known()
	members := slices.Clone(n.members)
	m.mu.Unlock()
	records := known.Records()
	zone := dns.NewZone(records)
	var host *dns.Zone
	if n.Bridge != "" { // the host does not reach what has none
		host = m.hostNames.Zone(&known)
	}
	m.mu.Lock()
	d.zone, d.names, d.host = zone, records.Names, host
	m.mu.Unlock()
	for _, a := range members {
		m.refresh(a.sandbox)
	}
	m.hostNames.Show(m.hostZones)
}

// known is what the names on a network are made of, with the Manager's mutex held.
func (n *network) known() names.Network {
	out := names.Network{Name: n.Spec.Name, Subnets: n.bridged()}
	for _, a := range n.members {
		out.Members = append(out.Members, names.Member{
			Name: a.name, Project: a.project, Names: a.Names, Addrs: a.addresses(), Answer: a.answer,
		})
	}
	return out
}

// bridged are the subnets in which all addresses are ours. Those of a network without a
// bridge are the LAN's, whose other hosts have their names elsewhere.
func (n *network) bridged() []netip.Prefix {
	if n.Bridge == "" {
		return nil
	}
	var all []netip.Prefix
	for _, p := range n.Pools {
		all = append(all, p.Subnet)
	}
	return all
}

// renewBridged lets everybody see the subnets of now, with the Manager's mutex held. What
// they are called is not asked of the host's resolvers: these may know the host's names,
// and a container would hear of other projects.
func (m *Manager) renewBridged() {
	var all []netip.Prefix
	for _, n := range m.networks {
		all = append(all, n.bridged()...)
	}
	m.bridged.Set(all)
}

// hostZones are what the host sees: all networks, those that reach the outside first.
func (m *Manager) hostZones() []*dns.Zone {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*network
	for _, n := range m.networks {
		if n.directory.host != nil {
			all = append(all, n)
		}
	}
	rank := func(n *network) int {
		if n.Spec.Internal {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b *network) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Spec.Name, b.Spec.Name))
	})
	var zones []*dns.Zone
	for _, n := range all {
		zones = append(zones, n.directory.host)
	}
	return zones
}

// HostNames says in one line under which names the host finds containers, or why not.
// It is empty if that is not wished.
func (m *Manager) HostNames() string { return m.hostNames.Status() }

// listenForHost opens the name server for the host, if there is to be one.
func (m *Manager) listenForHost(ctx context.Context) {
	m.hostNames = names.Listen(ctx, m.cfg.HostNames, names.Place{
		Within: m.inHost, Owner: m.nameServerAt, Forwarder: m.forwarder, Work: &m.serving, Log: m.cfg.Log,
	})
}

// nameServerAt says who has an address.
func (m *Manager) nameServerAt(a netip.AddrPort) (who string) {
	_ = m.inHost(func() error { // it may not be seen; then nobody is named
		for _, protocol := range []string{"udp", "tcp"} {
			who = cmp.Or(who, m.portOwner(protocol, []netip.Addr{a.Addr()}, a.Port()))
		}
		return nil
	})
	return who
}

func (a *attached) addresses() []netip.Addr {
	var addrs []netip.Addr
	for _, p := range []netip.Prefix{a.IPv4, a.IPv6} {
		if p.IsValid() {
			addrs = append(addrs, p.Addr())
		}
	}
	return addrs
}

// refresh lets a sandbox see what is known now.
func (m *Manager) refresh(s *Sandbox) {
	s.seeing.Lock() // the view that is set last must be the newest
	defer s.seeing.Unlock()
	if s.server != nil {
		s.server.SetView(m.view(s))
	}
}

// view is what a sandbox sees: its links, the names on its networks, and the
// resolvers, unless all its networks are internal.
func (m *Manager) view(s *Sandbox) *dns.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := &dns.View{Internal: true, Elsewhere: &m.bridged} // without a network, nothing leaves either
	aliases := map[string][]netip.Addr{}
	for _, a := range s.links {
		v.Internal = v.Internal && a.network.Spec.Internal
		d := &a.network.directory
		if d.zone == nil {
			continue
		}
		v.Zones = append(v.Zones, d.zone)
		for alias, name := range a.aliases {
			aliases[alias] = append(aliases[alias], d.names[name]...)
		}
	}
	if len(aliases) > 0 {
		v.Zones = append([]*dns.Zone{dns.NewZone(dns.Records{Names: aliases})}, v.Zones...)
	}
	if hidden := m.hostNames.Hidden(); hidden != nil {
		v.Zones = append(v.Zones, hidden)
	}
	v.Upstreams = m.upstreams(s)
	return v
}

// upstreams are the resolvers that a sandbox's queries go to: its own, asked from
// the sandbox, or the host's, asked from the host. With the Manager's mutex held.
func (m *Manager) upstreams(s *Sandbox) []dns.Upstream {
	var all []dns.Upstream
	for _, addr := range s.resolvers {
		if addr != resolverAddr { // it would ask us again, and again
			all = append(all, dns.Upstream{Addr: netip.AddrPortFrom(addr, dns.Port), Dial: s.upstream})
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, addr := range m.resolvers.Addresses() {
		if !m.hostNames.Is(addr) {
			all = append(all, dns.Upstream{Addr: addr, Dial: m.upstream})
		}
	}
	return all
}

// renewResolvers lets all sandboxes see the host's resolvers of now.
func (m *Manager) renewResolvers() {
	m.mu.Lock()
	all := slices.Collect(maps.Values(m.sandboxes))
	m.mu.Unlock()
	for _, s := range all {
		m.refresh(s)
	}
}

// nameServers are the host's resolvers, as prefixes: a subnet that has one of them
// would cut the host off from it.
func (m *Manager) nameServers() []netip.Prefix {
	var all []netip.Prefix
	for _, a := range m.resolvers.Addresses() {
		all = append(all, netip.PrefixFrom(a.Addr(), a.Addr().BitLen()))
	}
	return all
}

// join enters an endpoint into the index and the directory of its network.
func (m *Manager) join(a *attached) {
	m.enter(a)
	m.announce(a.network)
	m.refresh(a.sandbox)
}

func (m *Manager) enter(a *attached) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.network.members = append(a.network.members, a)
	a.sandbox.links = append(a.sandbox.links, a)
	m.endpoints[a.container] = append(m.endpoints[a.container], a)
}

// leave undoes join.
func (m *Manager) leave(a *attached) {
	m.mu.Lock()
	a.network.members = without(a.network.members, a)
	a.sandbox.links = without(a.sandbox.links, a)
	m.endpoints[a.container] = without(m.endpoints[a.container], a)
	if len(m.endpoints[a.container]) == 0 {
		delete(m.endpoints, a.container)
	}
	m.mu.Unlock()
	m.announce(a.network)
	m.refresh(a.sandbox)
}

// without makes a new list: others may be reading the old one.
func without(list []*attached, a *attached) []*attached {
	return slices.DeleteFunc(slices.Clone(list), func(other *attached) bool { return other == a })
}
