package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	"tiffin/engine"
)

// peer connects from a namespace, and from an address if one is given, and returns
// the address at the other end as the client's kernel has it.
func peer(tb testing.TB, ns *os.File, from, to string) string {
	tb.Helper()
	var other string
	err := within(ns, func() error {
		d := net.Dialer{}
		if from != "" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))
		}
		c, err := d.DialContext(tb.Context(), "tcp", to)
		if err != nil {
			return err
		}
		other = c.RemoteAddr().String()
		return c.Close()
	})
	if err != nil {
		return err.Error()
	}
	return other
}

func TestTheShortCutIsTakenWhereItLeadsToTheSamePlace(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})
	web, other := h.sandbox("web"), h.sandbox("other")
	ep := h.attach(web, n)
	h.attach(other, n)
	serve(t, web.File(), ":80", "web")
	serve(t, other.File(), ":8080", "its own")
	direct, direct6 := at(ep, "80"), net.JoinHostPort(ep.IPv6.Addr().String(), "80")

	const refused = "dial tcp 127.0.0.1:8080: connect: connection refused"
	if got := peer(t, h.host, "", "127.0.0.1:8080"); got != refused {
		t.Errorf("before: got %s", got)
	}
	r := h.publish(web, tcp("", 8080), tcp("127.0.0.1", 8081))
	for name, c := range map[string]struct {
		ns       *os.File
		from, to string
		want     string
	}{
		"127.0.0.1":                        {h.host, "", "127.0.0.1:8080", direct},
		"another loopback address":         {h.host, "", "127.9.9.9:8080", direct},
		"::1":                              {h.host, "", "[::1]:8080", direct6},
		"published on 127.0.0.1 alone":     {h.host, "", "127.0.0.1:8081", direct},
		"from a socket bound to 127.0.0.1": {h.host, "127.0.0.1", "127.0.0.1:8080", "127.0.0.1:8080"},
		"from a socket bound to ::1":       {h.host, "::1", "[::1]:8080", "[::1]:8080"},
		"in another network namespace":     {other.File(), "", "127.0.0.1:8080", "127.0.0.1:8080"},
	} {
		if got := peer(t, c.ns, c.from, c.to); got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
	if err := h.Release(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := peer(t, h.host, "", "127.0.0.1:8080"); got != refused {
		t.Errorf("afterwards: got %s", got)
	}
}

func TestWithoutTheShortCutConnectionsAreForwarded(t *testing.T) {
	h := newTestHost(t)
	h.shortcut.Refuse()
	n := h.network(engine.NetworkSpec{Name: "n"})
	web := h.sandbox("web")
	ep := h.attach(web, n)
	serve(t, web.File(), ":80", "web")
	r := h.publish(web, tcp("", 8080))
	for _, to := range []string{"127.0.0.1:8080", "[::1]:8080"} {
		if got := ask(h.host, to); got != "web "+ep.Gateway4.String() {
			t.Errorf("%s: got %q", to, got)
		}
		if got := peer(t, h.host, "", to); got != to {
			t.Errorf("%s: the peer is %s", to, got)
		}
	}
	if err := errors.Join(h.Unpublish(t.Context(), r), h.Publish(t.Context(), r, web)); err != nil {
		t.Fatal(err)
	}
	if got := ask(h.host, "127.0.0.1:8080"); got != "web "+ep.Gateway4.String() {
		t.Errorf("published again: got %q", got)
	}
}

func BenchmarkReserveAndPublish(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s := h.sandbox("s")
	h.attach(s, n)
	for b.Loop() {
		r := h.publish(s, tcp("", 8080))
		if err := h.Release(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkConnect(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s := h.sandbox("s")
	ep := h.attach(s, n)
	serve(b, s.File(), ":80", "web")
	h.publish(s, tcp("", 8080))
	for name, to := range map[string]string{"direct": at(ep, "80"), "published": "127.0.0.1:8080", "forwarded": "[::1]:8080"} {
		b.Run(name, func(b *testing.B) {
			if err := within(h.host, func() error {
				for b.Loop() {
					c, err := net.Dial("tcp", to)
					if err != nil {
						return err
					}
					if err := c.Close(); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// A range of a thousand ports, as media servers want it.
func BenchmarkAThousandPorts(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})
	s := h.sandbox("s")
	h.attach(s, n)
	for _, protocol := range []string{"tcp", "udp"} {
		b.Run(protocol, func(b *testing.B) {
			for b.Loop() {
				r := h.publish(s, portRange(protocol, 10000, 1000)...)
				if err := h.Release(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// portRange publishes each port under its own number.
func portRange(protocol string, first, count uint16) []engine.PortBinding {
	bindings := make([]engine.PortBinding, 0, count)
	for p := first; p < first+count; p++ {
		bindings = append(bindings, engine.PortBinding{HostPort: p, ContainerPort: p, Protocol: protocol})
	}
	return bindings
}

func BenchmarkUDP(b *testing.B) {
	h := newTestHost(b)
	h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n"})
	s := h.sandbox("s")
	ep := h.attach(s, n)
	echo(b, s.File(), ":53")
	h.publish(s, engine.PortBinding{HostPort: 5353, ContainerPort: 53, Protocol: "udp"})
	for name, to := range map[string]string{"direct": at(ep, "53"), "NAT": hostIP + ":5353", "forwarded": "127.0.0.1:5353"} {
		b.Run(name, func(b *testing.B) {
			var c net.Conn
			if err := within(h.host, func() (err error) {
				c, err = net.Dial("udp", to)
				return err
			}); err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 64)
			for b.Loop() {
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
			_ = c.Close()
		})
	}
}
