package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"tiffin/engine"
)

// PortWant is a container that will be started, and the ports that it is to publish.
type PortWant struct {
	Name     string
	Bindings []engine.PortBinding
}

// CheckPorts refuses two containers that can only have the same port of the host.
//
// Errors: engine.ErrConflict.
func CheckPorts(wants []PortWant) error {
	var seen []PortWant
	for _, want := range wants {
		for _, other := range seen {
			for _, b := range want.Bindings {
				if slices.ContainsFunc(other.Bindings, func(o engine.PortBinding) bool { return samePort(b, o) }) {
					return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("start %s: port %s of the host is to be that of %s, too", want.Name, b, other.Name)),
						"publish another port, or a range of them for several replicas")
				}
			}
		}
		seen = append(seen, want)
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
