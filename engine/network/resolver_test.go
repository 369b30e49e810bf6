package network

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"tiffin/dns"
	"tiffin/engine"
)

// question is what a client asks.
type question struct {
	name string
	kind dnsmessage.Type
	size uint16 // of the largest answer over UDP; 0: what everybody takes
}

// exchange puts a question to a name server from a namespace and returns what it says.
func exchange(ns *os.File, network, server string, q question) (dnsmessage.Message, error) {
	var answer dnsmessage.Message
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(q.name + "."), Type: q.kind, Class: dnsmessage.ClassINET}},
	}
	if q.size > 0 {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(int(q.size), dnsmessage.RCodeSuccess, false); err != nil {
			return answer, err
		}
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	b, err := m.Pack()
	if err != nil {
		return answer, err
	}
	return answer, within(ns, func() error {
		c, err := net.Dial(network, server)
		if err != nil {
			return err
		}
		defer c.Close() //nolint:errcheck // the answer is there, or not
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		if network == "tcp" {
			b = append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
		buf := make([]byte, 1<<16)
		if network == "tcp" {
			if _, err := io.ReadFull(c, buf[:2]); err != nil {
				return err
			}
			n, err := io.ReadFull(c, buf[:binary.BigEndian.Uint16(buf)])
			return errors.Join(err, answer.Unpack(buf[:n]))
		}
		n, err := c.Read(buf)
		return errors.Join(err, answer.Unpack(buf[:n]))
	})
}

// said puts a question to 127.0.0.11 and prints the answer: a code, records in order.
func said(s *Sandbox, network string, q question) string {
	m, err := exchange(s.File(), network, "127.0.0.11:53", q)
	if err != nil {
		return err.Error()
	}
	return text(&m)
}

func text(m *dnsmessage.Message) string {
	words := []string{strings.TrimPrefix(m.RCode.String(), "RCode")}
	if m.Truncated {
		words = append(words, "truncated")
	}
	var records []string
	for _, r := range m.Answers {
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			records = append(records, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			records = append(records, netip.AddrFrom16(body.AAAA).String())
		case *dnsmessage.PTRResource:
			records = append(records, body.PTR.String())
		default:
			records = append(records, body.GoString())
		}
		if r.Header.TTL > 1 {
			records = append(records, fmt.Sprint("for ", r.Header.TTL, " s"))
		}
	}
	slices.Sort(records)
	return strings.Join(append(words, records...), " ")
}

// reverse is the name under which an address is asked for.
func reverse(ip netip.Addr) string {
	var b strings.Builder
	bytes := ip.AsSlice()
	slices.Reverse(bytes)
	for _, c := range bytes {
		if ip.Is4() {
			fmt.Fprintf(&b, "%d.", c)
		} else {
			fmt.Fprintf(&b, "%x.%x.", c&15, c>>4)
		}
	}
	if ip.Is4() {
		return b.String() + "in-addr.arpa"
	}
	return b.String() + "ip6.arpa"
}

func TestEveryKindOfRecord(t *testing.T) {
	h := newTestHost(t)
	six := h.network(engine.NetworkSpec{Name: "p_six", EnableIPv6: true})
	front := h.network(engine.NetworkSpec{Name: "front"}) // a name without underscore, as users choose them
	s := h.sandbox("p-web-1")
	request := AttachRequest{ContainerID: "1", Name: "p-web-1", Names: []string{"p-web-1", "web", "www", "Web-Host"}}
	request.Network = six
	ep6, err := h.Attach(t.Context(), s, request)
	if err != nil {
		t.Fatal(err)
	}
	h.SetAnswering("1", Answering)
	asker, ip := h.replica(front, "p-api-1", "api")
	if _, err := h.Attach(t.Context(), asker, AttachRequest{ContainerID: "p-api-1", Name: "p-api-1", Network: six}); err != nil {
		t.Fatal(err)
	}
	v4, v6 := ep6.IPv4.Addr().String(), ep6.IPv6.Addr().String()
	const unknown = "NameError"
	for _, c := range []struct {
		sentence string
		name     string
		kind     dnsmessage.Type
		want     string
	}{
		{"A", "web", dnsmessage.TypeA, "Success " + v4},
		{"AAAA", "web", dnsmessage.TypeAAAA, "Success " + v6},
		{"an alias", "www", dnsmessage.TypeAAAA, "Success " + v6},
		{"a hostname, in any case", "WEB-host", dnsmessage.TypeA, "Success " + v4},
		{"a service that has no IPv6 is there all the same", "api", dnsmessage.TypeAAAA, "Success"},
		{"and no mail server", "web", dnsmessage.TypeMX, "Success"},
		{"nor HTTPS records", "web", 65, "Success"},
		{"what nobody has is not there", "wbe", dnsmessage.TypeAAAA, unknown},
		{"PTR for IPv4", reverse(ep6.IPv4.Addr()), dnsmessage.TypePTR, "Success p-web-1.p_six."},
		{"PTR for IPv6", reverse(ep6.IPv6.Addr()), dnsmessage.TypePTR, "Success p-web-1.p_six."},
		{"and the way back", "p-web-1.p_six", dnsmessage.TypeAAAA, "Success " + v6},
		{"PTR of another network", reverse(netip.MustParseAddr(ip)), dnsmessage.TypePTR, "Success p-api-1.front."},
		{"and the way back, whatever the network is called", "p-api-1.front", dnsmessage.TypeA, "Success " + ip},
		{"nobody's address", reverse(ep6.IPv6.Addr().Next().Next().Next()), dnsmessage.TypePTR, unknown},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := said(asker, network, question{c.name, c.kind, 0}); got != c.want {
				t.Errorf("%s (%s): got %q, want %q", c.sentence, network, got, c.want)
			}
		}
	}
}

// Forty replicas have no room in a datagram: the client is told, and asks over TCP.
func TestManyReplicas(t *testing.T) {
	const replicas = 40
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	var s *Sandbox
	for i := range replicas {
		s, _ = h.replica(n, fmt.Sprint("web-", i), "web")
	}
	count := func(network string, size uint16) string {
		m, err := exchange(s.File(), network, "127.0.0.11:53", question{"web", dnsmessage.TypeA, size})
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%d truncated=%v", len(m.Answers), m.Truncated)
	}
	want := []string{"30 truncated=true", "40 truncated=false", "40 truncated=false"}
	got := []string{count("udp", 0), count("udp", 1232), count("tcp", 0)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without EDNS, with it, over TCP: want -, got +\n%s", diff)
	}
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return s.upstream(ctx, network, dns.ServerAddr())
	}}
	if all, err := r.LookupNetIP(t.Context(), "ip4", "web."); err != nil || len(all) != replicas {
		t.Errorf("a client that does all this: %d addresses, %v", len(all), err)
	}
}

// The addresses of a service take turns in front, and only those that are well.
func TestRotationOverHealthyReplicas(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s, ip1 := h.replica(n, "web-1", "web")
	_, ip2 := h.replica(n, "web-2", "web")
	h.replica(n, "web-3", "web")
	h.SetAnswering("web-3", Unhealthy)
	first := map[string]int{}
	for range 10 {
		m, err := exchange(s.File(), "udp", "127.0.0.11:53", question{"web", dnsmessage.TypeA, 0})
		if err != nil || len(m.Answers) != 2 {
			t.Fatalf("%v, %d addresses", err, len(m.Answers))
		}
		first[netip.AddrFrom4(m.Answers[0].Body.(*dnsmessage.AResource).A).String()]++
	}
	if diff := cmp.Diff(map[string]int{ip1: 5, ip2: 5}, first); diff != "" {
		t.Errorf("how often in front: want -, got +\n%s", diff)
	}
}

// A container that is a name server itself, as Pi-hole: its neighbours ask it by its
// address, it asks ours, and dns: 127.0.0.1 means itself.
func TestANameServerInAContainer(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s, ip := h.replica(n, "dns-1", "dns")
	neighbour, _ := h.replica(n, "web-1", "web")
	asked := nameServer(t, s.File(), "0.0.0.0:53", answering([4]byte{198, 51, 100, 9}))
	for _, network := range []string{"udp", "tcp"} {
		q := question{"example.com", dnsmessage.TypeA, 0}
		m, err := exchange(neighbour.File(), network, ip+":53", q)
		if got := text(&m); err != nil || got != "Success 198.51.100.9" {
			t.Errorf("a neighbour (%s): %v, %s", network, err, got)
		}
		if got := resolve(s, network, "dns"); got != ip {
			t.Errorf("itself, asking us (%s): %s", network, got)
		}
		h.SetResolvers(s, []netip.Addr{resolverAddr, netip.MustParseAddr("127.0.0.1")})
		h.SetResolvers(neighbour, []netip.Addr{netip.MustParseAddr(ip)})
		for _, from := range []*Sandbox{s, neighbour} {
			if got := said(from, network, q); got != "Success 198.51.100.9" {
				t.Errorf("dns: from %s (%s): %s", from.Key(), network, got)
			}
		}
	}
	from, _ := netip.ParseAddrPort(asked.last.Load().(string))
	if want := neighbour.links[0].IPv4.Addr(); from.Addr() != want {
		t.Errorf("the server sees %v, want the container's own address %v", from, want)
	}
}

// A network without a bridge has a part of the LAN's addresses; whoever has the others is
// known to the LAN's name servers.
func TestAddressesOfTheLANAreNotOurs(t *testing.T) {
	for bridge, want := range map[string]int{"": 0, "tf-1": 1} {
		n := network{Network: engine.Network{Bridge: bridge, Pools: []engine.Pool{{Subnet: prefix("192.168.1.0/24")}}}}
		if got := n.known().Subnets; len(got) != want {
			t.Errorf("bridge %q: %v", bridge, got)
		}
	}
}

// Our server is not asked what we have been asked, were it ever so often in dns:.
func TestOurServerIsNoResolver(t *testing.T) {
	h := newTestHost(t)
	h.resolvers("127.0.0.53")
	nameServer(t, h.host, "127.0.0.53:53", answering([4]byte{198, 51, 100, 9}))
	s, _ := h.replica(h.network(engine.NetworkSpec{Name: "n"}), "web-1", "web")
	h.SetResolvers(s, []netip.Addr{resolverAddr})
	if got := resolve(s, "udp", "example.com"); got != "198.51.100.9" {
		t.Errorf("got %s, want the answer of the host's resolver", got)
	}
}

// A resolver that is not there, and one that fails, cost nothing but the next question.
func TestTheNextResolverIsAsked(t *testing.T) {
	h := newTestHost(t)
	h.resolvers("127.0.0.50", "127.0.0.51", "127.0.0.52", "127.0.0.53")
	failing := func(code dnsmessage.RCode) responder {
		return func(m *dnsmessage.Message) *dnsmessage.Message {
			m.Response, m.RCode, m.Additionals = true, code, nil
			return m
		}
	}
	nameServer(t, h.host, "127.0.0.51:53", failing(dnsmessage.RCodeServerFailure))
	nameServer(t, h.host, "127.0.0.52:53", failing(dnsmessage.RCodeRefused))
	last := nameServer(t, h.host, "127.0.0.53:53", func(m *dnsmessage.Message) *dnsmessage.Message {
		if m.Questions[0].Name.String() == "gone.example.com." {
			return failing(dnsmessage.RCodeNameError)(m)
		}
		return answering([4]byte{198, 51, 100, 9})(m)
	})
	s, _ := h.replica(h.network(engine.NetworkSpec{Name: "n"}), "web-1", "web")
	for _, network := range []string{"udp", "tcp"} {
		got := []string{resolve(s, network, "example.com"), resolve(s, network, "gone.example.com")}
		if diff := cmp.Diff([]string{"198.51.100.9", "NameError"}, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", network, diff)
		}
	}
	if n := last.count.Load(); n != 4 {
		t.Errorf("the last was asked %d times", n)
	}
}

// A container without network (network_mode: none) is told nothing, and nothing of
// what it asks leaves the host.
func TestWithoutNetworkNothingIsForwarded(t *testing.T) {
	h := newTestHost(t)
	h.resolvers("127.0.0.53")
	asked := nameServer(t, h.host, "127.0.0.53:53", answering([4]byte{198, 51, 100, 9}))
	s := h.sandbox("none")
	if got := resolve(s, "udp", "secret.example.com"); got != "NameError" {
		t.Errorf("got %s", got)
	}
	if n := asked.count.Load(); n != 0 {
		t.Errorf("the host's resolver was asked %d times", n)
	}
}

// served counts what a server of the test was asked.
type served struct {
	count atomic.Int32
	last  atomic.Value // string: from where
}

// responder makes the response to a query, nil for none.
type responder func(m *dnsmessage.Message) *dnsmessage.Message

// answering gives every name one address.
func answering(a [4]byte) responder {
	return func(m *dnsmessage.Message) *dnsmessage.Message {
		m.Response, m.Additionals = true, nil
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.AResource{A: a},
		}}
		return m
	}
}

// nameServer serves both transports in a namespace until the test ends.
func nameServer(tb testing.TB, ns *os.File, addr string, respond responder) *served {
	tb.Helper()
	var (
		s   served
		udp net.PacketConn
		tcp net.Listener
	)
	err := within(ns, func() (err error) {
		if udp, err = new(net.ListenConfig).ListenPacket(tb.Context(), "udp", addr); err != nil {
			return err
		}
		tcp, err = new(net.ListenConfig).Listen(tb.Context(), "tcp", addr)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _, _ = udp.Close(), tcp.Close() })
	reply := func(b []byte, from net.Addr) []byte {
		s.count.Add(1)
		s.last.Store(from.String())
		var m dnsmessage.Message
		if m.Unpack(b) != nil {
			return nil
		}
		r := respond(&m)
		if r == nil {
			return nil
		}
		b, _ = r.Pack()
		return b
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, peer, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			if b := reply(buf[:n], peer); b != nil {
				_, _ = udp.WriteTo(b, peer)
			}
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 4096)
			if n, err := c.Read(buf); err == nil && n > 2 {
				if b := reply(buf[2:n], c.RemoteAddr()); b != nil {
					_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
				}
			}
			_ = c.Close()
		}
	}()
	return &s
}

// A host on which dnsmasq has port 53 of every address: names work, and it is asked.
func TestAHostWithDnsmasq(t *testing.T) {
	requireTool(t, "dnsmasq")
	h := newTestHost(t)
	cmd := exec.CommandContext(t.Context(), "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=",
		"--user=root", "--no-resolv", "--no-hosts", "--address=/www.example.com/198.51.100.7")
	if err := within(h.host, cmd.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	h.resolvers("127.0.0.1")
	s, ip := h.replica(h.network(engine.NetworkSpec{Name: "n"}), "web-1", "web")
	until(t, func() string { // it takes a moment to begin
		m, err := exchange(h.host, "tcp", "127.0.0.1:53", question{"www.example.com", dnsmessage.TypeA, 0})
		if err != nil {
			return err.Error()
		}
		return text(&m)
	}, "Success 198.51.100.7")
	for _, network := range []string{"udp", "tcp"} {
		want := []string{ip, "198.51.100.7"}
		if diff := cmp.Diff(want, []string{resolve(s, network, "web"), resolve(s, network, "www.example.com")}); diff != "" {
			t.Errorf("%s: want -, got +\n%s", network, diff)
		}
	}
}

// until waits for an answer.
func until(tb testing.TB, get func() string, want string) {
	tb.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		got := get()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("still %q, want %q", got, want)
		}
		time.Sleep(time.Millisecond)
	}
}
