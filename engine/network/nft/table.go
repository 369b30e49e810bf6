package nft

import "golang.org/x/sys/unix"

// Family is the kind of packets that a table sees.
type Family uint8

// The families.
const (
	Inet   Family = unix.NFPROTO_INET
	IPv4   Family = unix.NFPROTO_IPV4
	IPv6   Family = unix.NFPROTO_IPV6
	Netdev Family = unix.NFPROTO_NETDEV
)

func (f Family) String() string {
	switch f {
	case Inet:
		return "inet"
	case IPv4:
		return "ip"
	case IPv6:
		return "ip6"
	case Netdev:
		return "netdev"
	default:
		return "unknown"
	}
}

// Table is a whole table.
type Table struct {
	Family Family
	Name   string
	Sets   []Set
	Chains []Chain
}

// Set is a named set, or, with Data, a named map. Keys and data may be
// concatenations of several types.
type Set struct {
	Name     string
	Key      []Type
	Data     []Type
	Elements []Element
}

// Element is a member of a set; Data only in a map.
type Element struct {
	Key  []Value
	Data []Value
}

// Chain is a list of rules; with Hook the kernel enters it by itself.
type Chain struct {
	Name  string
	Hook  *Hook
	Rules []Rule
}

// Hook is where the kernel enters a base chain.
type Hook struct {
	Type     string // filter, nat
	At       Point
	Device   string // netdev tables only
	Priority int    // -300 raw, -100 dstnat, 0 filter, 100 srcnat
}

// Point is a place on the path of packets. Ingress is of netdev tables.
type Point uint32

// The points, by the numbers of the kernel's enum nf_inet_hooks.
const (
	Prerouting  Point = 0
	Input       Point = 1
	Forward     Point = 2
	Output      Point = 3
	Postrouting Point = 4
	Ingress     Point = 0x100 // number 0 of its family
)

// Rule is a list of statements: each match lets the next one be looked at.
type Rule []Statement
