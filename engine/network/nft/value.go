package nft

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// Type is the type of a field or of a part of an element.
type Type int

// The types.
const (
	TypeIfname Type = iota
	TypeIPv4
	TypeIPv6
	TypeProto
	TypePort
	TypeCtState
	TypeCtStatus
)

// typeInfo has the number by which nft(8) knows a type (the kernel stores it for
// others to read) and its size in bytes.
type typeInfo struct {
	text   string
	number uint32
	size   int
}

var types = [...]typeInfo{
	TypeIfname:   {"ifname", 41, 16},
	TypeIPv4:     {"ipv4_addr", 7, 4},
	TypeIPv6:     {"ipv6_addr", 8, 16},
	TypeProto:    {"inet_proto", 12, 1},
	TypePort:     {"inet_service", 13, 2},
	TypeCtState:  {"ct_state", 26, 4},
	TypeCtStatus: {"ct_status", 28, 4},
}

func (t Type) info() typeInfo { return types[t] }

// registers is the number of 32-bit registers that a value of the type takes.
func (t Type) registers() uint32 { return uint32(t.info().size+3) / 4 }

// Value is a constant: its bytes as packets have them, and how nft(8) writes it.
type Value struct {
	text string
	data []byte
}

func (v Value) String() string { return v.text }

// Ifname is the name of an interface.
func Ifname(name string) Value {
	data := make([]byte, 16)
	copy(data[:15], name)
	return Value{strconv.Quote(name), data}
}

// Addr is an address of either family.
func Addr(a netip.Addr) Value { return Value{a.String(), a.AsSlice()} }

// Port is a port of TCP or UDP.
func Port(p uint16) Value {
	return Value{strconv.Itoa(int(p)), binary.BigEndian.AppendUint16(nil, p)}
}

// The protocols that have ports.
var (
	TCP = Value{"tcp", []byte{unix.IPPROTO_TCP}}
	UDP = Value{"udp", []byte{unix.IPPROTO_UDP}}
)

// Flag is one bit of a field that is a set of bits.
type Flag struct {
	text string
	bit  uint32
}

// The flags of CtState.
var (
	Established = Flag{"established", 1 << 1}
	Related     = Flag{"related", 1 << 2}
)

// DNATed is the flag of CtStatus which says that the destination was rewritten.
var DNATed = Flag{"dnat", 1 << 5}
