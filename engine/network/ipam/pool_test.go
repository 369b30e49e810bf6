package ipam

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func prefixes(s ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range s {
		all = append(all, prefix(p))
	}
	return all
}

func TestChooseSubnet(t *testing.T) {
	for sentence, c := range map[string]struct {
		taken []netip.Prefix
		want  string
	}{
		"the seed says where to begin":                    {nil, "10.207.172.0/24"},
		"one that is taken is passed over":                {prefixes("10.207.172.0/24"), "10.207.173.0/24"},
		"so is one of which a single address is taken":    {prefixes("10.207.172.77/32"), "10.207.173.0/24"},
		"the range is gone through from its start too":    {prefixes("10.207.172.0/22", "10.207.176.0/20", "10.207.192.0/18"), "10.207.0.0/24"},
		"a VPN that has all of 10 leaves the next range":  {prefixes("10.0.0.0/8"), "172.27.172.0/24"},
		"and one that has all of 172.16 the one after":    {prefixes("10.0.0.0/8", "172.16.0.0/12"), "192.168.172.0/24"},
		"a host that routes 192.168 too has the big one":  {prefixes("10.0.0.0/9", "10.207.0.0/16", "172.16.0.0/12", "192.168.0.0/16"), "10.220.172.0/24"},
		"IPv6 routes are in nobody's way":                 {prefixes("fd00::/8"), "10.207.172.0/24"},
		"nothing is left when all private space is taken": {prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"), ""},
	} {
		got, err := ChooseSubnet(c.taken, "seed")
		if c.want == "" {
			if !errors.Is(err, engine.ErrUnavailable) || engine.HintOf(err) == "" {
				t.Errorf("%s: got %v, %v", sentence, got, err)
			}
			continue
		}
		if err != nil || got != prefix(c.want) {
			t.Errorf("%s: got %v, %v; want %s", sentence, got, err, c.want)
		}
	}
}

func TestUniqueLocal(t *testing.T) {
	a, b := UniqueLocal("engine", "a"), UniqueLocal("engine", "b")
	if a.Bits() != 64 || a.Addr().As16()[0] != 0xfd || a == b {
		t.Errorf("got %s and %s", a, b)
	}
	if site := netip.PrefixFrom(a.Addr(), 48).Masked(); !site.Contains(b.Addr()) {
		t.Errorf("%s and %s are not of one site", a, b)
	}
}

func TestCompletePool(t *testing.T) {
	whole := engine.Pool{Subnet: prefix("10.1.0.0/24")}
	with := func(change func(*engine.Pool)) engine.Pool {
		p := whole
		change(&p)
		return p
	}
	for sentence, c := range map[string]struct {
		pool engine.Pool
		want string // the gateway, or the error
	}{
		"the gateway is the first address":  {whole, "10.1.0.1"},
		"or the one that was given":         {with(func(p *engine.Pool) { p.Gateway = netip.MustParseAddr("10.1.0.254") }), "10.1.0.254"},
		"IPv6 has one too":                  {engine.Pool{Subnet: prefix("fd00::/64")}, "fd00::1"},
		"a subnet is needed":                {engine.Pool{}, "ipam.config without a subnet"},
		"an address is no subnet":           {engine.Pool{Subnet: prefix("10.1.0.5/24")}, "subnet 10.1.0.5/24: has bits beyond its mask; did you mean 10.1.0.0/24?"},
		"two addresses are too few":         {engine.Pool{Subnet: prefix("10.1.0.0/31")}, "subnet 10.1.0.0/31: has no room for a gateway and a container"},
		"the gateway is in the subnet":      {with(func(p *engine.Pool) { p.Gateway = netip.MustParseAddr("10.2.0.1") }), "gateway 10.2.0.1: is not inside the subnet 10.1.0.0/24"},
		"the range is in the subnet":        {with(func(p *engine.Pool) { p.Range = prefix("10.2.0.0/28") }), "ip_range 10.2.0.0/28: is not inside the subnet 10.1.0.0/24"},
		"and not larger than it":            {with(func(p *engine.Pool) { p.Range = prefix("10.1.0.0/16") }), "ip_range 10.1.0.0/16: is not inside the subnet 10.1.0.0/24"},
		"reserved addresses are in it, too": {with(func(p *engine.Pool) { p.Aux = map[string]netip.Addr{"r": netip.MustParseAddr("10.2.0.9")} }), "aux_addresses r: 10.2.0.9 is not inside the subnet 10.1.0.0/24"},
	} {
		p, err := CompletePool(c.pool, func(p netip.Prefix) netip.Addr { return p.Addr().Next() })
		got := p.Gateway.String()
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", sentence, diff)
		}
	}
}

func TestAddressesAreGivenOutInTurn(t *testing.T) {
	a := New(engine.Pool{
		Subnet: prefix("10.1.0.0/24"), Gateway: netip.MustParseAddr("10.1.0.1"), Range: prefix("10.1.0.0/29"),
		Aux: map[string]netip.Addr{"router": netip.MustParseAddr("10.1.0.3")},
	})
	var got []string
	take := func() {
		p, err := a.take()
		if err != nil {
			got = append(got, err.Error())
			return
		}
		got = append(got, p.String())
	}
	take()
	take()
	a.Free(netip.MustParseAddr("10.1.0.2"))
	take()
	take()
	take()
	take() // the one that was freed
	take()
	want := []string{
		"10.1.0.2/24", "10.1.0.4/24", "10.1.0.5/24", "10.1.0.6/24", "10.1.0.7/24", "10.1.0.2/24",
		"no free address left in 10.1.0.0/29",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestPick(t *testing.T) {
	a := New(engine.Pool{Subnet: prefix("10.1.0.0/29"), Gateway: netip.MustParseAddr("10.1.0.1")})
	var none netip.Addr
	former := netip.MustParseAddr("10.1.0.5")
	for _, c := range []struct {
		sentence   string
		want, keep netip.Addr
		got        string
	}{
		{"the former address is kept", none, former, "10.1.0.5/29"},
		{"unless somebody else has it", none, former, "10.1.0.2/29"},
		{"or it is of another subnet", none, netip.MustParseAddr("10.9.9.9"), "10.1.0.3/29"},
		{"what is asked for comes first", netip.MustParseAddr("10.1.0.6"), former, "10.1.0.6/29"},
		{"and is not replaced when it is taken", former, none, "Address already in use: 10.1.0.5"},
		{"nor may it be the gateway's", netip.MustParseAddr("10.1.0.1"), none, "Address already in use: 10.1.0.1"},
		{"nor the broadcast address", netip.MustParseAddr("10.1.0.7"), none, "Address already in use: 10.1.0.7"},
	} {
		p, err := a.Pick(c.want, c.keep)
		got := p.String()
		if err != nil {
			got = err.Error()
		}
		if got != c.got {
			t.Errorf("%s: got %s, want %s", c.sentence, got, c.got)
		}
	}
}
