package networks

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/plan"
)

var created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func sample() []engine.Network {
	pool := engine.Pool{
		Subnet: netip.MustParsePrefix("10.1.0.0/24"), Gateway: netip.MustParseAddr("10.1.0.1"), Range: netip.MustParsePrefix("10.1.0.128/25"),
		Aux: map[string]netip.Addr{"router": netip.MustParseAddr("10.1.0.9")},
	}
	return []engine.Network{
		{ID: "aaaa1111aaaa1111", Created: created, Spec: engine.NetworkSpec{Name: "bridge", Driver: "bridge"}},
		{ID: "aaaa2222aaaa2222", Created: created, Project: "shop", Spec: engine.NetworkSpec{
			Key: "default", Name: "shop_default", Hash: "h", EnableIPv6: true, Labels: map[string]string{"a": "b"}, DriverOpts: map[string]string{"o": "1"},
		}, Pools: []engine.Pool{pool}},
		{ID: "bbbb3333bbbb3333", Created: created.Add(time.Hour), Spec: engine.NetworkSpec{Name: "lan", Driver: "macvlan", Internal: true}},
		{ID: "cccc4444cccc4444", Created: created, Spec: engine.NetworkSpec{Name: "none", Driver: "null"}},
	}
}

func TestFilters(t *testing.T) {
	users := map[string]int{"shop_default": 1}
	for text, want := range map[string]string{
		"":                                      "bridge shop_default lan none",
		"driver=macvlan":                        "lan",
		"driver=macvlan driver=null":            "lan none",
		"name=a":                                "shop_default lan",
		"name=a driver=bridge":                  "shop_default",
		"id=bbbb":                               "lan",
		"type=builtin":                          "bridge none",
		"type=custom":                           "shop_default lan",
		"dangling=true":                         "lan",
		"dangling=false":                        "shop_default",
		"scope=local":                           "bridge shop_default lan none",
		"scope=swarm":                           "",
		"label=a":                               "shop_default",
		"label=a=b":                             "shop_default",
		"label=a=c":                             "",
		"label!=a":                              "bridge lan none",
		"label=com.docker.compose.project=shop": "shop_default",
		"until=2026-01-02T03:30:00Z":            "bridge shop_default none",
		"until=20m":                             "bridge shop_default none",
	} {
		keep, err := ParseFilters(strings.Fields(text), created.Add(time.Hour))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, n := range sample() {
			if keep(&n, users[n.Spec.Name]) {
				got = append(got, n.Spec.Name)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: want -, got +\n%s", text, diff)
		}
	}
	for _, bad := range []string{"driver", "colour=red", "type=odd", "dangling=maybe", "until=never"} {
		if _, err := ParseFilters([]string{bad}, created); err == nil {
			t.Errorf("%s: want a refusal", bad)
		}
	}
}

func TestFind(t *testing.T) {
	for ref, want := range map[string]string{
		"lan": "lan", "bbbb3333bbbb3333": "lan", "bbbb": "lan",
		"aaaa": "network aaaa is ambiguous (2 matches found on ID prefix)",
		"x":    "network x not found", "": "network  not found",
	} {
		n, err := plan.FindNetwork(sample(), ref)
		if err != nil {
			n.Spec.Name = err.Error()
		}
		if got := n.Spec.Name; got != want {
			t.Errorf("%q: got %s, want %s", ref, got, want)
		}
	}
}

func TestShapes(t *testing.T) {
	all := sample()
	row, err := json.Marshal(RowOf(&all[1], false))
	if err != nil {
		t.Fatal(err)
	}
	const wantRow = `{"CreatedAt":"2026-01-02 03:04:05 +0000 UTC","Driver":"bridge","ID":"aaaa2222aaaa","IPv4":"true","IPv6":"true","Internal":"false",` +
		`"Labels":"a=b,com.docker.compose.config-hash=h,com.docker.compose.network=default,com.docker.compose.project=shop,com.docker.compose.version=5.0.0","Name":"shop_default","Scope":"local"}`
	if diff := cmp.Diff(wantRow, string(row)); diff != "" {
		t.Errorf("ls: want -, got +\n%s", diff)
	}
	containers := []engine.Container{
		{ID: "c1", Name: "web", State: engine.State{Status: engine.StatusRunning}, Endpoints: map[string]engine.Endpoint{"shop_default": {
			ID: "e1", NetworkID: all[1].ID, MacAddress: "02:42:0a:01:00:80", IPv4: netip.MustParsePrefix("10.1.0.128/24"),
		}}},
		{ID: "c2", Name: "ended", State: engine.State{Status: engine.StatusExited}, Endpoints: map[string]engine.Endpoint{"shop_default": {NetworkID: all[1].ID}}},
		{ID: "c3", Name: "before", State: engine.State{Status: engine.StatusRunning}, Endpoints: map[string]engine.Endpoint{"shop_default": {NetworkID: "another"}}},
	}
	shown, err := json.Marshal(Inspect(&all[1], containers))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Name":"shop_default","Id":"aaaa2222aaaa2222","Created":"2026-01-02T03:04:05Z","Scope":"local","Driver":"bridge","EnableIPv4":true,"EnableIPv6":true,` +
		`"IPAM":{"Driver":"default","Options":{},"Config":[{"Subnet":"10.1.0.0/24","IPRange":"10.1.0.128/25","Gateway":"10.1.0.1","AuxiliaryAddresses":{"router":"10.1.0.9"}}]},` +
		`"Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,` +
		`"Containers":{"c1":{"Name":"web","EndpointID":"e1","MacAddress":"02:42:0a:01:00:80","IPv4Address":"10.1.0.128/24","IPv6Address":""}},` +
		`"Options":{"o":"1"},"Labels":{"a":"b","com.docker.compose.config-hash":"h","com.docker.compose.network":"default","com.docker.compose.project":"shop","com.docker.compose.version":"5.0.0"}}`
	if diff := cmp.Diff(want, string(shown)); diff != "" {
		t.Errorf("inspect: want -, got +\n%s", diff)
	}
	containers[1].State.Status = engine.StatusRestarting
	if got := Users(&all[1], containers); got != 2 {
		t.Errorf("%d containers are on it, want the one that runs and the one that is about to", got)
	}
	containers[1].State.Status = engine.StatusExited
	if got := Users(&all[1], containers); got != 1 {
		t.Errorf("%d containers are on it, want the one that runs", got)
	}
}

func TestPools(t *testing.T) {
	for sentence, c := range map[string]struct {
		flags Addressing
		want  string
	}{
		"each to its own subnet": {
			Addressing{
				Subnets: []string{"10.1.0.0/24", "fd00::/64"}, Gateways: []string{"fd00::9", "10.1.0.9"},
				Ranges: []string{"10.1.0.128/25"}, Aux: map[string]string{"r": "10.1.0.7"},
			},
			"10.1.0.0/24 by 10.1.0.9 of 10.1.0.128/25 without r; fd00::/64 by fd00::9",
		},
		"none is fine":          {Addressing{}, ""},
		"no subnet":             {Addressing{Subnets: []string{"10.1.0.0"}}, `invalid --subnet "10.1.0.0": write it as 10.1.0.0/24`},
		"bits beyond the mask":  {Addressing{Subnets: []string{"10.1.0.5/24"}}, `invalid --subnet "10.1.0.5/24": it has bits beyond its mask; did you mean 10.1.0.0/24?`},
		"overlapping":           {Addressing{Subnets: []string{"10.1.0.0/16", "10.1.7.0/24"}}, "--subnet 10.1.0.0/16 and 10.1.7.0/24 overlap: one address would have two places"},
		"a gateway elsewhere":   {Addressing{Subnets: []string{"10.1.0.0/24"}, Gateways: []string{"10.2.0.1"}}, "no matching subnet for gateway 10.2.0.1"},
		"a gateway alone":       {Addressing{Gateways: []string{"10.2.0.1"}}, "no matching subnet for gateway 10.2.0.1"},
		"two gateways":          {Addressing{Subnets: []string{"10.1.0.0/24"}, Gateways: []string{"10.1.0.1", "10.1.0.2"}}, "cannot configure multiple gateways (10.1.0.2, 10.1.0.1) for the same subnet (10.1.0.0/24)"},
		"a range elsewhere":     {Addressing{Subnets: []string{"10.1.0.0/24"}, Ranges: []string{"10.2.0.0/25"}}, "no matching subnet for range 10.2.0.0/25"},
		"a reserved one is out": {Addressing{Subnets: []string{"10.1.0.0/24"}, Aux: map[string]string{"r": "10.2.0.7"}}, "no matching subnet for aux-address 10.2.0.7"},
		"no address":            {Addressing{Subnets: []string{"10.1.0.0/24"}, Gateways: []string{"x"}}, `invalid --gateway "x": it is no IP address`},
	} {
		pools, err := c.flags.Pools()
		var all []string
		for _, p := range pools {
			words := []string{p.Subnet.String(), "by", p.Gateway.String()}
			if p.Range.IsValid() {
				words = append(words, "of", p.Range.String())
			}
			for name := range p.Aux {
				words = append(words, "without", name)
			}
			all = append(all, strings.Join(words, " "))
		}
		got := strings.Join(all, "; ")
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", sentence, diff)
		}
	}
	if _, err := Pairs("opt", []string{"=x"}); err == nil {
		t.Error("a pair without a key: want a refusal")
	}
	if got, _ := Pairs("label", []string{"a=b=c", "d"}); got["a"] != "b=c" || !slices.Contains([]string{got["d"]}, "") {
		t.Errorf("got %v", got)
	}
}
