package dns

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
)

// View is what one endpoint sees: an immutable snapshot.
type View struct {
	// Zones are asked in order; the first that has addresses answers. An
	// endpoint's own names (links) come first, then its networks.
	Zones []*Zone
	// Elsewhere are subnets whose addresses have no names here, unless a Zone knows
	// better, and are asked for nowhere else.
	Elsewhere *Subnets
	// Upstreams are asked, in order, for what is not ours.
	Upstreams []Upstream
	// Internal endpoints get no answer from outside: not even the question
	// leaves the host.
	Internal bool
	// Partial is the view of a client that has other servers to ask: what is not
	// ours is refused, on which it asks them. That there is no such name would
	// have been the last word.
	Partial bool
}

// Subnets may change while they are in use. A nil one is empty.
type Subnets struct {
	list atomic.Pointer[[]netip.Prefix]
}

// Set replaces all of them.
func (s *Subnets) Set(list []netip.Prefix) { s.list.Store(&list) }

func (s *Subnets) contain(addr netip.Addr) bool {
	if s == nil {
		return false
	}
	list := s.list.Load()
	return list != nil && slices.ContainsFunc(*list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Upstream is a resolver that queries are forwarded to.
type Upstream struct {
	Addr netip.AddrPort
	// Dial opens the socket for one query, network being "udp" or "tcp", in
	// another network namespace if need be. Nil means the process's own.
	Dial func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)
}
