package names

import (
	"net/netip"

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

// Nameless is the network whose containers do not know each other by name, just as on
// Docker's default network.
const Nameless = "bridge"

// Network is a network as its names are made of it.
type Network struct {
	Name    string
	Subnets []netip.Prefix
	Members []Member
}

// Member is a container on a network.
type Member struct {
	Name    string // which its addresses lead back to
	Project string
	Names   []string
	Addrs   []netip.Addr
	Answer  Answer
}

// Records are the names that containers on the network know.
func (n *Network) Records() dns.Records {
	r := dns.Records{Subnets: n.Subnets, Names: map[string][]netip.Addr{}, Pointers: map[netip.Addr]string{}}
	if n.Name == Nameless {
		return r
	}
	r.Domain = n.Name
	l := newLeads()
	for _, m := range n.Members {
		for _, name := range m.Names {
			l.add(name, &m)
		}
		for _, ip := range m.Addrs {
			r.Pointers[ip] = m.Name + "." + n.Name
		}
	}
	r.Names = l.names()
	return r
}

// HostRecords are the names under which the host knows them. Projects and the domain
// exist, too: a resolver that is told that there is no shop.tiffin.internal may conclude
// that nothing is below it (RFC 8020).
func (n *Network) HostRecords(domain string) dns.Records {
	r := dns.Records{Subnets: n.Subnets, Domain: domain, Exclusive: true, Pointers: map[netip.Addr]string{}}
	l := newLeads()
	l.exists(domain)
	for _, m := range n.Members {
		if m.Project == "" {
			continue
		}
		parent := m.Project + "." + domain
		l.exists(parent)
		for _, name := range m.Names {
			l.add(name+"."+parent, &m)
		}
		for _, ip := range m.Addrs {
			r.Pointers[ip] = m.Name + "." + parent
		}
	}
	r.Names = l.names()
	return r
}

// leads collects where names lead.
type leads struct{ best, worse map[string][]netip.Addr }

func newLeads() leads { return leads{map[string][]netip.Addr{}, map[string][]netip.Addr{}} }

// exists enters a name that leads nowhere, so far.
func (l leads) exists(name string) { l.best[name] = append(l.best[name], nil...) }

func (l leads) add(name string, m *Member) {
	l.exists(name)
	switch m.Answer {
	case Silent:
	case Unhealthy:
		l.worse[name] = append(l.worse[name], m.Addrs...)
	case Answering:
		l.best[name] = append(l.best[name], m.Addrs...)
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
