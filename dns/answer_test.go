package dns

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, a := range list {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// demo is the view of a container with a link, in two networks.
func demo() *View {
	return &View{
		Zones: []*Zone{
			NewZone(Records{Names: map[string][]netip.Addr{"database": addrs("10.1.0.9")}}),
			NewZone(Records{
				Names: map[string][]netip.Addr{
					"web":     addrs("10.1.0.2", "fd00::2"),
					"DB":      addrs("10.1.0.3"),
					"stopped": nil,
					"worker":  addrs("10.1.0.4", "10.1.0.5", "10.1.0.6"),
				},
				Pointers: map[netip.Addr]string{
					netip.MustParseAddr("10.1.0.2"): "demo-web-1.demo_front",
					netip.MustParseAddr("fd00::2"):  "demo-web-1.demo_front",
				},
				Subnets: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24"), netip.MustParsePrefix("fd00::/64")},
				Domain:  "demo_front",
			}),
			NewZone(Records{
				Names:  map[string][]netip.Addr{"web": addrs("10.2.0.2"), "cache": addrs("10.2.0.7"), "stopped": addrs("10.2.0.8")},
				Domain: "dev",
			}),
		},
		Elsewhere: elsewhere("10.9.0.0/16"),
		Upstreams: []Upstream{{Addr: netip.MustParseAddrPort("192.0.2.1:53")}},
	}
}

func elsewhere(subnet string) *Subnets {
	s := new(Subnets)
	s.Set([]netip.Prefix{netip.MustParsePrefix(subnet)})
	return s
}

const typeMX qtype = 15

func TestDecide(t *testing.T) {
	tests := map[string]struct {
		name string
		t    qtype
		want string
	}{
		"a service has its address":                         {"db", typeA, "Success aa db.? 10.1.0.3"},
		"the case of letters means nothing, and comes back": {"dB", typeA, "Success aa dB.? 10.1.0.3"},
		"a service has an IPv6 address":                     {"web", typeAAAA, "Success aa web.? fd000000000000000000000000000002"},
		"a service without IPv6 is no error":                {"db", typeAAAA, "Success aa db.?"},
		"a service has no mail server":                      {"db", typeMX, "Success aa db.?"},
		"HTTPS records neither":                             {"web", 65, "Success aa web.?"},
		"any record means addresses":                        {"web", typeANY, "Success aa web.? 10.1.0.2 fd000000000000000000000000000002"},
		"a link comes before the networks":                  {"database", typeA, "Success aa database.? 10.1.0.9"},
		"the first network that knows a name answers":       {"web", typeA, "Success aa web.? 10.1.0.2"},
		"the second network is asked too":                   {"cache", typeA, "Success aa cache.? 10.2.0.7"},
		"a name without address is looked up further":       {"stopped", typeA, "Success aa stopped.? 10.2.0.8"},
		"a name in its network":                             {"web.demo_front", typeA, "Success aa web.demo_front.? 10.1.0.2"},
		"a name in the other network":                       {"web.dev", typeA, "Success aa web.dev.? 10.2.0.2"},
		"a name without address there is no error":          {"stopped.demo_front", typeA, "Success aa stopped.demo_front.?"},
		"what is not in the network does not exist":         {"cache.demo_front", typeA, "NameError aa cache.demo_front.?"},
		"deeper names in the network do not exist":          {"a.b.demo_front", typeA, "NameError aa a.b.demo_front.?"},
		"a domain that the world has is asked for there":    {"go.dev", typeA, "forward"},
		"a service that is not there":                       {"wbe", typeA, "NameError wbe.?"},
		"a service that is not there, IPv6":                 {"wbe", typeAAAA, "NameError wbe.?"},
		"the search domain of the host":                     {"web.corp.example", typeA, "forward"},
		"other people's names":                              {"example.com", typeA, "forward"},
		"who serves a top-level domain":                     {"com", typeNS, "forward"},
		"the root":                                          {".", typeNS, "forward"},
		"the name of an address":                            {"2.0.1.10.in-addr.arpa", typePTR, "Success aa 2.0.1.10.in-addr.arpa.? demo-web-1.demo_front."},
		"the name of nobody's address in the network":       {"77.0.1.10.in-addr.arpa", typePTR, "NameError aa 77.0.1.10.in-addr.arpa.?"},
		"the name of an address in a network of others":     {"2.0.9.10.in-addr.arpa", typePTR, "NameError aa 2.0.9.10.in-addr.arpa.?"},
		"the name of other people's address":                {"8.8.8.8.in-addr.arpa", typePTR, "forward"},
		"no address":                                        {"300.0.1.10.in-addr.arpa", typePTR, "forward"},
		"half an address":                                   {"1.10.in-addr.arpa", typePTR, "forward"},
		"the name of an IPv6 address": {
			"2" + strings.Repeat(".0", 27) + ".0.0.d.f.ip6.arpa", typePTR,
			"Success aa 2" + strings.Repeat(".0", 27) + ".0.0.d.f.ip6.arpa.? demo-web-1.demo_front.",
		},
		"an address's other records":  {"2.0.1.10.in-addr.arpa", typeA, "Success aa 2.0.1.10.in-addr.arpa.?"},
		"localhost":                   {"localhost", typeA, "Success aa localhost.? 127.0.0.1"},
		"localhost, IPv6":             {"LocalHost", typeAAAA, "Success aa LocalHost.? 00000000000000000000000000000001"},
		"names under localhost":       {"a.localhost", typeA, "Success aa a.localhost.? 127.0.0.1"},
		"localhost's mail":            {"localhost", typeMX, "Success aa localhost.?"},
		"a name that looks similar":   {"notlocalhost", typeA, "NameError notlocalhost.?"},
		"the name of 127.0.0.1":       {"1.0.0.127.in-addr.arpa", typePTR, "Success aa 1.0.0.127.in-addr.arpa.? localhost."},
		"the domain is not a service": {"demo_front", typeA, "NameError demo_front.?"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ask(t, demo(), question(test.name, test.t)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// ask decides a message over UDP and describes what comes of it.
func ask(t *testing.T, v *View, m []byte) string {
	t.Helper()
	verdict, response := v.decide(new(query), m, nil, udp)
	switch verdict {
	case drop:
		return "drop"
	case forward:
		return "forward"
	default:
		if len(response) >= 2 && len(m) >= 2 && !bytes.Equal(response[:2], m[:2]) {
			t.Errorf("response to another query: %x", response)
		}
		return describe(t, response)
	}
}

func TestInternalAndUnconnectedViews(t *testing.T) {
	internal, alone := demo(), demo()
	internal.Internal = true
	alone.Upstreams = nil
	partial := demo()
	partial.Partial = true
	for what, test := range map[string]struct {
		view *View
		want string
	}{
		"who has other servers is sent to them": {partial, "Refused example.com.?"},
		"an internal network asks nobody":       {internal, "NameError example.com.?"},
		"no resolver is a temporary failure":    {alone, "ServerFailure example.com.?"},
	} {
		if got := ask(t, test.view, question("example.com", typeA)); got != test.want {
			t.Errorf("%s: got %s, want %s", what, got, test.want)
		}
		if got := ask(t, test.view, question("db", typeA)); got != "Success aa db.? 10.1.0.3" {
			t.Errorf("%s: a service: %s", what, got)
		}
	}
}

// TestPartialViews: a client that has other servers hears only of what is ours.
func TestPartialViews(t *testing.T) {
	v := &View{Partial: true, Zones: []*Zone{NewZone(Records{
		Names:  map[string][]netip.Addr{"web.shop.tiffin.internal": addrs("10.1.0.2"), "shop.tiffin.internal": nil},
		Domain: "tiffin.internal", Exclusive: true,
	})}}
	for name, want := range map[string]string{
		"web.shop.tiffin.internal": "Success aa web.shop.tiffin.internal.? 10.1.0.2",
		"db.shop.tiffin.internal":  "NameError aa db.shop.tiffin.internal.?",
		"shop.tiffin.internal":     "Success aa shop.tiffin.internal.?",
		"web.shop.localhost":       "Success aa web.shop.localhost.? 127.0.0.1",
		"web.shop":                 "Refused web.shop.?",
		"printer":                  "Refused printer.?",
	} {
		if got := ask(t, v, question(name, typeA)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// TestNamesThatDifferInCase are one name, with the addresses of both.
func TestNamesThatDifferInCase(t *testing.T) {
	v := &View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{
		"Web": addrs("10.1.0.2"), "web": addrs("10.1.0.3"), "WEB": nil,
	}})}}
	if got := ask(t, v, question("web", typeA)); !strings.Contains(got, "10.1.0.2") || !strings.Contains(got, "10.1.0.3") {
		t.Error(got)
	}
}

func TestAddressesTakeTurns(t *testing.T) {
	v := demo()
	for _, want := range []string{
		"10.1.0.4 10.1.0.5 10.1.0.6",
		"10.1.0.5 10.1.0.6 10.1.0.4",
		"10.1.0.6 10.1.0.4 10.1.0.5",
		"10.1.0.4 10.1.0.5 10.1.0.6",
	} {
		if got := ask(t, v, question("worker", typeA)); got != "Success aa worker.? "+want {
			t.Errorf("got %s, want %s", got, want)
		}
		ask(t, v, question("worker", typeAAAA)) // as glibc does each time; takes no turn
	}
}

func TestMessagesThatAreNoQuestions(t *testing.T) {
	edit := func(change func(m []byte) []byte) []byte { return change(question("db", typeA)) }
	set := func(at int, value byte) []byte {
		return edit(func(m []byte) []byte { m[at] = value; return m })
	}
	tests := map[string]struct {
		m    []byte
		want string
	}{
		"nothing":                          {nil, "drop"},
		"less than a header":               {make([]byte, 11), "drop"},
		"a response":                       {set(2, 0x80), "drop"},
		"a status request":                 {set(2, 2<<3), "NotImplemented"},
		"no question":                      {set(5, 0), "FormatError"},
		"two questions":                    {set(5, 2), "FormatError"},
		"a name that points":               {set(12, 0xc0), "FormatError"},
		"a label longer than the message":  {set(12, 63), "FormatError"},
		"a label of a reserved kind":       {set(12, 0x40), "FormatError"},
		"a dot in a label":                 {set(13, '.'), "FormatError"},
		"a question that is cut off":       {edit(func(m []byte) []byte { return m[:len(m)-1] }), "FormatError"},
		"a record that is announced":       {set(11, 1), "FormatError"},
		"another class":                    {set(19, 3), "Refused db.?"},
		"any class":                        {set(19, 255), "Success aa db.? 10.1.0.3"},
		"EDNS":                             {withEDNS(question("db", typeA), 4096), "Success aa db.? 10.1.0.3 edns 1232 RCodeSuccess"},
		"EDNS twice":                       {withEDNS(withEDNS(question("db", typeA), 512), 512), "FormatError"},
		"EDNS with an error":               {withEDNS(question("wbe", typeA), 0), "NameError wbe.? edns 1232 RCodeNameError"},
		"EDNS with options that are short": {edit(func(m []byte) []byte { m = withEDNS(m, 512); m[len(m)-1] = 1; return m }), "FormatError"},
		"EDNS of the future": {
			edit(func(m []byte) []byte { m = withEDNS(m, 512); m[len(m)-5] = 1; return m }),
			"Success db.? edns 1232 16",
		},
		"a name that is too long": {
			func() []byte {
				m := question("x", typeA)[:headerLen]
				for range 64 {
					m = append(m, 3, 'a', 'b', 'c')
				}
				return append(m, 0, 0, 1, 0, 1)
			}(), "FormatError",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := ask(t, demo(), test.m); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestResponsesThatAreTooLongSaySo(t *testing.T) {
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{10, 0, 1, byte(i)}))
	}
	v := &View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{"web": many}})}}
	for _, test := range []struct {
		m         []byte
		t         transport
		addresses int
		truncated bool
	}{
		{question("web", typeA), udp, (512 - 21) / 16, true},
		{withEDNS(question("web", typeA), 800), udp, (800 - 21 - optLen) / 16, true},
		{withEDNS(question("web", typeA), 65535), udp, (1232 - 21 - optLen) / 16, true},
		{question("web", typeA), tcp, 100, false},
	} {
		_, response := v.decide(new(query), test.m, nil, test.t)
		got := describe(t, response)
		if n := strings.Count(got, " 10.0.1."); n != test.addresses || strings.Contains(got, " tc") != test.truncated {
			t.Errorf("%d addresses, want %d: %s", n, test.addresses, got)
		}
	}
}

// FuzzDecide: whatever arrives, a response is one to that message, fits, and
// can be read.
func FuzzDecide(f *testing.F) {
	f.Add(question("web", typeA))
	f.Add(withEDNS(question("worker.demo_front", typeANY), 600))
	f.Add(question("2.0.1.10.in-addr.arpa", typePTR))
	f.Add(question("a.localhost", typeAAAA))
	v, q := demo(), new(query)
	f.Fuzz(func(t *testing.T, m []byte) {
		before := bytes.Clone(m)
		verdict, response := v.decide(q, m, make([]byte, 0, maxUDP), udp)
		if !bytes.Equal(before, m) {
			t.Fatalf("the message has changed to %x", m)
		}
		if verdict != answer {
			if response != nil {
				t.Fatalf("verdict %d with response %x", verdict, response)
			}
			return
		}
		if !bytes.Equal(response[:2], m[:2]) || response[2]&flagResponse == 0 {
			t.Fatalf("no response to %x: %x", m, response)
		}
		if len(response) > q.size && count(response, 4) == 1 {
			t.Fatalf("%d bytes for a client that takes %d", len(response), q.size)
		}
		if n := count(response, 4); n == 1 && !bytes.Equal(response[headerLen:q.end], m[headerLen:q.end]) {
			t.Fatalf("another question: %x for %x", response, m)
		}
		describe(t, response)
	})
}

func TestLongestName(t *testing.T) {
	name := strings.Repeat("abcdefg.", 31) + "abcde"
	if len(name) != maxName {
		t.Fatal(len(name))
	}
	if got := ask(t, demo(), question(name, typeA)); got != "forward" {
		t.Error(got)
	}
	v := &View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{name: addrs("10.0.0.1")}})}}
	if got := ask(t, v, question(name, typeA)); got != fmt.Sprintf("Success aa %s.? 10.0.0.1", name) {
		t.Error(got)
	}
}
