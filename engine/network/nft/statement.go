package nft

import "net/netip"

// Statement is one part of a rule. The types below are all there are.
type Statement interface {
	text() string
	encode(e *expressions)
}

// Is matches packets whose field has the value.
type Is struct {
	Field Field
	Value Value
}

// Not matches packets whose field has another value.
type Not struct {
	Field Field
	Value Value
}

// Begins matches packets whose interface's name begins with the text.
type Begins struct {
	Field Field
	Text  string
}

// OfFamily matches packets of IPv4, or of IPv6, in a table that sees both.
type OfFamily struct{ Family Family }

// Within matches packets whose address is in the prefix.
type Within struct {
	Field  Field
	Prefix netip.Prefix
}

// Outside matches packets whose address is not in the prefix.
type Outside struct {
	Field  Field
	Prefix netip.Prefix
}

// Any matches packets whose field has one of the flags set.
type Any struct {
	Field Field
	Flags []Flag
}

// In matches packets whose fields together are an element of the set.
type In struct {
	Fields []Field
	Set    string
}

// NotIn matches packets whose fields together are no element of the set.
type NotIn struct {
	Fields []Field
	Set    string
}

// ToHost matches packets whose destination is an address of the host itself.
type ToHost struct{}

// NotFromHost matches packets whose source is no address of the host itself.
type NotFromHost struct{}

// Spoofed matches packets whose source, by the host's routes, is not behind the
// interface that they came in by. It can be asked in chains of prerouting, input and forward.
type Spoofed struct{}

// Rewrite gives a port of the packet another value, without any memory of the connection.
type Rewrite struct {
	Over  Value // TCP or UDP, which the rule has matched before
	Field Field
	Value Value
}

// DNAT sends the connection to the address and port that the map has for the
// fields. The rule ends without effect when it has none.
type DNAT struct {
	Family Family // IPv4 or IPv6
	Fields []Field
	Map    string
}

// SNAT gives the connection the source address that the map has for the fields. The
// rule ends without effect when it has none.
type SNAT struct {
	Family Family // IPv4 or IPv6
	Fields []Field
	Map    string
}

// Masquerade gives the connection the address of the interface it leaves by.
type Masquerade struct{}

// Counter counts the packets that come to it.
type Counter struct{}

// Verdict ends the rule.
type Verdict int

// The verdicts, as the kernel numbers them.
const (
	Drop   Verdict = 0
	Accept Verdict = 1
	Return Verdict = -5
)
