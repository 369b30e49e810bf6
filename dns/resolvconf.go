package dns

import (
	"net/netip"
	"slices"
	"strings"
)

// ServerAddr is where every container finds its name server.
func ServerAddr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 11}), Port)
}

// Port is where name servers listen.
const Port = 53

// ResolvConf is the content of a resolv.conf, see resolv.conf(5).
type ResolvConf struct {
	Nameservers []netip.Addr
	Search      []string
	Options     []string // "name" or "name:value"
}

// ParseResolvConf reads a resolv.conf as resolvers do: what they do not know
// they pass over.
func ParseResolvConf(text string) ResolvConf {
	var c ResolvConf
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";") {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(fields[1]); err == nil {
				c.Nameservers = append(c.Nameservers, addr)
			}
		case "search":
			c.Search = fields[1:] // the last line counts
		case "domain":
			c.Search = fields[1:2]
		case "options":
			c.Options = append(c.Options, fields[1:]...)
		}
	}
	return c
}

// String renders the file.
func (c ResolvConf) String() string {
	var b strings.Builder
	for _, addr := range c.Nameservers {
		b.WriteString("nameserver " + addr.String() + "\n")
	}
	if len(c.Search) > 0 {
		b.WriteString("search " + strings.Join(c.Search, " ") + "\n")
	}
	if len(c.Options) > 0 {
		b.WriteString("options " + strings.Join(c.Options, " ") + "\n")
	}
	return b.String()
}

// Wishes are what a service asks of its resolver; empty fields mean the host's.
type Wishes struct {
	Nameservers []netip.Addr
	Search      []string // "." alone: none
	Options     []string
}

// ForContainer is the file of a container whose names we serve, on a host with the
// file c. With ndots:0 a service name is asked as it is first, and not with the
// host's search domains behind it; the host's own ndots was not meant for
// service names, the service's was.
func (c ResolvConf) ForContainer(w Wishes) ResolvConf {
	c = c.With(w)
	c.Nameservers = []netip.Addr{ServerAddr().Addr()}
	isNdots := func(option string) bool { return strings.HasPrefix(option, "ndots:") }
	if !slices.ContainsFunc(w.Options, isNdots) {
		c.Options = append(slices.DeleteFunc(slices.Clone(c.Options), isNdots), "ndots:0")
	}
	return c
}

// Forwarding are the resolvers that are asked, from the host's network, for
// what is not ours: systemd-resolved or dnsmasq on the host's loopback serve
// as well as others there.
func (c ResolvConf) Forwarding(w Wishes) []netip.AddrPort {
	var to []netip.AddrPort
	for _, addr := range c.With(w).Nameservers {
		to = append(to, netip.AddrPortFrom(addr, Port))
	}
	return to
}

// WithoutServer is the file of a container in a network of its own whose names
// nobody serves (a build): resolvers on the host's loopback are not reachable
// from there.
func (c ResolvConf) WithoutServer(w Wishes) ResolvConf {
	c = c.With(w)
	c.Nameservers = slices.DeleteFunc(slices.Clone(c.Nameservers), netip.Addr.IsLoopback)
	return c
}

// With lets the service's wishes replace the host's settings: the file of a
// container in the host's network, where the host's loopback is reachable.
func (c ResolvConf) With(w Wishes) ResolvConf {
	if len(w.Nameservers) > 0 {
		c.Nameservers = w.Nameservers
	}
	if len(w.Search) > 0 {
		c.Search = words(w.Search)
		if slices.Equal(c.Search, []string{"."}) {
			c.Search = nil
		}
	}
	if len(w.Options) > 0 {
		c.Options = words(w.Options)
	}
	return c
}

// words splits what would otherwise become lines of its own in the file.
func words(list []string) []string { return strings.Fields(strings.Join(list, " ")) }

// BehindStub tells where systemd-resolved writes the resolvers that it asks
// itself, if c names nothing but its stub. That file serves where the stub
// cannot be reached.
func (c ResolvConf) BehindStub() (path string, ok bool) {
	stub := netip.AddrFrom4([4]byte{127, 0, 0, 53})
	if len(c.Nameservers) == 0 || slices.ContainsFunc(c.Nameservers, func(a netip.Addr) bool { return a != stub }) {
		return "", false
	}
	return "/run/systemd/resolve/resolv.conf", true
}
