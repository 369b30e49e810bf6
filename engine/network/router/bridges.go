package router

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// bridges are the names of those of all engines, and of others that lead to nothing but
// containers or virtual machines.
func (r *Router) bridges() (own, others []string, err error) {
	links, err := r.cfg.Links()
	if err != nil {
		return nil, nil, fmt.Errorf("list the host's interfaces: %w", err)
	}
	routes, err := r.cfg.Routes()
	if err != nil {
		return nil, nil, fmt.Errorf("list the host's routes: %w", err)
	}
	own, others = sortBridges(links, routes)
	return own, others, nil
}

// inner are the kinds of interfaces that containers and virtual machines have on a bridge.
var inner = []string{"veth", "tun", "tuntap", "macvtap"}

// sortBridges tells bridges apart. One that has a port of another kind, or by which the
// host reaches a router, is the host's own way to its LAN.
func sortBridges(links []netlink.Link, routes []netlink.Route) (own, others []string) {
	outward := map[int]bool{}
	for _, l := range links {
		if master := l.Attrs().MasterIndex; master != 0 && !slices.Contains(inner, l.Type()) {
			outward[master] = true
		}
	}
	for _, route := range routes {
		if route.Gw != nil {
			outward[route.LinkIndex] = true
		}
	}
	for _, l := range links {
		a := l.Attrs()
		switch {
		// A name that is a pattern for some program would open more than the bridge.
		case l.Type() != "bridge" || strings.ContainsAny(a.Name, "+*"):
		case ours(l):
			own = append(own, a.Name)
		case !outward[a.Index]:
			others = append(others, a.Name)
		}
	}
	return own, others
}
