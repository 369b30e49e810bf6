package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"tiffin/engine"
)

// assume gives a sandbox's first link an address that is somebody else's.
func (h *testHost) assume(s *Sandbox, ip netip.Addr) {
	h.tb.Helper()
	index, err := s.rtnl.index("eth0")
	if err == nil {
		err = s.rtnl.do(addAddress("assume "+ip.String(), index, netip.PrefixFrom(ip, ip.BitLen())))
	}
	if err != nil {
		h.tb.Fatal(err)
	}
}

// listen opens a UDP socket that waits for a few seconds.
func listen(tb testing.TB, ns *os.File, addr string) net.PacketConn {
	tb.Helper()
	var l net.PacketConn
	err := within(ns, func() (err error) {
		if l, err = net.ListenPacket("udp", addr); err != nil {
			return err
		}
		return l.SetDeadline(time.Now().Add(5 * time.Second))
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

// send sends a datagram from an address and port.
func send(tb testing.TB, ns *os.File, from netip.AddrPort, to, word string) {
	tb.Helper()
	err := within(ns, func() error {
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(from), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
		if err != nil {
			return err
		}
		_, err = c.Write([]byte(word))
		return errors.Join(err, c.Close())
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func received(l net.PacketConn) string {
	buf := make([]byte, 100)
	n, from, err := l.ReadFrom(buf)
	if err != nil {
		return err.Error()
	}
	peer, _ := netip.ParseAddrPort(from.String())
	return string(buf[:n]) + " from " + peer.Addr().Unmap().String()
}

// A container that gives itself the address of one on another network is not taken
// for it: neither by the host, nor within a connection that the other one has.
func TestAContainerCannotUseAnAddressOfAnotherNetwork(t *testing.T) {
	for name, filtered := range map[string]string{"routed": framesPass, "br_netfilter": framesFiltered} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			h.filterFrames(filtered)
			outside := h.neighbour()
			victim, evil := h.sandbox("victim"), h.sandbox("evil")
			victimEP := h.attach(victim, h.network(engine.NetworkSpec{Name: "a", EnableIPv6: true}))
			evilEP := h.attach(evil, h.network(engine.NetworkSpec{Name: "b", EnableIPv6: true}))
			for _, c := range []struct {
				victim, evil, gateway netip.Addr
				outside, outsideSees  string
			}{
				{victimEP.IPv4.Addr(), evilEP.IPv4.Addr(), evilEP.Gateway4, neighbourIP, hostIP},
				{victimEP.IPv6.Addr(), evilEP.IPv6.Addr(), evilEP.Gateway6, "2001:db8::2", "2001:db8::1"},
			} {
				h.assume(evil, c.victim)
				toHost, toFar := net.JoinHostPort(c.gateway.String(), "7000"), net.JoinHostPort(c.outside, "7001")
				host, far := listen(t, h.host, toHost), listen(t, outside, toFar)
				spoofed, own := netip.AddrPortFrom(c.victim, 4000), netip.AddrPortFrom(c.evil, 4001)

				send(t, evil.File(), own, toHost, "first") // and the neighbours know each other
				_ = received(host)
				send(t, evil.File(), spoofed, toHost, "spoofed")
				send(t, evil.File(), own, toHost, "own")
				if got, want := received(host), "own from "+c.evil.String(); got != want {
					t.Errorf("the host got %q, want %q", got, want)
				}
				send(t, victim.File(), spoofed, toFar, "victim")
				if got, want := received(far), "victim from "+c.outsideSees; got != want {
					t.Errorf("a neighbour got %q, want %q", got, want)
				}
				send(t, evil.File(), spoofed, toFar, "spoofed")
				send(t, evil.File(), own, toFar, "own")
				if got, want := received(far), "own from "+c.outsideSees; got != want {
					t.Errorf("a neighbour got %q, want %q", got, want)
				}
			}
		})
	}
}
