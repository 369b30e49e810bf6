package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/option"
)

// ensureBridge makes the bridge of a network, or completes the one that is there.
func (m *Manager) ensureBridge(n engine.Network) error {
	o, err := option.Parse(&n.Spec)
	if err != nil {
		return err
	}
	what := "create bridge " + n.Bridge
	l := link{name: n.Bridge, group: m.group(), mtu: o.MTU, mac: macOf(n.Pools[0].Gateway)}
	err = m.rtnl.do(newLink(what, l, linkInfo("bridge", nil)))
	if errors.Is(err, unix.EEXIST) {
		err = m.adoptable(n.Bridge)
	}
	if err != nil {
		return err
	}
	index, err := m.rtnl.index(n.Bridge)
	if err != nil {
		return err
	}
	if err := m.quietIPv6(n); err != nil {
		return err
	}
	requests := []request{
		// For those who look at the host's links: whose this is.
		setLinkUp(what, n.Bridge, nl.NewRtAttr(unix.IFLA_IFALIAS, nl.NonZeroTerminated(alias(n)))),
	}
	for _, p := range n.Pools {
		if !o.HostAddress(p.Gateway) {
			continue
		}
		requests = append(requests, addAddress(what, index, netip.PrefixFrom(p.Gateway, p.Subnet.Bits())))
	}
	return m.rtnl.do(requests...)
}

// adoptable says whether the link that has the name already is a bridge of ours, left by a crash.
func (m *Manager) adoptable(name string) error {
	there, err := m.look.LinkByName(name)
	if err != nil {
		return fmt.Errorf("bridge %s: %w", name, err)
	}
	if there.Type() != "bridge" || there.Attrs().Group != m.group() {
		return engine.Problem(engine.ErrConflict, fmt.Errorf("there is an interface %s already, which is not tiffin's", name))
	}
	return nil
}

// quietIPv6 keeps the host from listening to what containers say in IPv6: a router
// advertisement of theirs would change the host's routes. Nor does the host wait a
// second to see whether somebody else has the bridge's addresses (RFC 4862 §5.4).
func (m *Manager) quietIPv6(n engine.Network) error {
	values := map[string]string{"disable_ipv6": "1"}
	if n.Spec.EnableIPv6 {
		values = map[string]string{"accept_ra": "0", "accept_dad": "0"}
	}
	return m.inHost(func() error {
		for name, value := range values {
			err := writeSysctl("net/ipv6/conf/"+n.Bridge+"/"+name, value)
			if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6
				return err
			}
		}
		return nil
	})
}

// macOf makes a MAC address of an IP address, as Docker does: who has the address
// has the MAC, so that nobody's ARP table is ever wrong. Of IPv6 the last four bytes count.
func macOf(a netip.Addr) []byte {
	b := a.AsSlice()
	return append([]byte{0x02, 0x42}, b[len(b)-4:]...)
}

// routes lists the host's routes of IPv4, of all tables.
func (m *Manager) routes() ([]netlink.Route, error) {
	everywhere := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	return whole(func() ([]netlink.Route, error) {
		return m.look.RouteListFiltered(unix.AF_INET, everywhere, netlink.RT_FILTER_TABLE)
	})
}

// taken are the prefixes that a subnet of ours must not overlap: what the host has a
// route to or an address in, and its name servers.
func (m *Manager) taken() ([]netip.Prefix, error) {
	var all []netip.Prefix
	routes, err := m.routes()
	if err != nil {
		return nil, fmt.Errorf("list the host's routes: %w", err)
	}
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ones, _ := r.Dst.Mask.Size()
		if a, ok := netip.AddrFromSlice(r.Dst.IP.To4()); ok && ones > 0 {
			all = append(all, netip.PrefixFrom(a, ones))
		}
	}
	return append(all, m.nameServers()...), nil
}
