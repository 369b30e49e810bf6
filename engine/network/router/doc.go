// Package router makes the host a router as long as there are networks on it.
//
// All engines on a host share what is changed there: whether it forwards, and the ways
// through other people's firewalls. So none keeps count for itself. What is needed
// follows from the bridges that are there, whoever made them, and what was before the
// first of them stands in a record of the host's. A lock of the host's keeps looking
// and changing together: a bridge is made while it is held shared, and things are put
// back while it is held alone and no bridge is left. An engine that crashes, or never
// comes back, leaves nothing to know but its bridges.
//
// Reading order: router.go (Join, Leave), record.go, forwarding.go (kernel parameters),
// ways.go (chains of nftables that drop what nobody accepts), legacy.go (the same of
// iptables-legacy), firewalld.go. Our own table is not here: see engine/network.
package router
