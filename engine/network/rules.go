package network

import (
	"net/netip"

	"tiffin/engine/network/nft"
)

// The sets and maps of our table. All that comes and goes is an element of one of
// these; the rules never change.
const (
	setBridges     = "bridges"     // our bridges
	setInternal    = "internal"    // those of internal networks
	setMasqueraded = "masqueraded" // those whose containers reach the outside as the host
	setSame        = "same"        // each bridge with itself
	setClosed4     = "closed4"     // interfaces between which the host was no router before us
	setClosed6     = "closed6"     // the same for IPv6
	setNear        = "near"        // bridges from and to which a container with published ports may be asked for them past the NAT
	setApart       = "apart"       // bridges whose ports do not reach each other, not even after NAT
	setLoopback    = "loopback"    // ports published on an address of 127.0.0.0/8
	mapPorts4      = "ports4"      // host address and port → container
	mapPorts6      = "ports6"
	mapAnyPorts4   = "anyports4" // port on every host address → container
	mapAnyPorts6   = "anyports6"

	// What gateway modes and other options of a network change, by family.
	setMasqueraded4 = "masqueraded4" // bridges whose containers reach the outside as the host by IPv4 only
	setMasqueraded6 = "masqueraded6"
	mapSources4     = "sources4" // bridge → the address of the host that the outside is to see
	mapSources6     = "sources6"
	setUnguarded4   = "unguarded4" // bridges whose containers are reached by whoever has a route
	setUnguarded6   = "unguarded6"
	setOpened4      = "opened4" // addresses and ports of containers that are, too
	setOpened6      = "opened6"
)

// loopback4 is never a destination that another host, or a container, may name.
var loopback4 = netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)

// table renders the whole table, elements included.
//
//	outside ──prerouting: DNAT──▶ forward ──▶ bridge ──▶ container
//	host ─────output: DNAT────────────────────▶ bridge ──▶ container
//	container ──▶ bridge ──▶ forward ──postrouting: masquerade──▶ outside
//	container ──prerouting: DNAT──▶ forward ──postrouting: masquerade──▶ bridge ──▶ container
//
// What DNAT leaves out, loopback addresses above all, arrives at the socket that
// holds the port, and is forwarded from there: see docs/decisions/0007-ports.md.
func table(name string, elements map[string][]nft.Element) *nft.Table {
	t := &nft.Table{Family: nft.Inet, Name: name, Sets: sets(), Chains: chains()}
	for i := range t.Sets {
		t.Sets[i].Elements = elements[t.Sets[i].Name]
	}
	return t
}

func sets() []nft.Set {
	ifname := []nft.Type{nft.TypeIfname}
	port := []nft.Type{nft.TypeProto, nft.TypePort}
	target4 := []nft.Type{nft.TypeIPv4, nft.TypePort}
	target6 := []nft.Type{nft.TypeIPv6, nft.TypePort}
	return []nft.Set{
		{Name: setBridges, Key: ifname},
		{Name: setInternal, Key: ifname},
		{Name: setMasqueraded, Key: ifname},
		{Name: setSame, Key: []nft.Type{nft.TypeIfname, nft.TypeIfname}},
		{Name: setClosed4, Key: ifname},
		{Name: setClosed6, Key: ifname},
		{Name: setNear, Key: []nft.Type{nft.TypeIfname, nft.TypeIfname}},
		{Name: setApart, Key: ifname},
		{Name: setLoopback, Key: port},
		{Name: mapPorts4, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypePort}, Data: target4},
		{Name: mapPorts6, Key: []nft.Type{nft.TypeIPv6, nft.TypeProto, nft.TypePort}, Data: target6},
		{Name: mapAnyPorts4, Key: port, Data: target4},
		{Name: mapAnyPorts6, Key: port, Data: target6},
		{Name: setMasqueraded4, Key: ifname},
		{Name: setMasqueraded6, Key: ifname},
		{Name: mapSources4, Key: ifname, Data: []nft.Type{nft.TypeIPv4}},
		{Name: mapSources6, Key: ifname, Data: []nft.Type{nft.TypeIPv6}},
		{Name: setUnguarded4, Key: ifname},
		{Name: setUnguarded6, Key: ifname},
		{Name: setOpened4, Key: []nft.Type{nft.TypeIPv4, nft.TypeProto, nft.TypePort}},
		{Name: setOpened6, Key: []nft.Type{nft.TypeIPv6, nft.TypeProto, nft.TypePort}},
	}
}

func chains() []nft.Chain {
	in, out := []nft.Field{nft.InputName}, []nft.Field{nft.OutputName}
	both := []nft.Field{nft.InputName, nft.OutputName}
	port := []nft.Field{nft.L4Proto, nft.DestPort}
	// A container may not use an address that is not of its network. Within the network
	// it may: what a bridge carries is between those on it.
	spoofed := nft.Rule{nft.In{Fields: in, Set: setBridges}, nft.Spoofed{}, nft.Drop}
	return []nft.Chain{
		{
			Name: "guard", Hook: &nft.Hook{Type: "filter", At: nft.Prerouting, Priority: -300},
			Rules: []nft.Rule{
				// The kernel drops these itself, unless somebody has set route_localnet.
				{
					nft.Not{Field: nft.InputName, Value: nft.Ifname("lo")},
					nft.Within{Field: nft.Dest4, Prefix: loopback4},
					nft.In{Fields: port, Set: setLoopback},
					nft.Drop,
				},
			},
		},
		{
			Name: "input", Hook: &nft.Hook{Type: "filter", At: nft.Input},
			Rules: []nft.Rule{spoofed},
		},
		{
			Name: "forward", Hook: &nft.Hook{Type: "filter", At: nft.Forward},
			Rules: []nft.Rule{
				// Frames within a bridge come here where br_netfilter is loaded.
				{nft.In{Fields: both, Set: setSame}, nft.Accept},
				spoofed,
				{nft.Any{Field: nft.CtState, Flags: []nft.Flag{nft.Established, nft.Related}}, nft.Accept},
				{nft.In{Fields: in, Set: setInternal}, nft.Drop},
				{nft.In{Fields: out, Set: setInternal}, nft.Drop},
				// A published port; everything else that has a container's address is
				// from another network, or from a neighbour with a route of its own.
				{nft.In{Fields: out, Set: setBridges}, nft.Any{Field: nft.CtStatus, Flags: []nft.Flag{nft.DNATed}}, nft.Accept},
				{nft.In{Fields: append([]nft.Field{nft.Dest4}, port...), Set: setOpened4}, nft.Accept},
				{nft.In{Fields: append([]nft.Field{nft.Dest6}, port...), Set: setOpened6}, nft.Accept},
				{nft.NotIn{Fields: in, Set: setBridges}, notLoopback4, nft.In{Fields: out, Set: setUnguarded4}, nft.Accept},
				{nft.NotIn{Fields: in, Set: setBridges}, notLoopback6, nft.In{Fields: out, Set: setUnguarded6}, nft.Accept},
				{nft.In{Fields: out, Set: setBridges}, nft.Drop},
				{nft.OfFamily{Family: nft.IPv4}, nft.In{Fields: in, Set: setClosed4}, nft.In{Fields: out, Set: setClosed4}, nft.Drop},
				{nft.OfFamily{Family: nft.IPv6}, nft.In{Fields: in, Set: setClosed6}, nft.In{Fields: out, Set: setClosed6}, nft.Drop},
			},
		},
		{
			Name: "prerouting", Hook: &nft.Hook{Type: "nat", At: nft.Prerouting, Priority: -100},
			// Where br_netfilter is at work, a frame from one isolated port of a bridge to
			// another is lost, once it has its new destination: the forwarder serves those.
			Rules: append([]nft.Rule{{nft.In{Fields: in, Set: setApart}, nft.Accept}}, published(port)...),
		},
		{
			Name: "output", Hook: &nft.Hook{Type: "nat", At: nft.Output, Priority: -100},
			Rules: published(port),
		},
		{
			Name: "postrouting", Hook: &nft.Hook{Type: "nat", At: nft.Postrouting, Priority: 100},
			Rules: []nft.Rule{
				// A container that asks for a port of its own network, or of itself, would be
				// answered from the wrong address, past the host. As the host it is not.
				{
					nft.Any{Field: nft.CtStatus, Flags: []nft.Flag{nft.DNATed}},
					nft.In{Fields: both, Set: setNear},
					nft.NotFromHost{},
					nft.Masquerade{},
				},
				{nft.NotIn{Fields: out, Set: setBridges}, notLoopback4, nft.SNAT{Family: nft.IPv4, Fields: in, Map: mapSources4}},
				{nft.NotIn{Fields: out, Set: setBridges}, notLoopback6, nft.SNAT{Family: nft.IPv6, Fields: in, Map: mapSources6}},
				{nft.In{Fields: in, Set: setMasqueraded}, nft.NotIn{Fields: out, Set: setBridges}, nft.Masquerade{}},
				{nft.In{Fields: in, Set: setMasqueraded4}, nft.NotIn{Fields: out, Set: setBridges}, notLoopback4, nft.Masquerade{}},
				{nft.In{Fields: in, Set: setMasqueraded6}, nft.NotIn{Fields: out, Set: setBridges}, notLoopback6, nft.Masquerade{}},
			},
		},
	}
}

// These match packets of a family, and leave out what never leaves a host.
var (
	notLoopback4 = nft.Outside{Field: nft.Dest4, Prefix: loopback4}
	notLoopback6 = nft.Not{Field: nft.Dest6, Value: nft.Addr(netip.IPv6Loopback())}
)

func published(port []nft.Field) []nft.Rule {
	return []nft.Rule{
		{
			notLoopback4,
			nft.ToHost{},
			nft.DNAT{Family: nft.IPv4, Fields: append([]nft.Field{nft.Dest4}, port...), Map: mapPorts4},
		},
		{notLoopback4, nft.ToHost{}, nft.DNAT{Family: nft.IPv4, Fields: port, Map: mapAnyPorts4}},
		{
			notLoopback6,
			nft.ToHost{},
			nft.DNAT{Family: nft.IPv6, Fields: append([]nft.Field{nft.Dest6}, port...), Map: mapPorts6},
		},
		{notLoopback6, nft.ToHost{}, nft.DNAT{Family: nft.IPv6, Fields: port, Map: mapAnyPorts6}},
	}
}
