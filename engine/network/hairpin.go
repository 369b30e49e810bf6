package network

import (
	"errors"
	"os"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// reflect lets a bridge send frames back to the container that they came from, where
// frames within a bridge go through the rules for packets (br_netfilter): one that a
// container sends to a port of its own has got its new destination before it is
// routed, and never leaves the bridge. Elsewhere it is routed, and none comes back:
// a container then does not hear its own broadcasts.
func (m *Manager) reflect(a *attached) error {
	if a.HostLink == "" { // on no bridge
		return nil
	}
	on, err := m.filtersFrames()
	if err != nil || !on {
		return err
	}
	if a.network.opts.NoICC {
		return m.fw.add(named(setApart, a.network.Bridge, a.NetworkID))
	}
	index, err := m.rtnl.index(a.HostLink)
	if err != nil {
		return err
	}
	return m.rtnl.do(setHairpin("let the bridge answer "+a.HostLink, index))
}

// filtersFrames says whether br_netfilter is at work in the host's network namespace.
func (m *Manager) filtersFrames() (bool, error) {
	on := false
	err := m.inHost(func() error {
		for _, name := range []string{"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"} {
			value, err := readSysctl(name)
			if errors.Is(err, os.ErrNotExist) { // it is not loaded
				return nil
			}
			if err != nil {
				return err
			}
			on = on || value != "0"
		}
		return nil
	})
	return on, err
}

// setHairpin is for a port of a bridge, see IFLA_BRPORT_MODE of linux/if_link.h.
func setHairpin(what string, index int) request {
	r := nl.NewNetlinkRequest(unix.RTM_SETLINK, 0)
	header := nl.NewIfInfomsg(unix.AF_BRIDGE)
	header.Index = int32(index)
	r.AddData(header)
	port := nl.NewRtAttr(unix.IFLA_PROTINFO|unix.NLA_F_NESTED, nil)
	port.AddRtAttr(nl.IFLA_BRPORT_MODE, []byte{1})
	r.AddData(port)
	return request{r, what}
}
