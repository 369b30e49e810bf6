// Package dns answers containers' name queries and forwards the rest.
//
// The one idea: a query is decided by a pure function of the message and an
// immutable view. A View is what one endpoint sees: the Zones of its networks
// (shared by all endpoints there, so a container that starts costs one new
// Zone and a pointer swap for each neighbour), the upstream resolvers, and
// whether anything may go out at all. The package knows no containers and opens
// no listening socket: its caller opens them on 127.0.0.11 in each container's
// network namespace, where nobody else reaches them.
//
//	                     ┌─ ours ─────────> response: addresses, nothing, or NXDOMAIN
//	message ─> decide ───┼─ one label ────> NXDOMAIN: a service that is not there
//	   ^         ^       ├─ internal ─────> NXDOMAIN: not even the question leaves
//	 socket     View     └─ else ─> limits ─> Forwarder ─> upstreams, in turn
//
// Rules that clients depend on:
//
//   - A name of ours without a record of the asked type gets no error and no
//     record. With NXDOMAIN for AAAA, musl would not believe in the A record.
//   - Responses live for 0 s. Clients that cache would go on asking the address
//     of a replica that is gone; everybody copes with 0, it is what Consul has
//     sent for years.
//   - The question comes back byte by byte (clients that mix upper and lower
//     case check it), addresses begin with another one each time.
//   - What has no answer outside (internal network) is NXDOMAIN and not an
//     error: musl waits five seconds after an error, for nothing.
//   - Whoever has other servers to ask (the host, see View.Partial) is refused what
//     is not ours: every resolver then asks another one.
//
// Reading order:
//
//	view.go zone.go   what is known: View, Zone, Records
//	message.go        the wire: reading a query, writing a response
//	answer.go         decide: from query and view to response or verdict
//	server.go         Server: sockets in, responses out
//	udp.go tcp.go     its two loops
//	forward.go        Forwarder: upstream resolvers
//	limit.go          how much one container may have forwarded
//	resolvconf.go     resolv.conf: read, adapted to containers, rendered (pure)
//
// Not here: a cache (what is not kept cannot be poisoned), recursion, DNSSEC,
// and who has which name: engine/network makes the Zones.
package dns
