package option

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

var comparable4 = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestNetworkOptions(t *testing.T) {
	addr := netip.MustParseAddr
	for sentence, c := range map[string]struct {
		driver   string
		internal bool
		opts     map[string]string
		want     Network
	}{
		"a bridge has names, sizes and switches": {"", false, map[string]string{
			bridgeName: "br-x", mtu: "1400", masquerade: "false", icc: "false", inhibit4: "true", prefix: "lan",
		}, Network{Bridge: "br-x", MTU: 1400, NoNAT: true, NoICC: true, InhibitIPv4: true, Prefix: "lan"}},
		"and modes, one a family": {
			"bridge", false,
			map[string]string{gateway4: "nat-unprotected", gateway6: "routed"},
			Network{Mode4: Unprotected, Mode6: Routed, Prefix: "eth"},
		},
		"an internal one may be isolated": {"bridge", true, map[string]string{gateway4: "isolated"}, Network{Mode4: Isolated, Prefix: "eth"}},
		"addresses of the host": {
			"bridge", false,
			map[string]string{hostBinding: "::1", source4: "192.0.2.7", source6: "2001:db8::7"},
			Network{HostBinding: addr("::1"), Source4: addr("192.0.2.7"), Source6: addr("2001:db8::7"), Prefix: "eth"},
		},
		"macvlan bridges unless it is told otherwise": {
			"macvlan", false,
			map[string]string{"parent": "eth0.10"},
			Network{Parent: "eth0.10", VLAN: VLAN{Mode: macvlanBridge}, Prefix: "eth"},
		},
		"also without any option": {"macvlan", false, nil, Network{VLAN: VLAN{Mode: macvlanBridge}, Prefix: "eth"}},
		"macvlan has four modes": {
			"macvlan", false,
			map[string]string{"macvlan_mode": "vepa", mtu: "0"},
			Network{VLAN: VLAN{Mode: macvlanVEPA}, Prefix: "eth"},
		},
		"ipvlan has modes and flags": {
			"ipvlan", false,
			map[string]string{"ipvlan_mode": "l3s", "ipvlan_flag": "vepa", "parent": "lan0"},
			Network{Parent: "lan0", VLAN: VLAN{Mode: 2, Flag: 2}, Prefix: "eth"},
		},
	} {
		got, err := Parse(&engine.NetworkSpec{Driver: c.driver, Internal: c.internal, DriverOpts: c.opts})
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
		if diff := cmp.Diff(c.want, got, comparable4); diff != "" {
			t.Errorf("%s: want -, got +\n%s", sentence, diff)
		}
	}
}

func TestNetworkOptionsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		driver   string
		internal bool
		key      string
		value    string
		kind     error
		want     string
		hint     string
	}{
		{"", false, "com.example.x", "1", engine.ErrUnsupported, "driver option com.example.x is not supported by the driver bridge", "leave it out"},
		{"", false, "com.docker.network.enable_ipv6", "1", engine.ErrUnsupported, "driver option com.docker.network.enable_ipv6 is not supported by the driver bridge", "say enable_ipv6 in the network's definition"},
		{"macvlan", false, icc, "0", engine.ErrUnsupported, "driver option " + icc + " is not supported by the driver macvlan", "leave it out"},
		{"host", false, mtu, "1400", engine.ErrUnsupported, "driver option " + mtu + " is not supported by the driver host", "leave it out"},
		{"", false, "parent", "eth0", engine.ErrUnsupported, "driver option parent is not supported by the driver bridge", "leave it out"},
		{"", false, mtu, "12", engine.ErrInvalid, "driver option " + mtu + "=12: an MTU is between 68 and 65535, or 0 for the usual one", ""},
		{"", false, bridgeName, "a-name-that-is-long", engine.ErrInvalid, "driver option " + bridgeName + "=a-name-that-is-long: an interface name has 1 to 15 characters", ""},
		{"", false, bridgeName, "a/b", engine.ErrInvalid, "driver option " + bridgeName + "=a/b: '/' may not be in an interface name", ""},
		{"", false, gateway4, "bridge", engine.ErrInvalid, "driver option " + gateway4 + "=bridge: the modes are nat, nat-unprotected, routed and isolated", ""},
		{"", false, gateway6, "isolated", engine.ErrInvalid, "gateway mode isolated: only an internal network can be isolated from the host", "say internal: true, too"},
		{"", false, source4, "::1", engine.ErrInvalid, "driver option " + source4 + "=::1: an address of IPv4 is expected", ""},
		{"macvlan", false, "macvlan_mode", "l2", engine.ErrInvalid, "driver option macvlan_mode=l2: the modes are bridge, private, vepa and passthru", ""},
		{"macvlan", false, "macvlan_mode", "passthru", engine.ErrInvalid, "driver option macvlan_mode=passthru: needs a parent to pass through", "say parent, too"},
		{"macvlan", true, "parent", "eth0", engine.ErrInvalid, "driver option parent=eth0: an internal network with a parent reaches what is behind it", "leave out internal, or parent: without one the containers reach only each other"},
		{"macvlan", false, "parent", "lo", engine.ErrInvalid, "driver option parent=lo: the loopback interface cannot be a parent", ""},
		{"ipvlan", false, "ipvlan_mode", "bridge", engine.ErrInvalid, "driver option ipvlan_mode=bridge: the modes are l2, l3 and l3s", ""},
		{"ipvlan", false, "ipvlan_flag", "x", engine.ErrInvalid, "driver option ipvlan_flag=x: the flags are bridge, private and vepa", ""},
	} {
		_, err := Parse(&engine.NetworkSpec{Driver: c.driver, Internal: c.internal, DriverOpts: map[string]string{c.key: c.value}})
		if err == nil || err.Error() != c.want || !errors.Is(err, c.kind) || engine.HintOf(err) != c.hint {
			t.Errorf("%s %s=%s:\n got %v (%s)\nwant %s (%s)", c.driver, c.key, c.value, err, engine.HintOf(err), c.want, c.hint)
		}
	}
}

func TestEndpointOptions(t *testing.T) {
	got, err := ParseEndpoint(map[string]string{
		EndpointInterface: "lan", endpointSysctls: "net.ipv4.conf.IFNAME.log_martians=1, net.ipv6.neigh.IFNAME.gc_stale_time=60",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Endpoint{"lan", []Sysctl{{"net/ipv4/conf/IFNAME/log_martians", "1"}, {"net/ipv6/neigh/IFNAME/gc_stale_time", "60"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if path := got.Sysctls[0].For("eth1.2"); path != "net/ipv4/conf/eth1.2/log_martians" {
		t.Errorf("got %s", path)
	}
	for _, bad := range []map[string]string{
		{"com.example": "1"},
		{EndpointInterface: ""},
		{endpointSysctls: "net.ipv4.ip_forward=1"},
		{endpointSysctls: "net.ipv4.conf.all.forwarding=1"},
		{endpointSysctls: "kernel.ipv4.conf.IFNAME.x=1"},
		{endpointSysctls: "net.ipv4.conf.IFNAME.../../x=1"},
		{endpointSysctls: "net.ipv4.conf.IFNAME./x=1"},
		{endpointSysctls: "net.ipv4.conf.IFNAME.x"},
	} {
		if e, err := ParseEndpoint(bad); err == nil {
			t.Errorf("%v: got %+v, want a refusal", bad, e)
		}
	}
}

func TestTagged(t *testing.T) {
	for parent, want := range map[string]string{
		"eth0.10": "eth0 10", "eth0.4094": "eth0 4094", "br.lan.7": "br.lan 7",
		"eth0": "", "eth0.0": "", "eth0.4095": "", ".5": "", "eth0.x": "", "eth0.": "",
	} {
		got := ""
		if above, number, ok := Tagged(parent); ok {
			got = above + " " + map[uint16]string{10: "10", 4094: "4094", 7: "7"}[number]
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", parent, got, want)
		}
	}
}

func TestBind(t *testing.T) {
	port := func(host string) engine.PortBinding {
		p := engine.PortBinding{HostPort: 8080, ContainerPort: 80, Protocol: "tcp"}
		if host != "" {
			p.HostIP = netip.MustParseAddr(host)
		}
		return p
	}
	for sentence, c := range map[string]struct {
		opts map[string]string
		port engine.PortBinding
		want string
	}{
		"a port goes where it says":                   {nil, port("192.0.2.1"), "192.0.2.1:8080:80/tcp"},
		"or to all addresses":                         {nil, port(""), "8080:80/tcp"},
		"or where the network says":                   {map[string]string{hostBinding: "127.0.0.1"}, port(""), "127.0.0.1:8080:80/tcp"},
		"unless it says so itself":                    {map[string]string{hostBinding: "127.0.0.1"}, port("192.0.2.1"), "192.0.2.1:8080:80/tcp"},
		"0.0.0.0 of the network is all of both":       {map[string]string{hostBinding: "0.0.0.0"}, port(""), "8080:80/tcp"},
		":: of the network is IPv6 alone":             {map[string]string{hostBinding: "::"}, port(""), "[::]:8080:80/tcp"},
		"routed IPv6 leaves IPv4 as it is":            {map[string]string{gateway6: "routed"}, port(""), "0.0.0.0:8080:80/tcp direct [::]:80/tcp"},
		"routed has no use for an address":            {map[string]string{gateway4: "routed"}, port("127.0.0.1"), "direct 0.0.0.0:80/tcp"},
		"an address of the other family is published": {map[string]string{gateway4: "routed"}, port("::1"), "[::1]:8080:80/tcp"},
	} {
		o, err := Parse(&engine.NetworkSpec{DriverOpts: c.opts})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range o.Bind([]engine.PortBinding{c.port}) {
			text := b.String()
			if b.Direct {
				text = "direct " + text
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: want -, got +\n%s", sentence, diff)
		}
	}
}
