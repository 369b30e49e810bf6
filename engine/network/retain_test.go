package network

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"tiffin/engine"
)

// A container that is recreated finds the sandbox of the one before it, and gets what it
// wants itself.
func TestASandboxIsAsItsLastContainerWantsIt(t *testing.T) {
	h := newTestHost(t)
	a := h.network(engine.NetworkSpec{Name: "a", Pools: []engine.Pool{{Subnet: prefix("10.1.1.0/24")}}})
	b := h.network(engine.NetworkSpec{Name: "b", Pools: []engine.Pool{{Subnet: prefix("10.1.2.0/24")}}})
	mac := h.network(engine.NetworkSpec{Name: "m", Driver: "macvlan", Pools: []engine.Pool{{Subnet: prefix("10.1.3.0/24")}}})
	on := func(n engine.Network, change func(*engine.EndpointSpec)) AttachRequest {
		r := AttachRequest{ContainerID: "c", Network: n}
		if change != nil {
			change(&r.Spec)
		}
		return r
	}
	static := func(ip string) func(*engine.EndpointSpec) {
		return func(e *engine.EndpointSpec) { e.IPv4 = netip.MustParseAddr(ip) }
	}
	for _, c := range []struct {
		sentence string
		requests []AttachRequest
		want     string
		kept     int // endpoints of before that stay
	}{
		{"at first", []AttachRequest{on(a, nil), on(b, nil), on(mac, nil)}, "eth0 10.1.1.2/24, eth1 10.1.2.2/24, eth2 10.1.3.1/24, by 10.1.1.1", 0},
		{"the same again", []AttachRequest{on(a, nil), on(b, nil), on(mac, nil)}, "eth0 10.1.1.2/24, eth1 10.1.2.2/24, eth2 10.1.3.1/24, by 10.1.1.1", 3},
		{"another address", []AttachRequest{on(a, nil), on(b, static("10.1.2.9")), on(mac, nil)}, "eth0 10.1.1.2/24, eth1 10.1.2.9/24, eth2 10.1.3.1/24, by 10.1.1.1", 2},
		{"without a network", []AttachRequest{on(b, static("10.1.2.9")), on(mac, nil)}, "eth0 10.1.2.9/24, eth1 10.1.3.1/24, by 10.1.2.1", 0},
		{"by name", []AttachRequest{on(b, func(e *engine.EndpointSpec) { e.Interface = "lan" })}, "lan 10.1.2.9/24, by 10.1.2.1", 0},
		{"with a MAC address", []AttachRequest{on(b, func(e *engine.EndpointSpec) { e.Interface, e.MacAddress = "lan", "02:00:00:00:00:0A" })}, "lan 10.1.2.9/24, by 10.1.2.1", 0},
		{"another default route", []AttachRequest{on(b, func(e *engine.EndpointSpec) { e.Interface, e.MacAddress = "lan", "02:00:00:00:00:0a" }), on(a, nil)}, "eth0 10.1.1.3/24, lan 10.1.2.9/24, by 10.1.1.1", 1},
		{"by priority", []AttachRequest{on(b, func(e *engine.EndpointSpec) {
			e.Interface, e.MacAddress, e.GwPriority = "lan", "02:00:00:00:00:0a", 1
		}), on(a, nil)}, "eth0 10.1.1.3/24, lan 10.1.2.9/24, by 10.1.2.1", 2},
		{"none at all", nil, "by none", 0},
	} {
		s := h.sandbox("s")
		former, ids := map[string]engine.Endpoint{}, map[string]bool{}
		for _, l := range s.links {
			former[l.NetworkID], ids[l.ID] = l.Endpoint, true
		}
		if err := h.Retain(t.Context(), s, c.requests); err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, r := range c.requests {
			r.Keep = former[r.Network.ID]
			if r.Spec.IPv4.IsValid() {
				r.Keep = engine.Endpoint{}
			}
			ep, err := h.Attach(t.Context(), s, r)
			if err != nil {
				t.Fatalf("%s: %v", c.sentence, err)
			}
			if ids[ep.ID] {
				kept++
			}
		}
		if got := inside(t, s) + "by " + gateway(t, s); got != c.want || kept != c.kept {
			t.Errorf("%s: got %s and kept %d, want %s and %d", c.sentence, got, kept, c.want, c.kept)
		}
	}
	h.gone("s")
	if got := len(h.links()); got != 4 {
		t.Errorf("%d links, want lo, two bridges and a parent: %v", got, h.links())
	}
}

// inside lists the interfaces of a sandbox with their IPv4 addresses.
func inside(t *testing.T, s *Sandbox) string {
	t.Helper()
	var words []string
	err := within(s.File(), func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			addrs, err2 := i.Addrs()
			err = errors.Join(err, err2)
			for _, a := range addrs {
				if p := prefix(a.String()); i.Name != "lo" && p.Addr().Is4() {
					words = append(words, i.Name+" "+p.String()+", ")
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(words)
	return strings.Join(words, "")
}
