package addresses

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
)

// Variable is one assignment.
type Variable struct{ Name, Value string }

// Of are the variables of the published ports of containers, sorted: NAME=address:port, NAME_HOST and NAME_PORT, where
// NAME is SERVICE_PORT, with _UDP or _SCTP behind it for these, and with _2 for the second replica and so on. The
// address is one to connect to: loopback when the port is open at all of them, and IPv4 when it is open at both.
func Of(list []engine.Container) []Variable {
	list = slices.SortedFunc(slices.Values(list), func(a, b engine.Container) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), a.Number-b.Number)
	})
	var out []Variable
	taken := map[string]bool{}
	replica, service := 0, ""
	for i := range list {
		c := &list[i]
		if c.OneOff || c.Service == "" {
			continue
		}
		if replica++; c.Service != service {
			replica, service = 1, c.Service
		}
		for _, p := range preferred(c.Published) {
			name := nameOf(c.Service, p, replica)
			if p.HostPort == 0 || taken[name] {
				continue
			}
			taken[name] = true
			host, port := reachable(p.HostIP), strconv.Itoa(int(p.HostPort))
			out = append(out, Variable{name, netip.AddrPortFrom(host, p.HostPort).String()}, Variable{name + "_HOST", host.String()}, Variable{name + "_PORT", port})
		}
	}
	slices.SortFunc(out, func(a, b Variable) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// preferred has the ports at all addresses and at loopback, and those of IPv4, first.
func preferred(ports []engine.PublishedPort) []engine.PublishedPort {
	rank := func(p engine.PublishedPort) int {
		r := 0
		if !p.HostIP.Is4() {
			r++
		}
		if !p.HostIP.IsUnspecified() && !p.HostIP.IsLoopback() && p.HostIP.IsValid() {
			r += 2
		}
		return r
	}
	return slices.SortedFunc(slices.Values(ports), func(a, b engine.PublishedPort) int {
		return cmp.Or(rank(a)-rank(b), a.HostIP.Compare(b.HostIP), int(a.HostPort)-int(b.HostPort))
	})
}

// reachable is the address of this host under which what is open at addr answers.
func reachable(addr netip.Addr) netip.Addr {
	switch {
	case !addr.IsValid(), addr == netip.IPv4Unspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case addr == netip.IPv6Unspecified():
		return netip.IPv6Loopback()
	default:
		return addr
	}
}

func nameOf(service string, p engine.PublishedPort, replica int) string {
	name := fmt.Sprintf("%s_%d", upper(service), p.ContainerPort)
	if p.Protocol != "tcp" && p.Protocol != "" {
		name += "_" + upper(p.Protocol)
	}
	if replica > 1 {
		name += "_" + strconv.Itoa(replica)
	}
	return name
}

// upper is text as a shell may have it in the name of a variable.
func upper(text string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '_'
		}
	}, text)
	if out != "" && out[0] >= '0' && out[0] <= '9' {
		return "_" + out
	}
	return out
}
