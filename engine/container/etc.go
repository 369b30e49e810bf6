package container

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"tiffin/dns"
	"tiffin/engine"
)

// hostname is a container's name for itself; on the host's network, the host's.
func (r *Rooms) hostname(c *engine.Container) string {
	switch {
	case c.Spec.Hostname != "":
		return c.Spec.Hostname
	case c.Spec.NetworkMode == "host" || c.Spec.UtsMode == "host":
		return r.hostInfo().Hostname
	default:
		return engine.ShortID(c.ID)
	}
}

// renderHosts decides the content of /etc/hosts: the usual names, what the user adds,
// and the container's own addresses under its own name.
func renderHosts(spec *engine.ContainerSpec, hostname string, endpoints map[string]engine.Endpoint) string {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n" +
		"ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	for _, entry := range spec.ExtraHosts {
		name, address, ok := strings.Cut(entry, "=")
		if !ok {
			name, address, _ = strings.Cut(entry, ":")
		}
		if address == engine.HostGateway {
			address = hostGateway(endpoints).String()
		}
		fmt.Fprintf(&b, "%s\t%s\n", strings.Trim(address, "[]"), name)
	}
	names := hostname
	if spec.Domainname != "" {
		names = hostname + "." + spec.Domainname + " " + hostname
	}
	for _, network := range endpointOrder(endpoints) {
		e := endpoints[network]
		for _, p := range []netip.Prefix{e.IPv4, e.IPv6} {
			if p.IsValid() {
				fmt.Fprintf(&b, "%s\t%s\n", p.Addr(), names)
			}
		}
	}
	return b.String()
}

// hostGateway is how a container reaches the host: the gateway of its first network.
func hostGateway(endpoints map[string]engine.Endpoint) netip.Addr {
	for _, name := range endpointOrder(endpoints) {
		if g := endpoints[name].Gateway4; g.IsValid() && !g.IsUnspecified() {
			return g
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// resolvConf is the container's /etc/resolv.conf: our name server, with the host's
// settings unless the service has its own. On the host's network the host's servers stay.
func (s *starter) resolvConf() string {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		text = nil // a host without one resolves by its defaults, and so does the container
	}
	host, spec := dns.ParseResolvConf(string(text)), &s.record.Spec
	wishes := dns.Wishes{Nameservers: spec.DNS, Search: spec.DNSSearch, Options: spec.DNSOptions}
	switch {
	case s.sandbox == nil && len(spec.DNS)+len(spec.DNSSearch)+len(spec.DNSOptions) == 0:
		return string(text)
	case s.sandbox == nil:
		return host.With(wishes).String()
	default:
		return host.ForContainer(wishes).String()
	}
}
