package network

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/option"
)

// onLAN is a macvlan network on the segment of the neighbour, who is its gateway.
func onLAN(mode string) engine.NetworkSpec {
	return engine.NetworkSpec{
		Name: "lan", Driver: "macvlan", DriverOpts: map[string]string{"parent": "lan0", "macvlan_mode": mode},
		Pools: []engine.Pool{{
			Subnet: prefix("192.0.2.0/24"), Range: prefix("192.0.2.128/25"), Gateway: netip.MustParseAddr(neighbourIP),
		}},
	}
}

func TestMacvlanPutsContainersOnTheLAN(t *testing.T) {
	for mode, peer := range map[string]string{
		"bridge":  "b 192.0.2.128",
		"private": "timeout",
		"vepa":    "timeout", // the test's segment is no switch that sends back
	} {
		t.Run(mode, func(t *testing.T) {
			h := newTestHost(t)
			outside := h.neighbour()
			before := h.leftovers()
			n := h.network(onLAN(mode))
			a, b := h.sandbox("a"), h.sandbox("b")
			epA, epB := h.attach(a, n, "a"), h.attach(b, n, "b")
			serve(t, b.File(), ":80", "b")
			serve(t, outside, ":81", "neighbour")
			serve(t, h.host, ":82", "host")
			for sentence, w := range map[string]struct{ got, want string }{
				"addresses are of the range":     {epA.IPv4.String() + " " + epA.MacAddress, "192.0.2.128/24 02:42:c0:00:02:80"},
				"no link is left on the host":    {epA.HostLink, ""},
				"the gateway is the one given":   {gateway(t, a), neighbourIP},
				"one container from another":     {expect(peer, a.File(), at(epB, "80")), peer},
				"a neighbour from a container":   {ask(a.File(), neighbourIP+":81"), "neighbour 192.0.2.128"},
				"a container from a neighbour":   {ask(outside, at(epB, "80")), "b " + neighbourIP},
				"the host is not to be reached":  {expect("timeout", a.File(), hostIP+":82"), "timeout"},
				"no port of it can be published": {outsideName(a), "none"},
			} {
				if w.got != w.want {
					t.Errorf("%s: got %q, want %q", sentence, w.got, w.want)
				}
			}
			h.SetAnswering("b", Answering)
			if got := resolve(a, "udp", "b"); got != epB.IPv4.Addr().String() {
				t.Errorf("the name: got %q", got)
			}
			h.gone("a", "b")
			if err := h.Remove(t.Context(), n); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(before, h.leftovers()); diff != "" {
				t.Errorf("before -, after +\n%s", diff)
			}
		})
	}
}

// askAgain is ask that does not give up at once.
func askAgain(ns *os.File, addr string) string {
	got := "timeout"
	for i := 0; got == "timeout" && i < 5; i++ {
		got = ask(ns, addr)
	}
	return got
}

func outsideName(s *Sandbox) string {
	if ep, ok := s.Outside(); ok {
		return ep.Network
	}
	return "none"
}

func (h *testHost) gone(keys ...string) {
	h.tb.Helper()
	for _, key := range keys {
		if err := h.DropSandbox(h.tb.Context(), key); err != nil {
			h.tb.Error(err)
		}
	}
}

// The kernel removes the links of a namespace some time after it; the replica may want its
// address, and so its MAC address, again before that.
func TestAReplicaComesBackToTheLANWithItsAddress(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	n := h.network(onLAN("bridge"))
	var former engine.Endpoint
	for range 20 {
		ep, err := h.Attach(t.Context(), h.sandbox("a"), AttachRequest{Network: n, Keep: former})
		if err != nil {
			t.Fatal(err)
		}
		if former.ID != "" && ep.IPv4 != former.IPv4 {
			t.Fatalf("got %s, want %s", ep.IPv4, former.IPv4)
		}
		former = ep
		h.gone("a")
	}
}

func TestPassthruIsForOne(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	n := h.network(onLAN("passthru"))
	if ep := h.attach(h.sandbox("a"), n); ep.MacAddress != "" {
		t.Errorf("got the MAC address %s, want the parent's", ep.MacAddress)
	}
	_, err := h.Attach(t.Context(), h.sandbox("b"), AttachRequest{Network: n})
	if !errors.Is(err, engine.ErrConflict) || engine.HintOf(err) == "" {
		t.Errorf("a second one: got %v", err)
	}
	h.gone("a")
	h.attach(h.sandbox("b"), n)
}

func TestMacvlanWithoutParentReachesItselfOnly(t *testing.T) {
	h := newTestHost(t)
	before := h.leftovers()
	n := h.network(engine.NetworkSpec{Name: "n", Driver: "macvlan", Internal: true, EnableIPv6: true})
	a, b := h.sandbox("a"), h.sandbox("b")
	h.attach(a, n, "a")
	ep := h.attach(b, n, "b")
	serve(t, b.File(), ":80", "b")
	if got := ask(a.File(), at(ep, "80")); !strings.HasPrefix(got, "b ") {
		t.Errorf("IPv4: got %q", got)
	}
	// The kernel joins the group by which neighbours are found some time after the address
	// is there; a first packet that is lost is sent again after a second.
	if got := askAgain(a.File(), netip.AddrPortFrom(ep.IPv6.Addr(), 80).String()); !strings.HasPrefix(got, "b ") {
		t.Errorf("IPv6: got %q", got)
	}
	if got := gateway(t, a); got != "none" {
		t.Errorf("the gateway: got %q", got)
	}
	if err := h.Detach(t.Context(), b, ep); err != nil {
		t.Fatal(err)
	}
	if got := expect("timeout", a.File(), at(ep, "80")); got != "timeout" {
		t.Errorf("one that was taken off: got %q", got)
	}
	h.gone("a", "b")
	if err := h.Remove(t.Context(), n); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, h.leftovers()); diff != "" {
		t.Errorf("before -, after +\n%s", diff)
	}
}

func TestRestoreFindsMacvlansAsTheyWere(t *testing.T) {
	for name, breakIt := range map[string]func(h *testHost, n engine.Network){
		"nothing happened":        func(*testHost, engine.Network) {},
		"the parent is gone":      func(h *testHost, n engine.Network) { h.dropLink(n.Parent) },
		"a container's link goes": func(h *testHost, _ engine.Network) { h.dropInside("a", "eth0") },
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			n := h.network(engine.NetworkSpec{Name: "n", Driver: "macvlan"})
			var formers []Former
			for _, key := range []string{"a", "b"} {
				ep := h.attach(h.sandbox(key), n, key)
				formers = append(formers, Former{Key: key, ContainerID: key, Name: key, Endpoints: []engine.Endpoint{ep}})
			}
			serve(t, h.sandbox("b").File(), ":80", "b")
			h.reopen(Config{})
			breakIt(h, n)
			if err := h.Restore(t.Context(), []engine.Network{n}, formers); err != nil {
				t.Fatal(err)
			}
			a := h.sandbox("a")
			if got := ask(a.File(), at(formers[1].Endpoints[0], "80")); got != "b "+formers[0].Endpoints[0].IPv4.Addr().String() {
				t.Errorf("a neighbour: got %q", got)
			}
			h.SetAnswering("b", Answering)
			h.AnswerNames()
			if got := resolve(a, "udp", "b"); got != formers[1].Endpoints[0].IPv4.Addr().String() {
				t.Errorf("its name: got %q", got)
			}
			if ep := h.attach(h.sandbox("c"), n); ep.IPv4 == formers[0].Endpoints[0].IPv4 {
				t.Error("an address was given out twice")
			}
			h.reopen(Config{})
			if err := h.Restore(t.Context(), nil, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := h.rtnl.index(n.Parent); err == nil {
				t.Error("the parent is there although no record knows it")
			}
		})
	}
}

// dropInside removes a link in a sandbox that no Manager has open.
func (h *testHost) dropInside(key, name string) {
	h.tb.Helper()
	ns, err := openPinned(h.pinPath(key))
	if err != nil {
		h.tb.Fatal(err)
	}
	defer func() { _ = ns.Close() }()
	err = within(ns, func() error {
		c, err := dialRtnl()
		if err != nil {
			return err
		}
		return errors.Join(c.do(deleteLink("drop", name)), c.Close())
	})
	if err != nil {
		h.tb.Fatal(err)
	}
}

// A network whose parent was unplugged is no reason for an engine not to start.
func TestRestoreGoesOnWithoutAParentOfTheHosts(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	n := h.network(onLAN("bridge"))
	ep := h.attach(h.sandbox("a"), n, "a")
	h.reopen(Config{})
	h.dropLink("lan0")
	if err := h.Restore(t.Context(), []engine.Network{n}, []Former{{Key: "a", ContainerID: "a", Endpoints: []engine.Endpoint{ep}}}); err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), n); err != nil {
		t.Error(err)
	}
}

func TestTheHostsParentIsLeftAlone(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	n, spec := h.network(onLAN("bridge")), onLAN("bridge")
	spec.Name, spec.Pools = "second", nil
	second := h.network(spec)
	h.attach(h.sandbox("a"), n)
	h.attach(h.sandbox("b"), second)
	for _, gone := range []engine.Network{n, second} {
		if err := h.Remove(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.rtnl.index("lan0"); err != nil {
		t.Error(err)
	}
}

func TestParentsThatCannotBe(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	for _, c := range []struct {
		driver, parent string
		kind           error
		want           string
	}{
		{"macvlan", "eth9", engine.ErrNotFound, "create network n: parent eth9: the host has no interface of that name"},
		{"macvlan", "eth9.10", engine.ErrNotFound, "create network n: parent eth9: the host has no interface of that name"},
		{"ipvlan", "lan0.4095", engine.ErrNotFound, "create network n: parent lan0.4095: the host has no interface of that name"},
	} {
		spec := engine.NetworkSpec{Name: "n", Driver: c.driver, DriverOpts: map[string]string{"parent": c.parent}}
		_, err := h.Create(t.Context(), spec, engine.NewID(), "p")
		if err == nil || err.Error() != c.want || !errors.Is(err, c.kind) {
			t.Errorf("%s: got %v\nwant %s", c.parent, err, c.want)
		}
	}
}

// What this kernel does not have is an error that says so; what it has must work.
func TestVLANs(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	spec := onLAN("bridge")
	spec.DriverOpts["parent"] = "lan0.10"
	n, err := h.Create(t.Context(), spec, engine.NewID(), "p")
	if errors.Is(err, engine.ErrUnsupported) {
		want := "create network lan: this kernel has no VLANs (8021q): create VLAN lan0.10: operation not supported"
		if err.Error() != want || engine.HintOf(err) == "" {
			t.Errorf("got %v\nwant %s", err, want)
		}
		t.Log("this kernel has none: its error was tested")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	h.attach(h.sandbox("a"), n)
	h.gone("a")
	if err := h.Remove(t.Context(), n); err != nil {
		t.Error(err)
	}
	if _, err := h.rtnl.index("lan0.10"); err == nil {
		t.Error("the link of the VLAN is left behind")
	}
}

func TestIPvlan(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	spec := onLAN("")
	spec.Driver, spec.DriverOpts = "ipvlan", map[string]string{"parent": "lan0", "ipvlan_mode": "l2"}
	n := h.network(spec)
	a := h.sandbox("a")
	ep, err := h.Attach(t.Context(), a, AttachRequest{Network: n})
	if errors.Is(err, engine.ErrUnsupported) {
		want := "attach to network lan: this kernel has no ipvlan: create ipvlan eth0: operation not supported"
		if err.Error() != want || engine.HintOf(err) == "" {
			t.Errorf("got %v\nwant %s", err, want)
		}
		t.Log("this kernel has none: its error was tested")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	serve(t, a.File(), ":80", "a")
	if got := ask(outside, at(ep, "80")); got != "a "+neighbourIP {
		t.Errorf("a neighbour: got %q", got)
	}
	_, err = h.Attach(t.Context(), h.sandbox("b"), AttachRequest{Network: n, Spec: engine.EndpointSpec{MacAddress: "02:00:00:00:00:01"}})
	if !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("a MAC address of its own: got %v", err)
	}
}

// In layer 3 there is nobody to ask for an address: what leaves goes to the parent.
func TestIPvlanOfLayer3(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n", Driver: "ipvlan", EnableIPv6: true, DriverOpts: map[string]string{"ipvlan_mode": "l3"}})
	a, b := h.sandbox("a"), h.sandbox("b")
	first, err := h.Attach(t.Context(), a, AttachRequest{Network: n})
	if errors.Is(err, engine.ErrUnsupported) {
		t.Log("this kernel has none")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	ep := h.attach(b, n)
	serve(t, b.File(), ":80", "b")
	if got := gateway(t, a); got != "0.0.0.0" {
		t.Errorf("the default route: got %s, want the link itself", got)
	}
	if got := ask(a.File(), at(ep, "80")); got != "b "+first.IPv4.Addr().String() {
		t.Errorf("IPv4: got %q", got)
	}
	if got := askAgain(a.File(), at6(ep, "80")); got != "b "+first.IPv6.Addr().String() {
		t.Errorf("IPv6: got %q", got)
	}
}

// The requests that this kernel may not carry out, as it would read them: attributes are
// numbered as in linux/if_link.h.
func TestRequestsForLinks(t *testing.T) {
	l := link{name: "eth0", mtu: 1400}
	for sentence, c := range map[string]struct {
		request request
		want    string
	}{
		"a VLAN": {
			taggedLink(link{name: "lan0.10", group: 7}, 5, 10),
			`IFNAME=lan0.10 LINK=5 KIND=vlan DATA={1:0a00} GROUP=7`,
		},
		"an ipvlan of layer 3": {
			branchLink(l, "ipvlan", option.VLAN{Mode: 1, Flag: 2}, 5, 9),
			`IFNAME=eth0 MTU=1400 LINK=5 KIND=ipvlan DATA={1:0100 2:0200} NETNS=9`,
		},
		"a macvlan": {
			branchLink(l, "macvlan", option.VLAN{Mode: 4}, 5, 9),
			`IFNAME=eth0 MTU=1400 LINK=5 KIND=macvlan DATA={1:04000000} NETNS=9`,
		},
	} {
		if got := readLink(t, c.request); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", sentence, got, c.want)
		}
	}
}

func readLink(t *testing.T, r request) string {
	t.Helper()
	attrs := parseAttrs(t, r.Serialize()[unix.SizeofNlMsghdr+unix.SizeofIfInfomsg:])
	words := []string{"IFNAME=" + unix.ByteSliceToString(attrs[unix.IFLA_IFNAME])}
	number := func(name string, kind uint16) {
		if v, ok := attrs[kind]; ok {
			words = append(words, fmt.Sprintf("%s=%d", name, nl.NativeEndian().Uint32(v)))
		}
	}
	number("MTU", unix.IFLA_MTU)
	number("LINK", unix.IFLA_LINK)
	info := parseAttrs(t, attrs[unix.IFLA_LINKINFO])
	words = append(words, "KIND="+unix.ByteSliceToString(info[unix.IFLA_INFO_KIND]))
	data := parseAttrs(t, info[unix.IFLA_INFO_DATA])
	var inner []string
	for _, kind := range slices.Sorted(maps.Keys(data)) {
		inner = append(inner, fmt.Sprintf("%d:%x", kind, data[kind]))
	}
	words = append(words, "DATA={"+strings.Join(inner, " ")+"}")
	number("NETNS", unix.IFLA_NET_NS_FD)
	number("GROUP", unix.IFLA_GROUP)
	return strings.Join(words, " ")
}

func parseAttrs(t *testing.T, b []byte) map[uint16][]byte {
	t.Helper()
	list, err := nl.ParseRouteAttr(b)
	if err != nil {
		t.Fatal(err)
	}
	out := map[uint16][]byte{}
	for _, a := range list {
		out[a.Attr.Type&^unix.NLA_F_NESTED] = a.Value
	}
	return out
}

func TestTheHostForwardsNothingForAMacvlan(t *testing.T) {
	h := newTestHost(t)
	forwards := func() string {
		var value string
		if err := h.inHost(func() (err error) { value, err = readSysctl("net/ipv4/ip_forward"); return err }); err != nil {
			t.Fatal(err)
		}
		return value
	}
	const was = "0"
	if err := h.inHost(func() error { return writeSysctl("net/ipv4/ip_forward", was) }); err != nil {
		t.Fatal(err)
	}
	h.network(engine.NetworkSpec{Name: "flat", Driver: "macvlan"})
	if got := forwards(); got != was {
		t.Errorf("ip_forward with a macvlan: got %s, want %s", got, was)
	}
	bridge := h.network(engine.NetworkSpec{Name: "bridge"})
	if got := forwards(); got != "1" {
		t.Errorf("ip_forward with a bridge: got %s", got)
	}
	if err := h.Remove(t.Context(), bridge); err != nil {
		t.Fatal(err)
	}
	if got := forwards(); got != was {
		t.Errorf("ip_forward after the last bridge: got %s, want %s", got, was)
	}
}
