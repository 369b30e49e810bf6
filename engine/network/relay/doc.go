// Package relay carries what arrives on a socket of the host to a container.
//
// It is for what destination NAT must not touch, loopback addresses, and cannot do,
// IPv6 to a container that has only IPv4: from process to process, by splice(2) where
// that can be.
//
// Reading order: tcp.go (Relay, TCP), udp.go (a socket to the container for each client).
package relay
