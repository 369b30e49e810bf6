package network

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

const (
	hostIP      = "192.0.2.1"
	neighbourIP = "192.0.2.2"
	otherHostIP = "198.51.100.1"
	otherIP     = "198.51.100.2"
)

// neighbour makes another machine on the host's LAN, which sends everything that it
// does not know to the host.
func (h *testHost) neighbour() *os.File {
	h.tb.Helper()
	return h.machine("lan0", []string{hostIP, "2001:db8::1"}, []string{neighbourIP, "2001:db8::2"})
}

// otherLAN makes a machine on a second one.
func (h *testHost) otherLAN() *os.File {
	h.tb.Helper()
	return h.machine("lan1", []string{otherHostIP}, []string{otherIP})
}

// machine makes a network namespace, and a link of that name to it.
func (h *testHost) machine(name string, here, there []string) *os.File {
	h.tb.Helper()
	var inside *rtnl
	ns, err := newNamespace(func(*os.File) (err error) {
		inside, err = dialRtnl()
		return errors.Join(err, loopbackUp())
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	h.tb.Cleanup(func() { _ = errors.Join(inside.Close(), ns.Close()) })
	peer := nl.NewRtAttr(vethInfoPeer, link{}.header().Serialize())
	for _, a := range (link{name: "eth0"}).attributes() {
		peer.AddChild(a)
	}
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns.Fd())))
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddChild(peer)
	if err := h.rtnl.do(newLink("make the LAN", link{name: name, up: true}, linkInfo("veth", data))); err != nil {
		h.tb.Fatal(err)
	}
	h.up(h.rtnl, name, here...)
	h.up(inside, "eth0", there...)
	index, err := inside.index("eth0")
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, gateway := range here {
		if err := inside.do(defaultRoute("route", index, netip.MustParseAddr(gateway))); err != nil {
			h.tb.Fatal(err)
		}
	}
	// As settle does: a packet that is sent too early is lost, and the next comes a
	// second later, when those who wait for no answer have stopped waiting.
	if err := errors.Join(h.rtnl.do(getLink("settle", name)), inside.do(getLink("settle", "eth0"))); err != nil {
		h.tb.Fatal(err)
	}
	return ns
}

func (h *testHost) up(c *rtnl, name string, addrs ...string) {
	h.tb.Helper()
	index, err := c.index(name)
	if err != nil {
		h.tb.Fatal(err)
	}
	requests := []request{setLinkUp("up", name)}
	for _, a := range addrs {
		ip := netip.MustParseAddr(a)
		bits := 24
		if ip.Is6() {
			bits = 64
		}
		requests = append(requests, addAddress("address "+a, index, netip.PrefixFrom(ip, bits)))
	}
	if err := c.do(requests...); err != nil {
		h.tb.Fatal(err)
	}
}

func (h *testHost) publish(s *Sandbox, bindings ...engine.PortBinding) *Reservation {
	h.tb.Helper()
	r, err := h.Reserve(h.tb.Context(), s.Key(), bindings)
	if err != nil {
		h.tb.Fatal(err)
	}
	if err := h.Publish(h.tb.Context(), r, s); err != nil {
		h.tb.Fatal(err)
	}
	return r
}

// tcp publishes port 80.
func tcp(hostIP string, hostPort uint16) engine.PortBinding {
	b := engine.PortBinding{HostPort: hostPort, ContainerPort: 80, Protocol: "tcp"}
	if hostIP != "" {
		b.HostIP = netip.MustParseAddr(hostIP)
	}
	return b
}

func TestPublishedPortsAreReachedFromWhereTheyShouldBe(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	front := h.network(engine.NetworkSpec{Name: "front", Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/24")}}})
	back := h.network(engine.NetworkSpec{Name: "back", Pools: []engine.Pool{{Subnet: prefix("10.1.2.0/24")}}})
	inner := h.network(engine.NetworkSpec{Name: "inner", Internal: true})
	six := h.network(engine.NetworkSpec{Name: "six", EnableIPv6: true})
	web, web2, db, cut, web6 := h.sandbox("web"), h.sandbox("web2"), h.sandbox("db"), h.sandbox("cut"), h.sandbox("web6")
	webEP := h.attach(web, front)
	h.attach(web2, front)
	h.attach(db, back)
	h.attach(cut, inner)
	web6EP := h.attach(web6, six)
	serve(t, web.File(), ":80", "web")
	serve(t, web.File(), ":81", "hidden")
	serve(t, web6.File(), ":80", "web6")
	h.publish(web, tcp("", 8080), tcp("127.0.0.1", 8081), tcp(hostIP, 8082), tcp("::1", 8083))
	h.publish(web6, tcp("", 8090))

	const refused, timeout = "connect: connection refused", "timeout"
	host := h.host
	for name, c := range map[string]struct {
		from *os.File
		to   string
		want string
	}{
		"all addresses: a neighbour":                {outside, hostIP + ":8080", "web " + neighbourIP},
		"all addresses: a neighbour over IPv6":      {outside, "[2001:db8::1]:8080", "web 10.1.1.1"},
		"all addresses: 127.0.0.1":                  {host, "127.0.0.1:8080", "web 10.1.1.1"},
		"all addresses: 127.0.0.2":                  {host, "127.0.0.2:8080", "web 10.1.1.1"},
		"all addresses: ::1":                        {host, "[::1]:8080", "web 10.1.1.1"},
		"all addresses: the host's own address":     {host, hostIP + ":8080", "web " + hostIP},
		"all addresses: the bridge's address":       {host, "10.1.1.1:8080", "web 10.1.1.1"},
		"all addresses: the container itself":       {web.File(), hostIP + ":8080", "web 10.1.1.1"},
		"all addresses: its own gateway":            {web.File(), "10.1.1.1:8080", "web 10.1.1.1"},
		"all addresses: one on the same network":    {web2.File(), hostIP + ":8080", "web 10.1.1.1"},
		"all addresses: one on another network":     {db.File(), hostIP + ":8080", "web 10.1.2.2"},
		"all addresses: out of an internal network": {cut.File(), hostIP + ":8080", "connect: network is unreachable"},

		"127.0.0.1: the host":          {host, "127.0.0.1:8081", "web 10.1.1.1"},
		"127.0.0.1: another address":   {host, hostIP + ":8081", refused},
		"127.0.0.1: a neighbour":       {outside, hostIP + ":8081", refused},
		"127.0.0.1: a container":       {db.File(), "10.1.2.1:8081", refused},
		"127.0.0.1: its own gateway":   {web.File(), "10.1.1.1:8081", refused},
		"one address: the host":        {host, hostIP + ":8082", "web " + hostIP},
		"one address: a neighbour":     {outside, hostIP + ":8082", "web " + neighbourIP},
		"one address: 127.0.0.1":       {host, "127.0.0.1:8082", refused},
		"one address: bridge's":        {host, "10.1.1.1:8082", refused},
		"::1: the host":                {host, "[::1]:8083", "web 10.1.1.1"},
		"::1: 127.0.0.1":               {host, "127.0.0.1:8083", refused},
		"::1: a neighbour":             {outside, "[2001:db8::1]:8083", refused},
		"IPv6 container: ::1":          {host, "[::1]:8090", "web6 " + web6EP.Gateway6.String()},
		"IPv6 container: a neighbour":  {outside, "[2001:db8::1]:8090", "web6 2001:db8::2"},
		"IPv6 container: IPv4":         {outside, hostIP + ":8090", "web6 " + neighbourIP},
		"by route: a published port":   {outside, at(webEP, "80"), timeout},
		"by route: an unpublished one": {outside, at(webEP, "81"), timeout},
		"by route: over IPv6":          {outside, net.JoinHostPort(web6EP.IPv6.Addr().String(), "80"), timeout},
		"by route: a container":        {db.File(), at(webEP, "80"), timeout},
	} {
		if got := expect(c.want, c.from, c.to); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// A router that lets packets for 127.0.0.0/8 through (route_localnet) and a neighbour
// that sends them must not get to what is published on 127.0.0.1.
func TestANeighbourDoesNotReachLoopbackByAnyRoute(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n"})
	web, other := h.sandbox("web"), h.sandbox("other")
	h.attach(web, n)
	h.attach(other, n)
	serve(t, web.File(), ":80", "web")
	serve(t, h.host, "127.0.0.1:9999", "private")
	h.publish(web, tcp("127.0.0.1", 8081))
	if err := h.inHost(func() error {
		return errors.Join(
			writeSysctl("net/ipv4/conf/lan0/route_localnet", "1"),
			writeSysctl("net/ipv4/conf/"+n.Bridge+"/route_localnet", "1"),
		)
	}); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]*os.File{"a neighbour": outside, "a container": other.File()} {
		gateway := netip.MustParseAddr(hostIP)
		if from != outside {
			gateway = n.Pools[0].Gateway
		}
		if err := toLoopbackOverTheWire(from, gateway); err != nil {
			t.Fatal(err)
		}
		if got := ask(from, "127.0.0.1:9999"); !strings.HasPrefix(got, "private") {
			t.Errorf("%s: got %q from the host's own server: the attack does not work, and the test proves nothing", name, got)
		}
		if got := expect("timeout", from, "127.0.0.1:8081"); got != "timeout" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// toLoopbackOverTheWire makes a namespace send what is for 127.0.0.1 to its gateway.
func toLoopbackOverTheWire(ns *os.File, gateway netip.Addr) error {
	var c *rtnl
	err := within(ns, func() (err error) {
		if c, err = dialRtnl(); err != nil {
			return err
		}
		return errors.Join(
			writeSysctl("net/ipv4/conf/eth0/route_localnet", "1"),
			writeSysctl("net/ipv4/conf/eth0/accept_local", "1"),
		)
	})
	if err != nil {
		return err
	}
	index, err := c.index("eth0")
	if err != nil {
		return err
	}
	return errors.Join(
		c.do(forgetLocal(loopback4.Addr().Next(), 32), forgetLocal(loopback4.Addr(), 8)),
		c.do(loopbackBy(index, gateway)), c.Close(),
	)
}

func forgetLocal(dst netip.Addr, bits uint8) request {
	r := nl.NewNetlinkRequest(unix.RTM_DELROUTE, 0)
	msg := nl.NewRtDelMsg()
	msg.Table, msg.Dst_len, msg.Family = unix.RT_TABLE_LOCAL, bits, unix.AF_INET
	r.AddData(msg)
	r.AddData(nl.NewRtAttr(unix.RTA_DST, dst.AsSlice()))
	return request{r, "forget " + dst.String()}
}

func loopbackBy(index int, gateway netip.Addr) request {
	return routeBy(loopback4.Addr(), 8, index, gateway)
}

// routeBy sends what is for some addresses of IPv4 to a gateway.
func routeBy(dst netip.Addr, bits uint8, index int, gateway netip.Addr) request {
	r := nl.NewNetlinkRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
	msg := nl.NewRtMsg()
	msg.Dst_len, msg.Family = bits, unix.AF_INET
	r.AddData(msg)
	r.AddData(nl.NewRtAttr(unix.RTA_DST, dst.AsSlice()))
	r.AddData(nl.NewRtAttr(unix.RTA_GATEWAY, gateway.AsSlice()))
	r.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	return request{r, dst.String() + " by " + gateway.String()}
}

func TestReserving(t *testing.T) {
	h := newTestHost(t)
	ctx := t.Context()
	first, err := h.Reserve(ctx, "web", []engine.PortBinding{tcp("", 8080)})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("[0.0.0.0:8080->80/tcp [::]:8080->80/tcp]", fmt.Sprint(first.Ports())); diff != "" {
		t.Error(diff)
	}
	serve(t, h.host, "127.0.0.1:7070", "other")
	for name, c := range map[string]struct {
		want string
		b    engine.PortBinding
	}{
		"a container has it": {
			"Bind for 0.0.0.0:8080 failed: port is already allocated by container web", tcp("", 8080),
		},
		"under another address": {
			"Bind for 127.0.0.1:8080 failed: port is already allocated by container web", tcp("127.0.0.1", 8080),
		},
		"a process has it": {
			fmt.Sprintf("Bind for 0.0.0.0:7070 failed: port is already allocated by process %s (pid %d)",
				filepath.Base(os.Args[0]), os.Getpid()),
			tcp("", 7070),
		},
		"not an address of this host": {
			"bind 198.51.100.1:80: listen tcp4 198.51.100.1:80: bind: cannot assign requested address", tcp("198.51.100.1", 80),
		},
		"sctp": {
			"port 80:80/sctp: protocol sctp is not supported (tcp and udp are)",
			engine.PortBinding{HostPort: 80, ContainerPort: 80, Protocol: "sctp"},
		},
	} {
		if _, err := h.Reserve(ctx, "x", []engine.PortBinding{c.b}); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v\nwant %s", name, err, c.want)
		}
	}
	ranged := tcp("", 8079)
	ranged.HostPortEnd = 8082
	second, err := h.Reserve(ctx, "a", []engine.PortBinding{ranged, ranged, tcp("", 0)})
	if err != nil {
		t.Fatal(err)
	}
	ports := second.Ports()
	if ports[0].HostPort != 8079 || ports[2].HostPort != 8081 {
		t.Errorf("got %v, want the free ports of the range", ports)
	}
	if ports[4].HostPort < 1024 || ports[5].HostPort != ports[4].HostPort {
		t.Errorf("got %v, want one port for both families", ports[4:])
	}
	if err := errors.Join(h.Release(ctx, first), h.Release(ctx, second), h.Release(ctx, first)); err != nil {
		t.Error(err)
	}
	if _, err := h.Reserve(ctx, "y", []engine.PortBinding{tcp("", 8080)}); err != nil {
		t.Errorf("after it was released: %v", err)
	}
}

func TestUDPAnswersComeFromTheAddressThatWasAsked(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n"})
	s := h.sandbox("s")
	h.attach(s, n)
	echo(t, s.File(), ":53")
	h.publish(s, engine.PortBinding{HostPort: 5353, ContainerPort: 53, Protocol: "udp"})
	for _, c := range []struct {
		from *os.File
		to   string
	}{
		{h.host, "127.0.0.1:5353"},
		{h.host, "127.0.0.2:5353"},
		{h.host, "[::1]:5353"},
		{h.host, hostIP + ":5353"},
		{outside, hostIP + ":5353"},
		{outside, "[2001:db8::1]:5353"},
		{s.File(), hostIP + ":5353"},
	} {
		if got := askUDP(c.from, c.to); got != "hello" {
			t.Errorf("%s: got %q", c.to, got)
		}
	}
}

func TestAUDPClientIsSentToTheNewContainer(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n"})
	one, two := h.sandbox("one"), h.sandbox("two")
	h.attach(one, n)
	h.attach(two, n)
	echo(t, one.File(), ":53")
	echo(t, two.File(), ":53")
	r, err := h.Reserve(t.Context(), "x", []engine.PortBinding{{HostPort: 5353, ContainerPort: 53, Protocol: "udp"}})
	if err != nil {
		t.Fatal(err)
	}
	var c net.Conn // one client, and so one flow
	if err := within(outside, func() (err error) {
		c, err = net.Dial("udp", hostIP+":5353")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("before it is published")); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Sandbox{one, two} {
		if err := h.Publish(t.Context(), r, s); err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		if got, err := c.Read(buf); err != nil {
			t.Errorf("%s: got %q, %v", s.Key(), buf[:got], err)
		}
		if err := h.DropSandbox(t.Context(), s.Key()); err != nil {
			t.Fatal(err)
		}
	}
}

// echo sends every datagram back.
func echo(tb testing.TB, ns *os.File, addr string) {
	tb.Helper()
	var l net.PacketConn
	err := within(ns, func() (err error) {
		l, err = new(net.ListenConfig).ListenPacket(context.Background(), "udp", addr)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, peer, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = l.WriteTo(buf[:n], peer)
		}
	}()
}

// askUDP sends a word from a connected socket, which takes answers from nobody else.
func askUDP(ns *os.File, addr string) string {
	buf := make([]byte, 100)
	var n int
	err := within(ns, func() error {
		c, err := net.Dial("udp", addr)
		if err != nil {
			return err
		}
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
		_, err = c.Write([]byte("hello"))
		if err == nil {
			n, err = c.Read(buf)
		}
		return errors.Join(err, c.Close())
	})
	if err != nil {
		return err.Error()
	}
	return string(buf[:n])
}

func TestOnePortOnTwoAddressesLeadsToTwoContainers(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n", Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/24")}}})
	one, two := h.sandbox("one"), h.sandbox("two")
	h.attach(one, n)
	h.attach(two, n)
	serve(t, one.File(), ":80", "one")
	serve(t, two.File(), ":80", "two")
	first := h.publish(one, tcp(hostIP, 8080))
	h.publish(two, tcp("127.0.0.1", 8080), tcp("10.1.1.1", 8080))
	if err := h.Release(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if got := ask(one.File(), "10.1.1.1:8080"); got != "two 10.1.1.1" {
		t.Errorf("after the first has gone: got %q", got)
	}
	if got := ask(outside, hostIP+":8080"); got != "connect: connection refused" {
		t.Errorf("the first: got %q", got)
	}
}
