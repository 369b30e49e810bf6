package network

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// staleFlow picks what the kernel's connection tracking remembers of UDP clients that
// sent to a published port while it led elsewhere: one that goes on sending from one
// port would go on being sent to the old place. TCP needs none of this as long as the
// old place has its address: there is an answer from it, be it a reset.
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

// The attributes of a filter, see linux/netfilter/nfnetlink_conntrack.h; the flags are
// those of the kernel's nf_internals.h.
const (
	ctaFilter           = 25
	ctaFilterOrigFlags  = 1
	ctaFilterReplyFlags = 2
	filterSource        = 1 << 0
)

// forgetAddresses removes what is remembered of connections to and from addresses
// that nobody has any more. A TCP client of a container that is gone would send into
// the void for a quarter of an hour; what it sends next is looked at anew now, and
// gets a reset from whoever has the port. What cannot be removed is logged: nothing else
// that is left to do about a container depends on it.
func (m *Manager) forgetAddresses(addrs ...netip.Addr) {
	for _, a := range addrs {
		// Who answers has been asked, under this address or another one.
		err := m.forgetFrom(a, nl.CTA_TUPLE_REPLY, ctaFilterReplyFlags)
		if err == nil {
			err = m.forgetFrom(a, nl.CTA_TUPLE_ORIG, ctaFilterOrigFlags)
		}
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) { // before Linux 6.11
			err = m.inHost(func() error {
				_, err := m.look.ConntrackDeleteFilters(netlink.ConntrackTable, netlink.InetFamily(family(a)), deadAddress(a))
				return err
			})
		}
		if err != nil {
			m.cfg.Log.Warn("connections of a container that is gone are remembered", "address", a, "reason", err)
		}
	}
}

// forgetFrom removes the connections in one direction of which packets come from the
// address. The kernel goes through its table itself.
func (m *Manager) forgetFrom(a netip.Addr, tuple, flags int) error {
	source := nl.CTA_IP_V4_SRC
	if a.Is6() {
		source = nl.CTA_IP_V6_SRC
	}
	r := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_CTNETLINK<<8|nl.IPCTNL_MSG_CT_DELETE, unix.NLM_F_ACK)
	r.AddData(&nl.Nfgenmsg{NfgenFamily: uint8(family(a)), Version: nl.NFNETLINK_V0})
	t := nl.NewRtAttr(unix.NLA_F_NESTED|tuple, nil)
	t.AddRtAttr(unix.NLA_F_NESTED|nl.CTA_TUPLE_IP, nil).AddRtAttr(source, a.AsSlice())
	r.AddData(t)
	f := nl.NewRtAttr(unix.NLA_F_NESTED|ctaFilter, nil)
	f.AddRtAttr(flags, nl.Uint32Attr(filterSource))
	r.AddData(f)
	return m.inHost(func() error {
		_, err := r.Execute(unix.NETLINK_NETFILTER, 0)
		return err
	})
}

// deadAddress picks connections as forgetAddresses does.
type deadAddress netip.Addr

// MatchConntrackFlow picks flows that the address answers, and those that it began.
func (d deadAddress) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	dead := netip.Addr(d).AsSlice()
	return flow.Reverse.SrcIP.Equal(dead) || flow.Forward.SrcIP.Equal(dead)
}
