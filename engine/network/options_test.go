package network

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

const bridgeOption = "com.docker.network.bridge."

// reach is who tries to get where, and what comes of it.
type reach struct {
	from *os.File
	to   string
	want string
}

func tryAll(t *testing.T, all map[string]reach) {
	t.Helper()
	for sentence, c := range all {
		if got := expect(c.want, c.from, c.to); got != c.want {
			t.Errorf("%s: got %q, want %q", sentence, got, c.want)
		}
	}
}

func at6(ep engine.Endpoint, port string) string {
	return net.JoinHostPort(ep.IPv6.Addr().String(), port)
}

func TestContainersWithoutICCReachEverythingButEachOther(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{
		Name: "n", EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/24")}},
		DriverOpts: map[string]string{bridgeOption + "enable_icc": "false"},
	})
	a, b := h.sandbox("a"), h.sandbox("b")
	epA, epB := h.attach(a, n), h.attach(b, n)
	serve(t, b.File(), ":80", "b")
	serve(t, outside, ":81", "outside")
	h.publish(b, tcp("", 8080))
	tryAll(t, map[string]reach{
		"the other":                         {a.File(), at(epB, "80"), "timeout"},
		"the other over IPv6":               {a.File(), at6(epB, "80"), "timeout"},
		"from the host":                     {h.host, at(epB, "80"), "b 10.1.1.1"},
		"the outside":                       {a.File(), neighbourIP + ":81", "outside " + hostIP},
		"the other's published port":        {a.File(), hostIP + ":8080", "b 10.1.1.1"},
		"a published port from the outside": {outside, hostIP + ":8080", "b " + neighbourIP},
	})
	// By way of the host's router, past the isolation of ports, if both sides want it.
	for from, to := range map[*Sandbox]engine.Endpoint{a: epB, b: epA} {
		index, err := from.rtnl.index("eth0")
		if err != nil {
			t.Fatal(err)
		}
		if err := from.rtnl.do(routeBy(to.IPv4.Addr(), 32, index, to.Gateway4)); err != nil {
			t.Fatal(err)
		}
	}
	if got := expect("timeout", a.File(), at(epB, "80")); got != "timeout" {
		t.Errorf("the other by way of the gateway: got %q", got)
	}
}

func TestGatewayModes(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	serve(t, outside, ":81", "outside")
	other := h.sandbox("other")
	otherNet := h.network(engine.NetworkSpec{Name: "other", EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix("10.2.1.0/24")}}})
	otherEP := h.attach(other, otherNet)
	place := func(name, subnet, mode4, mode6 string) (*Sandbox, engine.Endpoint, []engine.PortBinding) {
		spec := engine.NetworkSpec{
			Name: name, EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix(subnet)}},
			DriverOpts: map[string]string{bridgeOption + "gateway_mode_ipv4": mode4, bridgeOption + "gateway_mode_ipv6": mode6},
		}
		s := h.sandbox(name)
		ep := h.attach(s, h.network(spec))
		serve(t, s.File(), ":80", name)
		serve(t, s.File(), ":82", "hidden")
		return s, ep, Bindings([]engine.PortBinding{tcp("", 8080)}, []Membership{{Network: spec}})
	}
	open, openEP, _ := place("open", "10.1.1.0/24", "nat-unprotected", "nat-unprotected")
	routed, routedEP, ports := place("routed", "10.1.2.0/24", "routed", "nat")
	six, sixEP, ports6 := place("six", "10.1.3.0/24", "nat", "routed")
	r := h.publish(routed, ports...)
	if got := r.Ports(); len(got) != 2 || got[0].String() != "0.0.0.0:0->80/tcp" && got[1].String() != "0.0.0.0:0->80/tcp" {
		t.Errorf("the ports of the routed one: got %v", got)
	}
	tryAll(t, map[string]reach{
		"unprotected: a port that is not published": {outside, at(openEP, "82"), "hidden " + neighbourIP},
		"unprotected: over IPv6":                    {outside, at6(openEP, "82"), "hidden 2001:db8::2"},
		"unprotected: from another network":         {other.File(), at(openEP, "80"), "timeout"},
		"unprotected: it is the host outside":       {open.File(), neighbourIP + ":81", "outside " + hostIP},

		"routed: the published port":              {outside, at(routedEP, "80"), "routed " + neighbourIP},
		"routed: one that is not":                 {outside, at(routedEP, "82"), "timeout"},
		"routed: from another network":            {other.File(), at(routedEP, "80"), "routed " + otherEP.IPv4.Addr().String()},
		"routed: one that is not, from another":   {other.File(), at(routedEP, "82"), "timeout"},
		"routed: the host's port is not taken":    {outside, hostIP + ":8080", "connect: connection refused"},
		"routed: it is itself outside":            {routed.File(), neighbourIP + ":81", "outside " + routedEP.IPv4.Addr().String()},
		"routed: by IPv6 it is the host":          {routed.File(), "[2001:db8::2]:81", "outside 2001:db8::1"},
		"routed: by IPv6 the host's port":         {outside, "[2001:db8::1]:8080", "routed 2001:db8::2"},
		"routed: by IPv6 nothing but by the host": {outside, at6(routedEP, "80"), "timeout"},
	})
	if err := h.Release(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	h.publish(six, ports6...)
	tryAll(t, map[string]reach{
		"closed again":                {outside, at(routedEP, "80"), "timeout"},
		"IPv6 alone: the port":        {outside, at6(sixEP, "80"), "six 2001:db8::2"},
		"IPv6 alone: another one":     {outside, at6(sixEP, "82"), "timeout"},
		"IPv6 alone: as itself":       {six.File(), "[2001:db8::2]:81", "outside " + sixEP.IPv6.Addr().String()},
		"IPv6 alone: by IPv4 as host": {six.File(), neighbourIP + ":81", "outside " + hostIP},
	})
}

func TestTheOutsideSeesTheAddressThatWasChosen(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	h.up(h.rtnl, "lan0", "192.0.2.7", "2001:db8::7")
	serve(t, outside, ":81", "outside")
	n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true, DriverOpts: map[string]string{
		"com.docker.network.host_ipv4": "192.0.2.7", "com.docker.network.host_ipv6": "2001:db8::7",
	}})
	plain := h.network(engine.NetworkSpec{Name: "plain", EnableIPv6: true})
	s, p := h.sandbox("s"), h.sandbox("p")
	h.attach(s, n)
	h.attach(p, plain)
	tryAll(t, map[string]reach{
		"IPv4":                           {s.File(), neighbourIP + ":81", "outside 192.0.2.7"},
		"IPv6":                           {s.File(), "[2001:db8::2]:81", "outside 2001:db8::7"},
		"another network does as before": {p.File(), neighbourIP + ":81", "outside " + hostIP},
	})
}

func TestTheBridgeHasNoAddressWhereItIsToHaveNone(t *testing.T) {
	h := newTestHost(t)
	for sentence, c := range map[string]struct {
		spec engine.NetworkSpec
		want string // families of the bridge's addresses
	}{
		"both as a rule": {engine.NetworkSpec{EnableIPv6: true}, "4 6"},
		"inhibit_ipv4":   {engine.NetworkSpec{EnableIPv6: true, DriverOpts: map[string]string{bridgeOption + "inhibit_ipv4": "true"}}, "6"},
		"isolated": {engine.NetworkSpec{EnableIPv6: true, Internal: true, DriverOpts: map[string]string{
			bridgeOption + "gateway_mode_ipv4": "isolated", bridgeOption + "gateway_mode_ipv6": "isolated",
		}}, ""},
		"no IPv4": {engine.NetworkSpec{EnableIPv6: true, DisableIPv4: true}, "6"},
		"no IPv6": {engine.NetworkSpec{}, "4"},
	} {
		c.spec.Name = sentence
		n := h.network(c.spec)
		if diff := cmp.Diff(c.want, strings.Join(h.families(n.Bridge), " ")); diff != "" {
			t.Errorf("%s: want -, got +\n%s", sentence, diff)
		}
		a, b := h.sandbox("a-"+n.ID[:8]), h.sandbox("b-"+n.ID[:8])
		h.attach(a, n)
		ep := h.attach(b, n)
		serve(t, b.File(), ":80", "b")
		to := at6(ep, "80")
		if ep.IPv4.IsValid() {
			to = at(ep, "80")
		}
		if got := askAgain(a.File(), to); !strings.HasPrefix(got, "b ") {
			t.Errorf("%s: a neighbour: got %q", sentence, got)
		}
	}
}

// families lists those of a link's addresses that are not link-local.
func (h *testHost) families(name string) []string {
	h.tb.Helper()
	var found []string
	err := h.inHost(func() error {
		i, err := net.InterfaceByName(name)
		if err != nil {
			return err
		}
		addrs, err := i.Addrs()
		for _, a := range addrs {
			p := prefix(a.String())
			switch {
			case p.Addr().IsLinkLocalUnicast():
			case p.Addr().Is4():
				found = append(found, "4")
			default:
				found = append(found, "6")
			}
		}
		return err
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	return found
}

func TestInterfacesInContainers(t *testing.T) {
	h := newTestHost(t)
	lan := h.network(engine.NetworkSpec{Name: "lan", DriverOpts: map[string]string{
		"com.docker.network.container_iface_prefix": "lan", "com.docker.network.driver.mtu": "1400",
	}})
	mac := h.network(engine.NetworkSpec{Name: "mac", Driver: "macvlan", DriverOpts: map[string]string{"com.docker.network.driver.mtu": "1300"}})
	plain := h.network(engine.NetworkSpec{Name: "plain", EnableIPv6: true})
	s := h.sandbox("s")
	h.attach(s, lan)
	h.attach(s, mac)
	spec := engine.EndpointSpec{
		LinkLocal: []netip.Addr{netip.MustParseAddr("169.254.7.7"), netip.MustParseAddr("fe80::7")},
		DriverOpts: map[string]string{
			"com.docker.network.endpoint.ifname":  "wan",
			"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.hop_limit=33",
		},
	}
	if _, err := h.Attach(t.Context(), s, AttachRequest{Network: plain, Spec: spec}); err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := within(s.File(), func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			if i.Name == "lo" {
				continue
			}
			words := []string{i.Name, "mtu", strconv.Itoa(i.MTU)}
			addrs, _ := i.Addrs()
			for _, a := range addrs {
				if p := prefix(a.String()); p.Addr().IsLinkLocalUnicast() && !strings.HasPrefix(p.String(), "fe80::42:") {
					words = append(words, p.String())
				}
			}
			got = append(got, strings.Join(words, " "))
		}
		martians, err2 := readSysctl("net/ipv4/conf/wan/log_martians")
		hops, err3 := readSysctl("net/ipv6/conf/wan/hop_limit")
		ra, err4 := readSysctl("net/ipv6/conf/wan/accept_ra")
		got = append(got, "martians "+martians+" hops "+hops+" ra "+ra)
		return errors.Join(err, err2, err3, err4)
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"lan0 mtu 1400", "eth0 mtu 1300", "wan mtu 1500 169.254.7.7/16 fe80::7/64", "martians 1 hops 33 ra 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	for want, spec := range map[string]engine.EndpointSpec{
		"attach to network lan: interface name eth0 is in use by another network of the container": {Interface: "eth0"},
		"attach to network lan: interface name \"a b\": ' ' may not be in an interface name":       {Interface: "a b"},
		"attach to network lan: link_local_ips: 10.1.1.1 is not a link-local address (169.254.0.0/16, fe80::/10)": {
			Interface: "x", LinkLocal: []netip.Addr{netip.MustParseAddr("10.1.1.1")},
		},
		"attach to network lan: endpoint option: the kernel has no parameter net/ipv4/conf/y/absent": {
			Interface: "y", DriverOpts: map[string]string{"com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.absent=1"},
		},
		"attach to network lan: driver option x of an endpoint is not supported": {DriverOpts: map[string]string{"x": "1"}},
	} {
		o := h.sandbox("other")
		h.attach(o, plain)
		if _, err := h.Attach(t.Context(), o, AttachRequest{Network: lan, Spec: spec}); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
		h.gone("other")
	}
}

func TestNetworksThatCannotBe(t *testing.T) {
	h := newTestHost(t)
	for want, spec := range map[string]engine.NetworkSpec{
		"create network n: a network without IPv4 and without IPv6": {DisableIPv4: true},
		"create network n: subnet 10.1.0.0/24: the network has no IPv4 (enable_ipv4: false)": {
			DisableIPv4: true, EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix("10.1.0.0/24")}},
		},
		"create network n: network driver \"overlay\" is not supported (bridge, macvlan, ipvlan, host and none are)": {Driver: "overlay"},
	} {
		spec.Name = "n"
		if _, err := h.Create(t.Context(), spec, engine.NewID(), "p"); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if found := h.leftovers()["table"]; found != false {
		t.Error("a table is left")
	}
}

// A subnet of IPv6 is a wish for IPv6.
func TestASubnetOfIPv6IsEnough(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n", Pools: []engine.Pool{{Subnet: prefix("fd00:1::/64")}}})
	a, b := h.sandbox("a"), h.sandbox("b")
	h.attach(a, n)
	ep := h.attach(b, n)
	serve(t, b.File(), ":80", "b")
	if got := askAgain(a.File(), at6(ep, "80")); !strings.HasPrefix(got, "b fd00:1::") {
		t.Errorf("got %q", got)
	}
}

// A new engine finds what options have made, also where a link has gone meanwhile.
func TestRestoreKeepsToTheOptions(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	spec := engine.NetworkSpec{Name: "routed", Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/24")}}, DriverOpts: map[string]string{
		bridgeOption + "gateway_mode_ipv4": "routed", bridgeOption + "enable_icc": "false",
	}}
	n := h.network(spec)
	var formers []Former
	for _, key := range []string{"a", "b"} {
		s := h.sandbox(key)
		formers = append(formers, Former{Key: key, ContainerID: key, Name: key, Endpoints: []engine.Endpoint{h.attach(s, n, key)}})
		serve(t, s.File(), ":80", key)
	}
	r := h.publish(h.sandbox("b"), Bindings([]engine.PortBinding{tcp("", 8080)}, []Membership{{Network: spec}})...)
	formers[1].Published = r.Ports()
	h.reopen(Config{})
	h.dropLink(n.Bridge)
	if err := h.Restore(t.Context(), []engine.Network{n}, formers); err != nil {
		t.Fatal(err)
	}
	a, b := formers[0].Endpoints[0], formers[1].Endpoints[0]
	tryAll(t, map[string]reach{
		"the published port, by route": {outside, at(b, "80"), "b " + neighbourIP},
		"one that is not":              {outside, at(a, "80"), "timeout"},
		"one from the other":           {h.sandbox("a").File(), at(b, "80"), "timeout"},
	})
}

func TestTheDefaultRouteOfIPv6Moves(t *testing.T) {
	h := newTestHost(t)
	s := h.sandbox("s")
	networks := map[string]engine.Network{}
	for name, subnet := range map[string]string{"a": "fd00:a::/64", "b": "fd00:b::/64"} {
		networks[name] = h.network(engine.NetworkSpec{Name: name, DisableIPv4: true, EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix(subnet)}}})
	}
	h.attach(s, networks["b"])
	for _, want := range []string{"fd00:a::1", "fd00:b::1", "fd00:a::1"} {
		if s.on(networks["a"].ID) < 0 {
			h.attach(s, networks["a"])
		} else if err := h.Detach(t.Context(), s, s.links[s.on(networks["a"].ID)].Endpoint); err != nil {
			t.Fatal(err)
		}
		if got := gateways6(t, s); !slices.Equal(got, []string{want}) {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// gateways6 reads the default routes of IPv6 of a sandbox (proc_net(5): ipv6_route).
func gateways6(tb testing.TB, s *Sandbox) []string {
	tb.Helper()
	var found []string
	err := within(s.File(), func() error {
		b, err := os.ReadFile("/proc/thread-self/net/ipv6_route")
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[1] != "00" || strings.Trim(f[4], "0") == "" {
				continue
			}
			raw, err := hex.DecodeString(f[4])
			if err != nil {
				return err
			}
			a, _ := netip.AddrFromSlice(raw)
			found = append(found, a.String())
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}
