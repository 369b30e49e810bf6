package option

import (
	"net/netip"

	"tiffin/engine"
)

// Bind says how a network publishes ports: where those go that say no address of the
// host, and which are opened at the container's own address instead, because the network
// is routed in their family.
func (o *Network) Bind(ports []engine.PortBinding) []engine.PortBinding {
	var out []engine.PortBinding
	for _, p := range ports {
		if !p.HostIP.IsValid() && o.HostBinding != netip.IPv4Unspecified() {
			p.HostIP = o.HostBinding
		}
		out = append(out, o.bind(p)...)
	}
	return out
}

func (o *Network) bind(p engine.PortBinding) []engine.PortBinding {
	if o.Mode4 != Routed && o.Mode6 != Routed {
		return []engine.PortBinding{p}
	}
	if p.HostIP.IsValid() {
		return []engine.PortBinding{o.direct(p)}
	}
	four, six := p, p
	four.HostIP, six.HostIP = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	return []engine.PortBinding{o.direct(four), o.direct(six)}
}

// direct opens a port of a routed family at the container's own address: there is no
// host's address or port to it.
func (o *Network) direct(p engine.PortBinding) engine.PortBinding {
	if o.Mode(p.HostIP) != Routed {
		return p
	}
	any4or6 := netip.IPv4Unspecified()
	if p.HostIP.Is6() {
		any4or6 = netip.IPv6Unspecified()
	}
	return engine.PortBinding{
		HostIP: any4or6, ContainerPort: p.ContainerPort, Protocol: p.Protocol,
		Name: p.Name, AppProtocol: p.AppProtocol, Mode: p.Mode, Direct: true,
	}
}
