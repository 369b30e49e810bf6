package network

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/option"
)

// A container on a network of macvlan or ipvlan has a link of its own on the host's
// segment: it is made from a link of the host, the parent, and is in the container's
// namespace from the start. There is no bridge, no address translation, and no port to
// publish; the host and the containers do not reach each other, by the drivers' design.

// ensureParent makes the parent of a network, unless it is there: the link of a VLAN
// (eth0.10), or, where no parent is given, a link of ours that leads nowhere.
//
// Errors: ErrNotFound when the host has no such link, ErrUnsupported when the kernel
// cannot make it.
func (m *Manager) ensureParent(n engine.Network) error {
	if _, err := m.rtnl.index(n.Parent); err == nil {
		return m.setParentUp(n.Parent)
	}
	o, err := option.Parse(&n.Spec)
	if err != nil {
		return err
	}
	if o.Parent == "" {
		err = m.makeSink(n.Parent)
	} else {
		err = m.makeTagged(n.Parent)
	}
	if err != nil {
		return err
	}
	return m.rtnl.do(setLinkUp("create parent "+n.Parent, n.Parent,
		nl.NewRtAttr(unix.IFLA_IFALIAS, nl.NonZeroTerminated(parentAlias+n.Spec.Name))))
}

// parentAlias begins the alias of a parent of ours. It is not that of a bridge: the host
// forwards nothing for a parent.
const parentAlias = "tiffin parent of network "

// setParentUp sets a parent up that is ours; what is not ours is left as it is.
func (m *Manager) setParentUp(name string) error {
	if ours, err := m.isOurs(name); err != nil || !ours {
		return err
	}
	return m.rtnl.do(setLinkUp("restore parent "+name, name))
}

// makeSink makes a link that drops whatever is sent. Kernels without dummy links have
// another kind that does.
func (m *Manager) makeSink(name string) error {
	var err error
	for _, kind := range []string{"dummy", "ifb"} {
		what := fmt.Sprintf("create %s %s", kind, name)
		err = m.rtnl.do(newLink(what, link{name: name, group: m.group()}, linkInfo(kind, nil)))
		if !errors.Is(err, unix.EOPNOTSUPP) {
			return err
		}
	}
	return kernelLacks("dummy links", "give the network a parent", err)
}

// vlanID is IFLA_VLAN_ID of linux/if_link.h.
const vlanID = 1

// makeTagged makes the link of a VLAN.
func (m *Manager) makeTagged(name string) error {
	above, number, ok := option.Tagged(name)
	if !ok {
		return noParent(name)
	}
	index, err := m.rtnl.index(above)
	if err != nil {
		return noParent(above)
	}
	err = m.rtnl.do(taggedLink(link{name: name, group: m.group()}, index, number))
	if errors.Is(err, unix.EOPNOTSUPP) {
		return kernelLacks("VLANs (8021q)", "load the module, or make "+name+" yourself", err)
	}
	return err
}

func taggedLink(l link, above int, number uint16) request {
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddRtAttr(vlanID, nl.Uint16Attr(number))
	return newLink("create VLAN "+l.name, l, nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(above))), linkInfo("vlan", data))
}

func noParent(name string) error {
	return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("parent %s: the host has no interface of that name", name)),
		"`ip link` lists those that there are")
}

func kernelLacks(what, hint string, err error) error {
	return engine.Hint(engine.Problem(engine.ErrUnsupported, fmt.Errorf("this kernel has no %s: %w", what, err)), hint)
}

// removeParent removes a parent that is ours, with what was made of it, unless another
// network has it, too.
func (m *Manager) removeParent(name string) error {
	m.mu.Lock()
	shared := false
	for _, n := range m.networks {
		shared = shared || n.Parent == name
	}
	m.mu.Unlock()
	if shared {
		return nil
	}
	if ours, err := m.isOurs(name); err != nil || !ours {
		return err
	}
	return m.removeLinks(name)
}

// isOurs says whether a link of the host is there, and of our making.
func (m *Manager) isOurs(name string) (bool, error) {
	if _, err := m.rtnl.index(name); err != nil {
		return false, unlessGone(err)
	}
	l, err := m.look.LinkByName(name)
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", name, err)
	}
	return l.Attrs().Group == m.group(), nil
}

// The attributes of macvlan and ipvlan, by linux/if_link.h.
const (
	macvlanMode = 1
	ipvlanMode  = 1
	ipvlanFlags = 2
)

// branch makes the link of an endpoint from the parent of its network, in the sandbox
// and under its final name.
func (m *Manager) branch(s *Sandbox, a *attached) error {
	parent, err := m.rtnl.index(a.network.Parent)
	if err != nil {
		return noParent(a.network.Parent)
	}
	l := link{name: a.Interface, mtu: a.network.opts.MTU}
	if a.MacAddress != "" {
		if l.mac, err = parseMAC(a.MacAddress); err != nil {
			return err
		}
	}
	driver := a.network.Spec.Driver
	err = m.rtnl.do(branchLink(l, driver, a.network.opts.VLAN, parent, s.ns.Fd()))
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return kernelLacks(driver, "load the module "+driver+", or use the driver macvlan or bridge", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EBUSY):
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("parent %s: %w", a.network.Parent, err)),
			"a parent has links of one kind and mode only, one with passthru, and must be no port of a bridge")
	default:
		return err
	}
}

func branchLink(l link, driver string, v option.VLAN, parent int, ns uintptr) request {
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	if driver == "macvlan" {
		data.AddRtAttr(macvlanMode, nl.Uint32Attr(v.Mode))
	} else {
		data.AddRtAttr(ipvlanMode, nl.Uint16Attr(uint16(v.Mode)))
		data.AddRtAttr(ipvlanFlags, nl.Uint16Attr(v.Flag))
	}
	return newLink(fmt.Sprintf("create %s %s", driver, l.name), l,
		nl.NewRtAttr(unix.IFLA_LINK, nl.Uint32Attr(uint32(parent))),
		nl.NewRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns))), linkInfo(driver, data))
}

// cut removes the link of an endpoint that was made by branch.
func (s *Sandbox) cut(a *attached) error {
	return unlessGone(s.rtnl.do(deleteLink("remove "+a.Interface, a.Interface)))
}

func parseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("mac_address %q: six bytes in hexadecimal are expected", text))
	}
	return mac, nil
}
