package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"tiffin/engine"
)

// PortWish is a container that will be started, and the ports that it is to publish.
type PortWish struct {
	Service string
	Number  int
	Name    string
	Ports   []engine.PortBinding
}

// CheckPorts refuses two containers that can only have the same port of the host.
//
// Errors: ErrConflict.
func CheckPorts(wishes []PortWish) error {
	var seen []PortWish
	for _, wish := range wishes {
		for _, other := range seen {
			for _, b := range wish.Ports {
				if slices.ContainsFunc(other.Ports, func(o engine.PortBinding) bool { return samePort(b, o) }) {
					return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("start %s: port %s of the host is to be that of %s, too", wish.Name, b, other.Name)),
						"publish another port, or a range of them for several replicas")
				}
			}
		}
		seen = append(seen, wish)
	}
	return nil
}

// samePort says that only one of two bindings can be had.
func samePort(a, b engine.PortBinding) bool {
	fixed := func(p engine.PortBinding) bool {
		return p.HostPort != 0 && (p.HostPortEnd == 0 || p.HostPortEnd == p.HostPort)
	}
	anywhere := func(ip netip.Addr) bool { return !ip.IsValid() || ip.IsUnspecified() }
	switch {
	case !fixed(a) || !fixed(b) || a.HostPort != b.HostPort || cmp.Or(a.Protocol, "tcp") != cmp.Or(b.Protocol, "tcp"):
		return false
	case !a.HostIP.IsValid() || !b.HostIP.IsValid() || a.HostIP == b.HostIP:
		return true
	default:
		return a.HostIP.Is4() == b.HostIP.Is4() && (anywhere(a.HostIP) || anywhere(b.HostIP))
	}
}
