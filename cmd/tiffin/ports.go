package main

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
)

// publisher is a port of a container, by docker compose's keys; one that is only
// exposed has no URL.
type publisher struct {
	URL           string
	TargetPort    int
	PublishedPort int
	Protocol      string
}

// publishers are the ports of a container: those that are bound, then those that are
// only exposed.
func publishers(c *engine.Container) []publisher {
	out := []publisher{}
	for _, p := range c.Published {
		out = append(out, publisher{URL: p.HostIP.String(), TargetPort: int(p.ContainerPort), PublishedPort: int(p.HostPort), Protocol: p.Protocol})
	}
	slices.SortFunc(out, func(a, b publisher) int {
		return cmp.Or(strings.Compare(a.URL, b.URL), strings.Compare(a.Protocol, b.Protocol),
			a.TargetPort-b.TargetPort, a.PublishedPort-b.PublishedPort)
	})
	for _, e := range exposed(c) {
		port, proto, _ := strings.Cut(e, "/")
		n, err := strconv.Atoi(port)
		if err == nil && !slices.ContainsFunc(out, func(p publisher) bool { return p.TargetPort == n && p.Protocol == proto }) {
			out = append(out, publisher{TargetPort: n, Protocol: proto})
		}
	}
	return out
}

// exposed are the ports of the image and of the spec, 80/tcp, without ranges.
func exposed(c *engine.Container) []string {
	out := slices.Concat(c.Image.Expose, c.Spec.Expose)
	for i, e := range out {
		if !strings.Contains(e, "/") {
			out[i] = e + "/tcp"
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// portsText is docker's: 0.0.0.0:8080->80/tcp, 9000-9001/tcp. Ports in a row are one range.
func portsText(c *engine.Container) string {
	all := publishers(c)
	var out []string
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n-1].before(all[n]) {
			n++
		}
		out = append(out, rangeText(all[0], n))
		all = all[n:]
	}
	return strings.Join(out, ", ")
}

// before says that q is the port next to p, inside and outside.
func (p publisher) before(q publisher) bool {
	outside := p.PublishedPort + 1
	if p.PublishedPort == 0 {
		outside = 0
	}
	return q.URL == p.URL && q.Protocol == p.Protocol && q.TargetPort == p.TargetPort+1 && q.PublishedPort == outside
}

// rangeText is the text of n ports in a row, of which p is the first.
func rangeText(p publisher, n int) string {
	span := func(first int) string {
		if n == 1 {
			return strconv.Itoa(first)
		}
		return fmt.Sprintf("%d-%d", first, first+n-1)
	}
	inside := span(p.TargetPort) + "/" + p.Protocol
	if p.PublishedPort == 0 {
		return inside
	}
	return net.JoinHostPort(p.URL, span(p.PublishedPort)) + "->" + inside
}
