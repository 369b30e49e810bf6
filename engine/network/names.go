package network

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"tiffin/dns"
)

// Answer says whether the names of a container lead to it.
type Answer int

const (
	// Silent is a container that does not run: its names exist, and lead nowhere.
	Silent Answer = iota
	// Unhealthy is a container to which a name leads if there is no better one: always
	// its own, and its service's when all replicas are unhealthy. The check may be
	// wrong, and a name that leads nowhere helps nobody.
	Unhealthy
	// Answering is a container to which all its names lead.
	Answering
)

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

// SetResolvers replaces the host's resolvers in what a sandbox asks of the outside
// (dns in a Compose file). They are asked from the sandbox, as its processes would:
// 127.0.0.1 is a server in the container. None means the host's.
func (m *Manager) SetResolvers(s *Sandbox, servers []netip.Addr) {
	m.mu.Lock()
	s.resolvers = servers
	m.mu.Unlock()
	m.refresh(s)
}

// noNames is the network whose containers do not know each other by name, just as
// on Docker's default network.
const noNames = "bridge"

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
	records, host := n.records(), n.hostRecords(m.cfg.HostNames.Domain)
	members := slices.Clone(n.members)
	m.mu.Unlock()
	zone := dns.NewZone(records)
	var hostZone *dns.Zone
	if m.cfg.HostNames.Domain != "" {
		hostZone = dns.NewZone(host)
	}
	m.mu.Lock()
	d.zone, d.names, d.host = zone, records.Names, hostZone
	m.mu.Unlock()
	for _, a := range members {
		m.refresh(a.sandbox)
	}
	m.refreshHost()
}

// leads collects where names lead.
type leads struct{ best, worse map[string][]netip.Addr }

func newLeads() leads { return leads{map[string][]netip.Addr{}, map[string][]netip.Addr{}} }

// exists enters a name that leads nowhere, so far.
func (l leads) exists(name string) { l.best[name] = append(l.best[name], nil...) }

func (l leads) add(name string, a *attached) {
	l.exists(name)
	switch a.answer {
	case Silent:
	case Unhealthy:
		l.worse[name] = append(l.worse[name], a.addresses()...)
	case Answering:
		l.best[name] = append(l.best[name], a.addresses()...)
	}
}

func (l leads) names() map[string][]netip.Addr {
	for name, addrs := range l.worse {
		if len(l.best[name]) == 0 {
			l.best[name] = addrs
		}
	}
	return l.best
}

// records are the names on a network, with the Manager's mutex held.
func (n *network) records() dns.Records {
	r := dns.Records{Pointers: map[netip.Addr]string{}}
	for _, p := range n.Pools {
		r.Subnets = append(r.Subnets, p.Subnet)
	}
	if n.Spec.Name == noNames {
		return r
	}
	r.Domain = n.Spec.Name
	l := newLeads()
	for _, a := range n.members {
		for _, name := range a.Names {
			l.add(name, a)
		}
		for _, ip := range a.addresses() {
			r.Pointers[ip] = a.name + "." + n.Spec.Name
		}
	}
	r.Names = l.names()
	return r
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
	v := &dns.View{Internal: true} // without a network, nothing leaves either
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
	if m.hostNames.hidden != nil {
		v.Zones = append(v.Zones, m.hostNames.hidden)
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
	for _, addr := range m.hostConf.Forwarding(dns.Wishes{}) {
		if addr == m.cfg.HostNames.Listen {
			continue // it is for the host, and would refuse
		}
		all = append(all, dns.Upstream{Addr: addr, Dial: m.upstream})
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
