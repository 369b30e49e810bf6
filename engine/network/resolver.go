package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"tiffin/dns"
	"tiffin/engine/network/nft"
)

// resolverAddr is where containers ask for names. Queries go to port 53 of it; we
// listen on other ports, so that a container can have a server of its own on
// 0.0.0.0:53.
var resolverAddr = dns.ServerAddr().Addr()

// nameSockets are the sockets in a namespace on which its name queries arrive.
type nameSockets struct {
	udp *net.UDPConn
	tcp *net.TCPListener

	inherited bool // from an engine before this one
}

// serveNames begins to answer the name queries of a sandbox, until it is closed.
func (m *Manager) serveNames(s *Sandbox) {
	ctx, silence := context.WithCancel(context.Background())
	server := dns.New(dns.Sockets{UDP: s.names.udp, TCP: s.names.tcp}, &dns.View{}, m.forwarder)
	s.seeing.Lock()
	s.server, s.silence = server, silence
	s.seeing.Unlock()
	m.refresh(s)
	m.serving.Go(func() {
		if err := server.Serve(ctx); err != nil {
			m.cfg.Log.Error("answering name queries", "sandbox", s.key, "error", err)
		}
	})
}

// serves says whether the name queries of a sandbox are answered.
func (s *Sandbox) serves() bool {
	s.seeing.Lock()
	defer s.seeing.Unlock()
	return s.server != nil
}

// upstream opens the socket for one query to a resolver of the host's.
func (m *Manager) upstream(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	return m.dialer()(ctx, network, addr)
}

// upstream opens the socket for one query to a resolver of the sandbox's own.
func (s *Sandbox) upstream(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	return Dial(ctx, s.ns, network, addr)
}

// listenForNames opens the sockets in the calling thread's namespace and lets
// queries find them.
func listenForNames(ctx context.Context) (*nameSockets, error) {
	var s nameSockets
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(resolverAddr, 0)))
	if err != nil {
		return nil, fmt.Errorf("listen for names: %w", err)
	}
	s.udp = udp
	if s.tcp, err = listenTCP(ctx, "tcp4", netip.AddrPortFrom(resolverAddr, 0)); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for names: %w", err), s.close())
	}
	if err := s.redirect(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return &s, nil
}

// listenTCP listens in the calling thread's namespace. Go's default of multipath TCP
// is for hosts with several ways to each other; here it would only cost.
func listenTCP(ctx context.Context, network string, addr netip.AddrPort) (*net.TCPListener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	l, err := config.Listen(ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil //nolint:forcetypeassert // the network is tcp4 or tcp6
}

func (s *nameSockets) close() error {
	var errs []error
	if s.udp != nil {
		errs = append(errs, s.udp.Close())
	}
	if s.tcp != nil {
		errs = append(errs, s.tcp.Close())
	}
	return errors.Join(errs...)
}

// redirect writes the namespace's own table. One that leads to sockets which were inherited
// is left as it is: to replace a table that is hooked to a link waits for all of the
// kernel's readers, some 10 ms.
func (s *nameSockets) redirect() error {
	conn, err := nft.Dial()
	if err != nil {
		return err
	}
	whole := redirectTable(port(s.udp.LocalAddr()), port(s.tcp.Addr()))
	there, err := conn.Has(whole)
	if err == nil && (!there || !s.inherited) {
		var b nft.Batch
		if there {
			b.RemoveTable(whole)
		}
		b.AddTable(whole, nft.Shared)
		err = conn.Apply(&b)
	}
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("redirect name queries: %w", err)
	}
	return nil
}

// redirectTable sends what goes to port 53 of resolverAddr to our ports, and lets
// the answers come from port 53. Queries and answers both pass the ingress of lo, so
// rewriting their ports is all it takes: no connection tracking, which would cost
// every packet of the container, and no rule on any other link.
func redirectTable(udp, tcp uint16) *nft.Table {
	to := func(a nft.Field) nft.Statement { return nft.Is{Field: a, Value: nft.Addr(resolverAddr)} }
	not := func(a nft.Field) nft.Statement { return nft.Not{Field: a, Value: nft.Addr(resolverAddr)} }
	rules := []nft.Rule{{not(nft.Dest4), not(nft.Source4), nft.Accept}}
	for _, p := range []struct {
		protocol nft.Value
		port     uint16
	}{{nft.UDP, udp}, {nft.TCP, tcp}} {
		over := nft.Is{Field: nft.L4Proto, Value: p.protocol}
		rules = append(rules,
			nft.Rule{
				to(nft.Dest4), over,
				nft.Is{Field: nft.DestPort, Value: nft.Port(53)},
				nft.Rewrite{Over: p.protocol, Field: nft.DestPort, Value: nft.Port(p.port)},
				nft.Accept,
			},
			nft.Rule{
				to(nft.Source4), over,
				nft.Is{Field: nft.SourcePort, Value: nft.Port(p.port)},
				nft.Rewrite{Over: p.protocol, Field: nft.SourcePort, Value: nft.Port(53)},
				nft.Accept,
			})
	}
	return &nft.Table{Family: nft.Netdev, Name: "tiffin", Chains: []nft.Chain{{
		Name: "names", Hook: &nft.Hook{Type: "filter", At: nft.Ingress, Device: "lo"}, Rules: rules,
	}}}
}

func port(a net.Addr) uint16 {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return 0
	}
	return p.Port()
}
