package dns

import (
	"context"
	"net"
	"net/netip"
)

// View is what one endpoint sees: an immutable snapshot.
type View struct {
	// Zones are asked in order; the first that has addresses answers. An
	// endpoint's own names (links) come first, then its networks.
	Zones []*Zone
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

// Upstream is a resolver that queries are forwarded to.
type Upstream struct {
	Addr netip.AddrPort
	// Dial opens the socket for one query, network being "udp" or "tcp", in
	// another network namespace if need be. Nil means the process's own.
	Dial func(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error)
}
