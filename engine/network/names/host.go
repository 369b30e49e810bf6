package names

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
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

// Place is where a Host listens, and what it needs there.
type Place struct {
	// Within runs a function in the host's network namespace.
	Within func(func() error) error
	// Owner says who has an address, or "".
	Owner     func(netip.AddrPort) string
	Forwarder *dns.Forwarder
	Work      *sync.WaitGroup // ends when the context of Listen has ended
	Log       *slog.Logger
}

// Host answers the host's programs. A nil Host is one that nobody wants.
type Host struct {
	HostNames
	sockets dns.Sockets
	server  *dns.Server   // nil if nothing listens
	hidden  *dns.Zone     // the domain, with nothing in it
	trouble string        // why nothing listens
	begin   chan struct{} // closed by Answer
	once    sync.Once
	seeing  sync.Mutex
}

// Listen opens the sockets for the host's questions. Those that come before Answer wait in
// them. An address that is taken is no reason not to run containers: Status tells of it.
func Listen(ctx context.Context, c HostNames, p Place) *Host {
	if !c.Listen.IsValid() {
		return nil
	}
	h := &Host{
		HostNames: c, hidden: dns.NewZone(dns.Records{Domain: c.Domain, Exclusive: true}), begin: make(chan struct{}),
	}
	err := p.Within(func() error { return h.open(ctx) })
	if err != nil {
		err = errors.Join(err, h.Close())
		h.trouble = fmt.Sprintf("names on the host: cannot listen on %v", c.Listen)
		if who := p.Owner(c.Listen); who != "" {
			h.trouble += ", which " + who + " has"
		} else {
			h.trouble += ": " + err.Error()
		}
		p.Log.Warn(h.trouble, "hint", `say another address or port as "listen" of "host-names" in engine.json, and start the engine again`)
		return h
	}
	h.server = dns.New(h.sockets, h.view(nil), p.Forwarder)
	p.Work.Go(func() {
		select {
		case <-ctx.Done():
			return
		case <-h.begin:
		}
		if err := h.server.Serve(ctx); err != nil {
			p.Log.Error("answering the host's name queries", "error", err)
		}
	})
	return h
}

// open opens the sockets in the calling thread's namespace.
func (h *Host) open(ctx context.Context) (err error) {
	if h.sockets.UDP, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(h.Listen)); err != nil {
		return err
	}
	var config net.ListenConfig
	config.SetMultipathTCP(false) // for hosts with several ways to each other
	l, err := config.Listen(ctx, "tcp", h.Listen.String())
	if err != nil {
		return err
	}
	h.sockets.TCP = l.(*net.TCPListener) //nolint:forcetypeassert // the network is tcp
	return nil
}

// Answer begins to answer, until the context of Listen ends. It is for when it is known
// which containers run: until then the answer would be that they do not.
func (h *Host) Answer() {
	if h != nil {
		h.once.Do(func() { close(h.begin) })
	}
}

// Hidden is for the views of containers, for which there is nothing in the domain: they
// would see other networks. It is nil if the host has no names.
func (h *Host) Hidden() *dns.Zone {
	if h == nil {
		return nil
	}
	return h.hidden
}

// Is says whether an address is that of the Host, which refuses what containers ask.
func (h *Host) Is(addr netip.AddrPort) bool { return h != nil && addr == h.Listen }

// Zone is what the host sees of a network; nil if it has no names.
func (h *Host) Zone(n *Network) *dns.Zone {
	if h == nil {
		return nil
	}
	return dns.NewZone(n.HostRecords(h.Domain))
}

// Show lets the host see the zones that are gathered, those of Zone, in the order in
// which they are asked.
func (h *Host) Show(gather func() []*dns.Zone) {
	if h == nil || h.server == nil {
		return
	}
	h.seeing.Lock() // the view that is set last must be the newest
	defer h.seeing.Unlock()
	h.server.SetView(h.view(gather()))
}

// view refuses what is not ours: it is for the host's other resolvers. Without any network,
// too, the domain is ours.
func (h *Host) view(zones []*dns.Zone) *dns.View {
	return &dns.View{Partial: true, Zones: append(zones, h.hidden)}
}

// Status says in one line under which names the host finds containers, or why not; "" if
// that is not wished.
func (h *Host) Status() string {
	switch {
	case h == nil:
		return ""
	case h.trouble != "":
		return h.trouble
	}
	return fmt.Sprintf("SERVICE.PROJECT.%s, asked at %v", h.Domain, h.Listen)
}

// Close closes the sockets, once nobody answers any more.
func (h *Host) Close() error {
	if h == nil {
		return nil
	}
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
