package network

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// udp publishes port 53.
func udp(hostIP string, hostPort uint16) engine.PortBinding {
	b := tcp(hostIP, hostPort)
	b.ContainerPort, b.Protocol = 53, "udp"
	return b
}

// secondAddresses are further ones of the host on the neighbour's LAN.
var secondAddresses = []string{"192.0.2.9", "2001:db8::9"}

// What a client hears must come from the address that it wrote to, and the container
// must hear of the client itself.
func TestUDPKeepsBothAddresses(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	h.up(h.rtnl, "lan0", secondAddresses...)
	s := h.sandbox("s")
	ep := h.attach(s, h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true}))
	mirror(t, s.File(), ":53")
	h.publish(s, udp("", 5353), udp("127.0.0.1", 5354), udp("::1", 5355), udp("192.0.2.9", 5356), udp("2001:db8::9", 5356))
	gateway, gateway6 := ep.Gateway4.String(), ep.Gateway6.String()
	for _, c := range []struct {
		from     *os.File
		to, want string // the client, as the container knows it
	}{
		{outside, hostIP + ":5353", neighbourIP},
		{outside, "192.0.2.9:5353", neighbourIP},
		{outside, "[2001:db8::1]:5353", "2001:db8::2"},
		{outside, "[2001:db8::9]:5353", "2001:db8::2"},
		{outside, "192.0.2.9:5356", neighbourIP},
		{outside, "[2001:db8::9]:5356", "2001:db8::2"},
		{h.host, "127.0.0.1:5353", gateway},
		{h.host, "127.9.9.9:5353", gateway},
		{h.host, "[::1]:5353", gateway6},
		{h.host, "127.0.0.1:5354", gateway},
		{h.host, "[::1]:5355", gateway6},
		{h.host, "192.0.2.9:5353", hostIP}, // the first of the subnet
		{h.host, gateway + ":5353", gateway},
	} {
		if got := askUDP(c.from, c.to); got != c.want {
			t.Errorf("%s: got %q, want %q", c.to, got, c.want)
		}
	}
}

// mirror tells each client its address.
func mirror(tb testing.TB, ns *os.File, addr string) {
	tb.Helper()
	l := listen(tb, ns, addr)
	if err := l.SetDeadline(time.Time{}); err != nil {
		tb.Fatal(err)
	}
	go func() {
		for {
			_, peer, err := l.ReadFrom(make([]byte, 100))
			if err != nil {
				return
			}
			client, _ := netip.ParseAddrPort(peer.String())
			_, _ = l.WriteTo([]byte(client.Addr().Unmap().String()), peer)
		}
	}()
}

// A port on one address of the host is that address's alone, in both families, and
// leads to containers of one family or both.
func TestAPortOnOneAddress(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	h.up(h.rtnl, "lan0", secondAddresses...)
	four, both := h.sandbox("four"), h.sandbox("both")
	ep := h.attach(four, h.network(engine.NetworkSpec{Name: "four"}))
	h.attach(both, h.network(engine.NetworkSpec{Name: "both", EnableIPv6: true}))
	serve(t, four.File(), ":80", "four")
	serve(t, both.File(), ":80", "both")
	h.publish(four, tcp("2001:db8::9", 8080), tcp("192.0.2.9", 8080))
	h.publish(both, tcp("2001:db8::9", 8081), tcp("192.0.2.9", 8081))
	const refused = "connect: connection refused"
	for to, want := range map[string]string{
		"[2001:db8::9]:8080": "four " + ep.Gateway4.String(), // an IPv6 client of an IPv4 container is forwarded
		"192.0.2.9:8080":     "four " + neighbourIP,
		"[2001:db8::9]:8081": "both 2001:db8::2",
		"192.0.2.9:8081":     "both " + neighbourIP,
		"[2001:db8::1]:8080": refused,
		"192.0.2.1:8080":     refused,
		"[2001:db8::1]:8081": refused,
		"192.0.2.1:8081":     refused,
	} {
		if got := ask(outside, to); got != want {
			t.Errorf("%s: got %q, want %q", to, got, want)
		}
	}
	for _, to := range []string{"127.0.0.1:8080", "[::1]:8080", "127.0.0.1:8081", "[::1]:8081"} {
		if got := ask(h.host, to); got != refused {
			t.Errorf("%s: got %q", to, got)
		}
	}
}

// Containers of other networks use published ports as everybody does: by every
// address of the host, and seen as themselves.
func TestAContainerReachesThePortsOfOtherNetworks(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	h.otherLAN()
	web, db, cut := h.sandbox("web"), h.sandbox("db"), h.sandbox("cut")
	webEP := h.attach(web, h.network(engine.NetworkSpec{Name: "front", EnableIPv6: true}))
	dbEP := h.attach(db, h.network(engine.NetworkSpec{Name: "back", EnableIPv6: true}))
	inner := h.network(engine.NetworkSpec{Name: "inner", Internal: true})
	cutEP := h.attach(cut, inner)
	serve(t, web.File(), ":80", "web")
	mirror(t, web.File(), ":53")
	h.publish(web, tcp("", 8080), udp("", 5353))
	for _, ip := range []string{
		hostIP, otherHostIP, "2001:db8::1", webEP.Gateway4.String(), dbEP.Gateway4.String(),
		webEP.Gateway6.String(), dbEP.Gateway6.String(),
	} {
		want := dbEP.IPv4.Addr().String()
		if netip.MustParseAddr(ip).Is6() {
			want = dbEP.IPv6.Addr().String()
		}
		if got := ask(db.File(), net.JoinHostPort(ip, "8080")); got != "web "+want {
			t.Errorf("%s: got %q, want it to come from %s", ip, got, want)
		}
		if got := askUDP(db.File(), net.JoinHostPort(ip, "5353")); got != want {
			t.Errorf("%s: UDP: got %q, want it to come from %s", ip, got, want)
		}
	}
	// One on an internal network that makes itself a way out.
	index, err := cut.rtnl.index("eth0")
	if err == nil {
		err = cut.rtnl.do(defaultRoute("a way out", index, inner.Pools[0].Gateway))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{hostIP + ":8080", inner.Pools[0].Gateway.String() + ":8080", neighbourIP + ":80", at(webEP, "80")} {
		if got := expect("timeout", cut.File(), to); got != "timeout" {
			t.Errorf("%s out of an internal network: got %q", to, got)
		}
	}
	if got := ask(h.host, at(cutEP, "80")); got != "connect: connection refused" {
		t.Errorf("the host into an internal network: got %q", got)
	}
}

// A connection that is silent for longer than it is remembered goes on.
func TestAConnectionThatIsForgottenGoesOn(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	s := h.sandbox("s")
	h.attach(s, h.network(engine.NetworkSpec{Name: "n"}))
	echoTCP(t, s.File(), ":80")
	h.publish(s, tcp("", 8080))
	for name, c := range map[string]struct {
		ns *os.File
		to string
	}{
		"NAT":       {outside, hostIP + ":8080"},
		"hairpin":   {s.File(), hostIP + ":8080"},
		"loopback":  {h.host, "127.0.0.1:8080"},
		"forwarded": {h.host, "[::1]:8080"},
	} {
		conn := hold(t, c.ns, c.to)
		if err := netlink.ConntrackTableFlush(netlink.ConntrackTable); err != nil {
			t.Fatal(err)
		}
		err := errors.Join(conn.SetDeadline(time.Now().Add(20*time.Second)), second(conn.Write([]byte("?"))))
		if err == nil {
			err = second(conn.Read(make([]byte, 1)))
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second(_ int, err error) error { return err }

// echoTCP says a word first, and then what it hears.
func echoTCP(tb testing.TB, ns *os.File, addr string) {
	tb.Helper()
	accept(tb, ns, addr, func(c net.Conn) {
		tb.Cleanup(func() { _ = c.Close() })
		go func() {
			buf := []byte("!")
			for {
				if _, err := c.Write(buf); err != nil {
					return
				}
				if _, err := c.Read(buf); err != nil {
					return
				}
			}
		}()
	})
}

// What arrives from outside with an address of loopback in it, in either family or in
// the form of the other one, and what comes by a route of the neighbour's own.
func TestNoDatagramGetsInByAnotherWay(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})
	s, other := h.sandbox("s"), h.sandbox("other")
	ep := h.attach(s, n)
	h.attach(other, h.network(engine.NetworkSpec{Name: "other", EnableIPv6: true}))
	l := listen(t, s.File(), ":53")
	h.publish(s, udp("127.0.0.1", 5353), udp("::1", 5353), udp("", 5354))
	if err := h.inHost(func() error {
		return errors.Join(
			writeSysctl("net/ipv4/conf/all/route_localnet", "1"),
			writeSysctl("net/ipv4/conf/lan0/accept_local", "1"),
			writeSysctl("net/ipv6/conf/all/forwarding", "1"),
		)
	}); err != nil {
		t.Fatal(err)
	}
	mac := h.mac("lan0")
	inject := func(ns *os.File, to net.HardwareAddr, from, ip string, port uint16, word string) {
		if err := within(ns, func() error { return rawUDP(to, from, ip, port, word) }); err != nil {
			t.Fatal(err)
		}
	}
	inject(outside, mac, neighbourIP, hostIP, 5354, "control")
	if got, want := received(l), "control from "+neighbourIP; got != want {
		t.Fatalf("got %q, want %q: the attack does not work, and the test proves nothing", got, want)
	}
	inject(outside, mac, "2001:db8::2", "2001:db8::1", 5354, "control")
	if got, want := received(l), "control from 2001:db8::2"; got != want {
		t.Fatalf("got %q, want %q: the attack does not work, and the test proves nothing", got, want)
	}
	from := h.mac(h.bridgeOf(other))
	for _, by := range []struct {
		name     string
		ns       *os.File
		to       net.HardwareAddr
		ip4, ip6 string
	}{
		{"a neighbour", outside, mac, neighbourIP, "2001:db8::2"},
		{"a container", other.File(), from, other.links[0].IPv4.Addr().String(), other.links[0].IPv6.Addr().String()},
	} {
		for i, c := range []struct {
			from, to string
			port     uint16
		}{
			{by.ip4, "127.0.0.1", 5353},
			{"127.0.0.1", "127.0.0.1", 5353},
			{"127.0.0.1", hostIP, 5353},
			{by.ip6, "::1", 5353},
			{"::1", "::1", 5353},
			{"::1", "2001:db8::1", 5353},
			{by.ip6, "::ffff:127.0.0.1", 5353},
			{"::ffff:127.0.0.1", "2001:db8::1", 5353},
			{"::ffff:127.0.0.1", "::ffff:127.0.0.1", 5353},
			{by.ip4, ep.IPv4.Addr().String(), 53},
			{by.ip6, ep.IPv6.Addr().String(), 53},
			{"127.0.0.1", ep.IPv4.Addr().String(), 53},
		} {
			inject(by.ns, by.to, c.from, c.to, c.port, fmt.Sprint(by.name, " ", i))
		}
		inject(by.ns, by.to, by.ip4, hostIP, 5354, "control")
		if got, want := received(l), "control from "+by.ip4; got != want {
			t.Errorf("%s: got %q, want %q", by.name, got, want)
		}
	}
	for _, to := range []string{"127.0.0.1:5353", "[::1]:5353"} {
		send(t, h.host, netip.AddrPort{}, to, "host")
		if got := received(l); got[:4] != "host" {
			t.Errorf("%s: got %q", to, got)
		}
	}
}

// mac is the hardware address of one of the host's links.
func (h *testHost) mac(link string) net.HardwareAddr {
	h.tb.Helper()
	var i *net.Interface
	err := h.inHost(func() (err error) {
		i, err = net.InterfaceByName(link)
		return err
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	return i.HardwareAddr
}

func (h *testHost) bridgeOf(s *Sandbox) string { return s.links[0].network.Bridge }

// rawUDP sends a datagram by eth0 as a frame, with whatever addresses.
func rawUDP(to net.HardwareAddr, from, ip string, port uint16, word string) error {
	i, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	p := datagram(netip.MustParseAddr(from), netip.MustParseAddr(ip), port, word)
	protocol := uint16(unix.ETH_P_IP)
	if p[0]>>4 == 6 {
		protocol = unix.ETH_P_IPV6
	}
	sa := unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: i.Index, Halen: 6}
	copy(sa.Addr[:], to)
	return errors.Join(unix.Sendto(fd, p, 0, &sa), unix.Close(fd))
}

// datagram is a UDP datagram with its IP header.
func datagram(from, to netip.Addr, port uint16, word string) []byte {
	length := uint16(8 + len(word))
	u := binary.BigEndian.AppendUint16(nil, 4000)
	u = binary.BigEndian.AppendUint16(u, port)
	u = binary.BigEndian.AppendUint16(u, length)
	u = append(append(u, 0, 0), word...)
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	pseudo = append(pseudo, byte(length>>8), byte(length), 0, unix.IPPROTO_UDP)
	binary.BigEndian.PutUint16(u[6:], checksum(append(pseudo, u...)))
	var ip []byte
	if to.Is6() {
		ip = append([]byte{0x60, 0, 0, 0, byte(length >> 8), byte(length), unix.IPPROTO_UDP, 64}, from.AsSlice()...)
		return append(append(ip, to.AsSlice()...), u...)
	}
	total := length + 20
	ip = append([]byte{0x45, 0, byte(total >> 8), byte(total), 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}, from.AsSlice()...)
	ip = append(ip, to.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	return append(ip, u...)
}

// checksum is that of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for i, x := range b {
		sum += uint32(x) << (8 * (1 - i%2))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// Whatever is in the way is named, and nothing of what was asked for stays taken.
func TestAPortThatIsTakenIsFoundBeforehand(t *testing.T) {
	h := newTestHost(t)
	ctx := t.Context()
	if _, err := h.Reserve(ctx, "shop-dns-1", []engine.PortBinding{udp("", 5353), tcp("::1", 6000)}); err != nil {
		t.Fatal(err)
	}
	listen(t, h.host, "[::1]:7000")
	serve(t, h.host, "[::]:7001", "of both families")
	const container = "port is already allocated by container shop-dns-1"
	process := fmt.Sprintf("port is already allocated by process %s (pid %d)", filepath.Base(os.Args[0]), os.Getpid())
	for name, c := range map[string]struct {
		b    engine.PortBinding
		want string
	}{
		"UDP":                        {udp("", 5353), "Bind for 0.0.0.0:5353 failed: " + container},
		"UDP, one address of ours":   {udp("127.0.0.1", 5353), "Bind for 127.0.0.1:5353 failed: " + container},
		"::1 beside all addresses":   {tcp("", 6000), "Bind for 0.0.0.0:6000 failed: " + container},
		"a process on ::1":           {udp("::1", 7000), "Bind for [::1]:7000 failed: " + process},
		"a process of both families": {tcp("127.0.0.1", 7001), "Bind for 127.0.0.1:7001 failed: " + process},
	} {
		_, err := h.Reserve(ctx, "x", []engine.PortBinding{tcp("", 8080), udp("", 8080), c.b})
		if err == nil || err.Error() != c.want || !errors.Is(err, engine.ErrConflict) {
			t.Errorf("%s: got %v\nwant %s", name, err, c.want)
		}
	}
	// The same number is another port for another protocol, and on another address.
	free := []engine.PortBinding{tcp("", 5353), tcp("127.0.0.1", 6000), udp("", 6000), tcp("", 8080), udp("", 8080)}
	if _, err := h.Reserve(ctx, "x", free); err != nil {
		t.Error(err)
	}
	full := tcp("", 8079)
	full.HostPortEnd = 8080
	if _, err := h.Reserve(ctx, "y", []engine.PortBinding{full, full}); err == nil ||
		err.Error() != "Bind for 0.0.0.0:8080 failed: port is already allocated by container x" {
		t.Errorf("a range that is full: got %v", err)
	}
}
