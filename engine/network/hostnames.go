package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"tiffin/dns"
)

// HostNames are the names under which the programs of the host find containers:
// NAME.PROJECT.Domain, for every name that a container has on a network. They lead to the
// container's own address, so nothing has to be published.
type HostNames struct {
	// Listen is a loopback address where the host asks; the zero value is nowhere.
	Listen netip.AddrPort
	Domain string
}

// hostNames is what answers the host.
type hostNames struct {
	sockets dns.Sockets
	server  *dns.Server
	hidden  *dns.Zone     // in the view of containers: the domain, with nothing in it
	trouble string        // why nothing listens
	begin   chan struct{} // closed by AnswerNames
	once    sync.Once
	seeing  sync.Mutex
}

// listenForHost opens the sockets for the host's questions. Those that come before
// AnswerNames wait in them. An address that is taken is no reason not to run containers.
func (m *Manager) listenForHost(ctx context.Context) {
	c := m.cfg.HostNames
	if !c.Listen.IsValid() {
		return
	}
	m.hostNames.hidden = dns.NewZone(dns.Records{Domain: c.Domain, Exclusive: true})
	err := m.inHost(func() (err error) {
		s := &m.hostNames.sockets
		if s.UDP, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(c.Listen)); err != nil {
			return err
		}
		s.TCP, err = listenTCP(ctx, "tcp", c.Listen)
		return err
	})
	if err == nil {
		m.hostNames.begin = make(chan struct{})
		m.hostNames.server = dns.New(m.hostNames.sockets, m.hostView(), m.forwarder)
		m.serving.Go(func() { m.serveHost(ctx) })
		return
	}
	err = errors.Join(err, m.hostNames.close())
	text := fmt.Sprintf("names on the host: cannot listen on %v", c.Listen)
	if who := m.hostPortOwner(c.Listen); who != "" {
		text += ", which " + who + " has"
	} else {
		text += ": " + err.Error()
	}
	m.hostNames.trouble = text
	m.cfg.Log.Warn(text, "hint", `say another address or port as "listen" of "host-names" in engine.json, and start the engine again`)
}

func (m *Manager) hostPortOwner(a netip.AddrPort) (who string) {
	_ = m.inHost(func() error { // it may not be seen; then nobody is named
		for _, protocol := range []string{"udp", "tcp"} {
			if who == "" {
				who = m.portOwner(protocol, []netip.Addr{a.Addr()}, a.Port())
			}
		}
		return nil
	})
	return who
}

// answer lets the host have its answers, until Close.
func (h *hostNames) answer() {
	if h.begin != nil {
		h.once.Do(func() { close(h.begin) })
	}
}

func (m *Manager) serveHost(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-m.hostNames.begin:
	}
	if err := m.hostNames.server.Serve(ctx); err != nil {
		m.cfg.Log.Error("answering the host's name queries", "error", err)
	}
}

// HostNames says in one line under which names the host finds containers, or why not.
// It is empty if that is not wished.
func (m *Manager) HostNames() string {
	c := m.cfg.HostNames
	switch {
	case !c.Listen.IsValid():
		return ""
	case m.hostNames.trouble != "":
		return m.hostNames.trouble
	}
	return fmt.Sprintf("SERVICE.PROJECT.%s, asked at %v", c.Domain, c.Listen)
}

// refreshHost lets the host see what is known now.
func (m *Manager) refreshHost() {
	h := &m.hostNames
	h.seeing.Lock() // the view that is set last must be the newest
	defer h.seeing.Unlock()
	if h.server != nil {
		h.server.SetView(m.hostView())
	}
}

// hostView is what the host sees: all networks, those that reach the outside first. What
// is not ours is for the host's other resolvers.
func (m *Manager) hostView() *dns.View {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []*network
	for _, n := range m.networks {
		if n.directory.host != nil {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b *network) int {
		if a.Spec.Internal != b.Spec.Internal {
			if b.Spec.Internal {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Spec.Name, b.Spec.Name)
	})
	v := &dns.View{Partial: true}
	for _, n := range all {
		v.Zones = append(v.Zones, n.directory.host)
	}
	v.Zones = append(v.Zones, m.hostNames.hidden) // without any network, too, the domain is ours
	return v
}

// hostRecords are the names that containers on a network have on the host, with the
// Manager's mutex held. Projects and the domain exist, too: a resolver that is told that
// there is no shop.tiffin.internal may conclude that nothing is below it (RFC 8020).
func (n *network) hostRecords(domain string) dns.Records {
	r := dns.Records{Domain: domain, Exclusive: true, Pointers: map[netip.Addr]string{}}
	if domain == "" || n.Bridge == "" { // the host does not reach what has no bridge
		return r
	}
	l := newLeads()
	l.exists(domain)
	for _, p := range n.Pools {
		r.Subnets = append(r.Subnets, p.Subnet)
	}
	for _, a := range n.members {
		if a.project == "" {
			continue
		}
		parent := a.project + "." + domain
		l.exists(parent)
		for _, name := range a.Names {
			l.add(name+"."+parent, a)
		}
		for _, ip := range a.addresses() {
			r.Pointers[ip] = a.name + "." + parent
		}
	}
	r.Names = l.names()
	return r
}

func (h *hostNames) close() error {
	var errs []error
	if h.sockets.UDP != nil {
		errs = append(errs, h.sockets.UDP.Close())
	}
	if h.sockets.TCP != nil {
		errs = append(errs, h.sockets.TCP.Close())
	}
	h.sockets = dns.Sockets{}
	return errors.Join(errs...)
}
