package network

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

// serve answers every TCP connection to the address in the namespace with a word and
// the address that it sees.
func serve(tb testing.TB, ns *os.File, addr, word string) {
	tb.Helper()
	accept(tb, ns, addr, func(c net.Conn) {
		peer, _ := netip.ParseAddrPort(c.RemoteAddr().String())
		_, _ = io.WriteString(c, word+" "+peer.Addr().Unmap().String())
		_ = c.Close()
	})
}

// accept hands each connection to handle until the test has ended.
func accept(tb testing.TB, ns *os.File, addr string, handle func(net.Conn)) {
	tb.Helper()
	var l net.Listener
	err := within(ns, func() (err error) {
		l, err = new(net.ListenConfig).Listen(tb.Context(), "tcp", addr)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c)
		}
	}()
}

// ask connects from a namespace and returns what the server there says, or why it
// says nothing. It is patient: on a busy machine a packet may get lost, and the next
// comes a second later.
func ask(ns *os.File, addr string) string { return askFor(ns, addr, 20*time.Second) }

// expect is ask, and does not wait long where a timeout is what is wanted.
func expect(want string, ns *os.File, addr string) string {
	if want == "timeout" {
		return askFor(ns, addr, time.Second)
	}
	return ask(ns, addr)
}

func askFor(ns *os.File, addr string, patience time.Duration) string {
	var answer string
	err := within(ns, func() error {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			return err
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		b, err := io.ReadAll(c)
		answer = string(b)
		return errors.Join(err, c.Close())
	})
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "timeout"
	}
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return err.Error()
	}
	return answer
}

func at(ep engine.Endpoint, port string) string {
	return net.JoinHostPort(ep.IPv4.Addr().String(), port)
}

func TestContainersOfANetworkReachEachOtherAndNobodyElseDoes(t *testing.T) {
	h := newTestHost(t)
	front := h.network(engine.NetworkSpec{Name: "front"})
	back := h.network(engine.NetworkSpec{Name: "back", Internal: true})
	web, app, db := h.sandbox("web"), h.sandbox("app"), h.sandbox("db")
	webFront := h.attach(web, front)
	appFront, appBack := h.attach(app, front), h.attach(app, back)
	dbBack := h.attach(db, back)
	serve(t, app.File(), ":80", "app")
	serve(t, db.File(), ":5432", "db")
	serve(t, web.File(), ":80", "web")

	for name, c := range map[string]struct {
		from *Sandbox
		to   string
		want string
	}{
		"a neighbour on the same network":   {web, at(appFront, "80"), "app " + webFront.IPv4.Addr().String()},
		"over an internal network":          {app, at(dbBack, "5432"), "db " + appBack.IPv4.Addr().String()},
		"itself":                            {web, at(webFront, "80"), "web " + webFront.IPv4.Addr().String()},
		"a container of another network":    {web, at(dbBack, "5432"), "timeout"},
		"another's address on that network": {web, at(appBack, "80"), "timeout"},
		"out of an internal network":        {db, at(webFront, "80"), "connect: network is unreachable"},
		"the host's address on the network": {
			web, netip.AddrPortFrom(webFront.Gateway4, 1).String(), "connect: connection refused",
		},
	} {
		if got := expect(c.want, c.from.File(), c.to); !strings.HasSuffix(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestTheHighestGatewayPriorityHasTheDefaultRoute(t *testing.T) {
	h := newTestHost(t)
	a := h.network(engine.NetworkSpec{Name: "a", Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/24")}}})
	b := h.network(engine.NetworkSpec{Name: "b", Pools: []engine.Pool{{Subnet: prefix("10.1.2.0/24")}}})
	s := h.sandbox("s")
	h.attach(s, a)
	ep, err := h.Attach(t.Context(), s, AttachRequest{Network: b, Spec: engine.EndpointSpec{GwPriority: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if got := gateway(t, s); got != "10.1.2.1" {
		t.Errorf("got %s, want that of b", got)
	}
	if err := h.Detach(t.Context(), s, ep); err != nil {
		t.Fatal(err)
	}
	if got := gateway(t, s); got != "10.1.1.1" {
		t.Errorf("after b has gone: got %s, want that of a", got)
	}
}

// gateway reads the default route of a sandbox.
func gateway(tb testing.TB, s *Sandbox) string {
	tb.Helper()
	found := "none"
	err := within(s.File(), func() error {
		b, err := os.ReadFile("/proc/thread-self/net/route")
		for line := range strings.SplitSeq(string(b), "\n") {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "00000000" {
				found = littleEndian(f[2]).String()
			}
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

// littleEndian reads an address as /proc/net/route writes it.
func littleEndian(hex string) netip.Addr {
	var ip [4]byte
	for i := range ip {
		for _, c := range hex[6-2*i : 8-2*i] {
			ip[i] = ip[i]<<4 | byte(strings.IndexRune("0123456789ABCDEF", c))
		}
	}
	return netip.AddrFrom4(ip)
}

func TestAddresses(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{
		Name: "n", EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/29")}},
	})
	first := h.attach(h.sandbox("first"), n)
	if diff := cmp.Diff("10.1.1.2/29 02:42:0a:01:01:02", first.IPv4.String()+" "+first.MacAddress); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(first.IPv6.String(), "fd") {
		t.Errorf("got %s, want a unique local address", first.IPv6)
	}
	again := h.attach(h.sandbox("first"), n)
	if diff := cmp.Diff(first.IPv4.String(), again.IPv4.String()); diff != "" {
		t.Errorf("attached twice: %s", diff)
	}
	if err := h.DropSandbox(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	if ep := h.attach(h.sandbox("second"), n); ep.IPv4 == first.IPv4 {
		t.Errorf("%s was given out again at once", ep.IPv4)
	}
	kept, err := h.Attach(t.Context(), h.sandbox("first"), AttachRequest{Network: n, Keep: first})
	if err != nil || kept.IPv4 != first.IPv4 || kept.IPv6 != first.IPv6 {
		t.Errorf("got %s %s, %v; want the former addresses", kept.IPv4, kept.IPv6, err)
	}
	third := h.sandbox("third")
	taken := engine.EndpointSpec{IPv4: first.IPv4.Addr()}
	if _, err := h.Attach(t.Context(), third, AttachRequest{Network: n, Spec: taken}); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	outside := engine.EndpointSpec{IPv4: netip.MustParseAddr("10.1.2.2")}
	if _, err := h.Attach(t.Context(), third, AttachRequest{Network: n, Spec: outside}); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("got %v, want it to be invalid", err)
	}
	own := engine.EndpointSpec{MacAddress: "02:00:00:00:00:AA", Interface: "lan"}
	ep, err := h.Attach(t.Context(), third, AttachRequest{Network: n, Spec: own})
	if err != nil {
		t.Fatal(err)
	}
	var there string
	if err := within(third.File(), func() error {
		i, err := net.InterfaceByName("lan")
		if err == nil {
			there = i.HardwareAddr.String()
		}
		return err
	}); err != nil || there != ep.MacAddress {
		t.Errorf("got %s, %v; want %s", there, err, ep.MacAddress)
	}
}

func TestNothingIsLeft(t *testing.T) {
	h := newTestHost(t)
	before := h.leftovers()
	n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})
	for _, key := range []string{"a", "b", "c"} {
		h.attach(h.sandbox(key), n, key)
	}
	if err := h.Detach(t.Context(), h.sandbox("c"), h.sandbox("c").links[0].Endpoint); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"a", "b", "c"} {
		if err := h.DropSandbox(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
	if err := h.Remove(t.Context(), n); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, h.leftovers()); diff != "" {
		t.Errorf("before -, after +\n%s", diff)
	}
}

// leftovers is all that there is of ours on the host.
func (h *testHost) leftovers() map[string]any {
	h.tb.Helper()
	found := map[string]any{}
	links, err := h.look.LinkList()
	if err != nil {
		h.tb.Fatal(err)
	}
	for _, l := range links {
		found["link "+l.Attrs().Name] = true
	}
	if found["table"], err = h.nft.Has(h.fw.head()); err != nil {
		h.tb.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		h.tb.Fatal(err)
	}
	found["mounts"] = strings.Count(string(mounts), h.cfg.RunRoot)
	if found["files"], err = filepath.Glob(h.cfg.RunRoot + "/*/*"); err != nil {
		h.tb.Fatal(err)
	}
	if found["forwarding"], err = readSysctl("net/ipv4/ip_forward"); err != nil {
		h.tb.Fatal(err)
	}
	return found
}
