// Package registry reaches image registries: hosts, mirrors, patience, and guards.
//
// The protocol is containerd's resolver; this room decides what it may talk to and how. A pull asks for one
// Resolver. Underneath it is one HTTP transport that waits out a busy registry, gives up on a silent one, bounds
// what is not bounded by a digest, and keeps credentials where they belong: with the registry they are for, over
// TLS, and with the token server that it names if that is no closer to us than the registry itself is.
//
// Reading order: client.go (configuration, hosts, a resolver), transport.go (retries, idle time, sizes),
// redirect.go and realm.go (where credentials may go), hosts.go (the same for a resolver that authorizes itself),
// explain.go (errors in our words).
//
// Not here: what is pulled and how it is kept (engine/image), where credentials come from (image/credentials).
package registry
