// Package network makes networks: bridges, addresses, names and published ports.
//
// A network is a bridge on the host, or, by the drivers macvlan and ipvlan, links made of
// one of the host's. A container's network namespace is a Sandbox,
// pinned as a file in the run root; it belongs to a replica of a service, and so
// stays over restarts of the process in it. An Endpoint is a sandbox on a network:
// a pair of links, one end a port of the bridge. All rules of the firewall are in one
// nftables table of ours, and whatever comes and goes is an element of its sets.
// Everything is done over netlink, with as few round trips as possible; whatever is
// made in the kernel has a name or a group that says whose it is.
//
// Reading order: network.go (the Manager), create.go bridge.go vlan.go (networks),
// sandbox.go netns.go (namespaces), attach.go configure.go retain.go links.go (endpoints), rules.go
// firewall.go forwarding.go neighbours.go (the firewall), ports.go portowner.go
// publish.go hairpin.go conntrack.go (ports), names.go
// resolver.go resolvconf.go (names), restore.go (a new engine), rtnl.go (netlink).
//
// Not here: answering name queries (package dns), nftables messages (network/nft), what
// carries from socket to socket (network/relay), the short way to ports on loopback
// (network/shortcut), driver_opts (network/option), which subnets and addresses there are
// (network/ipam),
// and what a container is.
package network
