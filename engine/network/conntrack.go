package network

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// staleFlow picks what the kernel's connection tracking remembers of UDP clients that
// sent to a published port while it led elsewhere. TCP needs none of this: a
// connection ends with the container, and a new one is tracked anew; but a UDP
// client that goes on sending from one port would go on being sent to the old place.
type staleFlow struct {
	port engine.PublishedPort
	to   netip.AddrPort // where it leads, or led
}

// MatchConntrackFlow picks flows that were sent to the container, and flows to the
// host's port that were not rewritten.
func (f staleFlow) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Forward.Protocol != unix.IPPROTO_UDP {
		return false
	}
	answering, _ := netip.AddrFromSlice(flow.Reverse.SrcIP)
	if netip.AddrPortFrom(answering.Unmap(), flow.Reverse.SrcPort) == f.to {
		return true
	}
	return flow.Forward.DstPort == f.port.HostPort &&
		flow.Forward.DstIP.Equal(flow.Reverse.SrcIP) && flow.Forward.SrcIP.Equal(flow.Reverse.DstIP)
}

// forgetFlows removes what is remembered of the UDP ports among the sockets.
func (m *Manager) forgetFlows(sockets []*socket, ep engine.Endpoint) error {
	filters := map[netlink.InetFamily][]netlink.CustomConntrackFilter{}
	for _, s := range sockets {
		if s.Protocol == "udp" {
			to := target(s.PublishedPort, ep)
			f := netlink.InetFamily(family(s.HostIP))
			filters[f] = append(filters[f], staleFlow{s.PublishedPort, to})
		}
	}
	var errs []error
	for f, some := range filters {
		if _, err := m.look.ConntrackDeleteFilters(netlink.ConntrackTable, f, some...); err != nil {
			errs = append(errs, fmt.Errorf("forget UDP flows: %w", err))
		}
	}
	return errors.Join(errs...)
}
