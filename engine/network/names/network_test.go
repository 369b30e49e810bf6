package names

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/dns"
)

// text prints records, a line a name.
func text(r dns.Records) string {
	var b strings.Builder
	fmt.Fprintf(&b, "domain %s exclusive=%v\n", r.Domain, r.Exclusive)
	for _, name := range slices.Sorted(maps.Keys(r.Names)) {
		fmt.Fprintln(&b, name, r.Names[name])
	}
	for _, ip := range slices.SortedFunc(maps.Keys(r.Pointers), netip.Addr.Compare) {
		fmt.Fprintln(&b, ip, r.Pointers[ip])
	}
	return b.String()
}

func member(project, name string, answer Answer, ip string, others ...string) Member {
	return Member{Project: project, Name: name, Names: append(others, name), Answer: answer, Addrs: []netip.Addr{netip.MustParseAddr(ip)}}
}

func TestRecords(t *testing.T) {
	t.Parallel()
	n := Network{Name: "shop_default", Members: []Member{
		member("shop", "web-1", Answering, "10.1.0.2", "web"),
		member("shop", "web-2", Unhealthy, "10.1.0.3", "web"),
		member("shop", "sick-1", Unhealthy, "10.1.0.4", "sick"),
		member("shop", "off-1", Silent, "10.1.0.5", "off"),
		member("", "stray", Answering, "10.1.0.6"),
	}}
	want := `domain shop_default exclusive=false
off []
off-1 []
sick [10.1.0.4]
sick-1 [10.1.0.4]
stray [10.1.0.6]
web [10.1.0.2]
web-1 [10.1.0.2]
web-2 [10.1.0.3]
10.1.0.2 web-1.shop_default
10.1.0.3 web-2.shop_default
10.1.0.4 sick-1.shop_default
10.1.0.5 off-1.shop_default
10.1.0.6 stray.shop_default
`
	if diff := cmp.Diff(want, text(n.Records())); diff != "" {
		t.Errorf("containers: want -, got +\n%s", diff)
	}
	want = `domain tiffin.internal exclusive=true
off-1.shop.tiffin.internal []
off.shop.tiffin.internal []
shop.tiffin.internal []
sick-1.shop.tiffin.internal [10.1.0.4]
sick.shop.tiffin.internal [10.1.0.4]
tiffin.internal []
web-1.shop.tiffin.internal [10.1.0.2]
web-2.shop.tiffin.internal [10.1.0.3]
web.shop.tiffin.internal [10.1.0.2]
10.1.0.2 web-1.shop.tiffin.internal
10.1.0.3 web-2.shop.tiffin.internal
10.1.0.4 sick-1.shop.tiffin.internal
10.1.0.5 off-1.shop.tiffin.internal
`
	if diff := cmp.Diff(want, text(n.HostRecords("tiffin.internal"))); diff != "" {
		t.Errorf("the host: want -, got +\n%s", diff)
	}
	n.Name = Nameless
	if diff := cmp.Diff("domain  exclusive=false\n", text(n.Records())); diff != "" {
		t.Errorf("the default network: want -, got +\n%s", diff)
	}
}
