package nft

import "golang.org/x/sys/unix"

// Field is something about a packet that a rule can look at.
type Field int

// The fields.
const (
	InputName Field = iota
	OutputName
	L4Proto
	Source4
	Dest4
	Source6
	Dest6
	SourcePort
	DestPort
	CtState
	CtStatus
)

// loader is the expression that fetches a field into registers.
type loader int

const (
	fromMeta loader = iota
	fromNetworkHeader
	fromTransportHeader
	fromConntrack
)

type fieldInfo struct {
	text   string
	typ    Type
	from   loader
	key    uint32 // of meta or conntrack; the offset in a header
	family Family // the only one whose packets have it; 0: all
}

var fields = [...]fieldInfo{
	InputName:  {text: "iifname", typ: TypeIfname, from: fromMeta, key: unix.NFT_META_IIFNAME},
	OutputName: {text: "oifname", typ: TypeIfname, from: fromMeta, key: unix.NFT_META_OIFNAME},
	L4Proto:    {text: "meta l4proto", typ: TypeProto, from: fromMeta, key: unix.NFT_META_L4PROTO},
	Source4:    {text: "ip saddr", typ: TypeIPv4, from: fromNetworkHeader, key: 12, family: IPv4},
	Dest4:      {text: "ip daddr", typ: TypeIPv4, from: fromNetworkHeader, key: 16, family: IPv4},
	Source6:    {text: "ip6 saddr", typ: TypeIPv6, from: fromNetworkHeader, key: 8, family: IPv6},
	Dest6:      {text: "ip6 daddr", typ: TypeIPv6, from: fromNetworkHeader, key: 24, family: IPv6},
	SourcePort: {text: "th sport", typ: TypePort, from: fromTransportHeader, key: 0},
	DestPort:   {text: "th dport", typ: TypePort, from: fromTransportHeader, key: 2},
	CtState:    {text: "ct state", typ: TypeCtState, from: fromConntrack, key: unix.NFT_CT_STATE},
	CtStatus:   {text: "ct status", typ: TypeCtStatus, from: fromConntrack, key: unix.NFT_CT_STATUS},
}

func (f Field) info() fieldInfo { return fields[f] }
