package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/relay"
)

// Reservation holds host ports: each is a socket that is bound, so that nobody else
// can take it. Ports that are to be reachable under all addresses are bound once for
// each family.
type Reservation struct {
	owner   string
	sockets []*socket
	direct  []engine.PublishedPort // opened at the container's own address: no socket

	change    sync.Mutex // one change at a time
	published bool
	sandbox   *Sandbox        // whose ports they are meanwhile
	endpoint  engine.Endpoint // where the ports lead meanwhile
	entries   []entry         // in our table meanwhile
}

// socket is one bound port. One of its two is set.
type socket struct {
	engine.PublishedPort
	tcp *net.TCPListener
	udp *net.UDPConn

	relay *relay.Relay // while published
}

// ephemeralTries is how often a port that is free for one family may turn out to be
// taken for the other.
const ephemeralTries = 16

// Reserve binds the host ports of a container, named by owner, before it is started:
// all of them or none. Ports of a range, and those for which any will do, are chosen.
// Connections wait until Publish.
//
// Errors: ErrConflict when a port is taken, in Docker's words and with the name of
// who has it, if that can be known; ErrUnsupported for protocols other than tcp and udp.
func (m *Manager) Reserve(ctx context.Context, owner string, bindings []engine.PortBinding) (*Reservation, error) {
	r := &Reservation{owner: owner}
	err := m.inHost(func() error {
		for _, b := range bindings {
			if b.Direct {
				r.direct = append(r.direct, engine.PublishedPort{HostIP: b.HostIP, ContainerPort: b.ContainerPort, Protocol: b.Protocol})
				continue
			}
			sockets, err := m.bind(ctx, b)
			if err != nil {
				return err
			}
			r.sockets = append(r.sockets, sockets...)
		}
		return nil
	})
	return m.reserved(r, err)
}

// Resume is Reserve for a container that runs since an earlier engine: it takes the ports
// that it had, by the sockets that were kept (see PortFiles), or by new ones where
// one was not. The files stay the caller's.
func (m *Manager) Resume(ctx context.Context, owner string, ports []engine.PublishedPort, kept []*os.File) (*Reservation, error) {
	r := &Reservation{owner: owner}
	sockets := socketsOf(kept)
	err := m.inHost(func() error {
		for _, p := range ports {
			if p.HostPort == 0 {
				r.direct = append(r.direct, p)
				continue
			}
			s := take(&sockets, p)
			if s == nil {
				b := engine.PortBinding{HostIP: p.HostIP, HostPort: p.HostPort, ContainerPort: p.ContainerPort, Protocol: p.Protocol}
				bound, err := m.bind(ctx, b)
				if err != nil {
					return err
				}
				s = bound[0] // with an address there is one
			}
			s.PublishedPort = p
			r.sockets = append(r.sockets, s)
		}
		return nil
	})
	for _, s := range sockets {
		err = errors.Join(err, s.close())
	}
	return m.reserved(r, err)
}

// reserved enters a reservation into the index, unless it is not complete.
func (m *Manager) reserved(r *Reservation, err error) (*Reservation, error) {
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reservations[r] = true
	return r, nil
}

// Release unpublishes the ports and lets go of them. It may be called again.
func (m *Manager) Release(ctx context.Context, r *Reservation) error {
	err := m.Unpublish(ctx, r)
	m.mu.Lock()
	known := m.reservations[r]
	delete(m.reservations, r)
	m.mu.Unlock()
	if known {
		err = errors.Join(err, r.close())
	}
	return err
}

// Ports are the ports as bound, in the order of the bindings.
func (r *Reservation) Ports() []engine.PublishedPort {
	ports := make([]engine.PublishedPort, 0, len(r.sockets))
	for _, s := range r.sockets {
		ports = append(ports, s.PublishedPort)
	}
	return append(ports, r.direct...)
}

func (r *Reservation) close() error {
	var errs []error
	for _, s := range r.sockets {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

func (s *socket) close() error {
	if s.tcp != nil {
		return s.tcp.Close()
	}
	return s.udp.Close()
}

// bind binds the first port of a binding that is free.
func (m *Manager) bind(ctx context.Context, b engine.PortBinding) ([]*socket, error) {
	if b.Protocol == "" {
		b.Protocol = "tcp"
	}
	if b.Protocol != "tcp" && b.Protocol != "udp" {
		return nil, engine.Problem(engine.ErrUnsupported,
			fmt.Errorf("port %s: protocol %s is not supported (tcp and udp are)", b, b.Protocol))
	}
	ips := []netip.Addr{b.HostIP}
	if !b.HostIP.IsValid() {
		ips = []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	}
	var taken error
	for _, port := range candidates(b) {
		sockets, err := bindAll(ctx, b, ips, port)
		if err == nil {
			return sockets, nil
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return nil, fmt.Errorf("bind %s: %w", netip.AddrPortFrom(ips[0], port), err)
		}
		taken = m.taken4(b.Protocol, ips, port)
	}
	return nil, taken
}

// candidates are the host ports that a binding leaves to choose from; 0 is any.
func candidates(b engine.PortBinding) []uint16 {
	if b.HostPort == 0 {
		return slices.Repeat([]uint16{0}, ephemeralTries)
	}
	ports := []uint16{b.HostPort}
	for p := int(b.HostPort) + 1; p <= int(b.HostPortEnd); p++ {
		ports = append(ports, uint16(p))
	}
	return ports
}

// bindAll binds one port under all the addresses. Any port becomes that which the
// first address got. A family that the host does not have is left out.
func bindAll(ctx context.Context, b engine.PortBinding, ips []netip.Addr, port uint16) (_ []*socket, err error) {
	var sockets []*socket
	defer func() {
		if err != nil {
			for _, s := range sockets {
				err = errors.Join(err, s.close())
			}
		}
	}()
	for _, ip := range ips {
		s, err := bindOne(ctx, b.Protocol, netip.AddrPortFrom(ip, port))
		if len(sockets) > 0 && ip.Is6() && (errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)) {
			continue
		}
		if err != nil {
			return sockets, err
		}
		s.HostIP, s.HostPort, s.ContainerPort, s.Protocol = ip, s.port(), b.ContainerPort, b.Protocol
		port = s.HostPort
		sockets = append(sockets, s)
	}
	return sockets, nil
}

func bindOne(ctx context.Context, protocol string, addr netip.AddrPort) (*socket, error) {
	var s socket
	var err error
	network := protocol + "4"
	if addr.Addr().Is6() {
		network = protocol + "6" // and not IPv4 with it
	}
	if protocol == "tcp" {
		s.tcp, err = listenTCP(ctx, network, addr)
	} else {
		s.udp, err = relay.ListenUDP(ctx, network, addr)
	}
	return &s, err
}

func (s *socket) port() uint16 {
	if s.tcp != nil {
		return port(s.tcp.Addr())
	}
	return port(s.udp.LocalAddr())
}

// taken4 is the error for a port that somebody has.
func (m *Manager) taken4(protocol string, ips []netip.Addr, port uint16) error {
	text := fmt.Sprintf("Bind for %s failed: port is already allocated", netip.AddrPortFrom(ips[0], port))
	if who := m.portOwner(protocol, ips, port); who != "" {
		text += " by " + who
	}
	return engine.Hint(engine.Problem(engine.ErrConflict, errors.New(text)),
		"stop what uses the port, or publish another one")
}
