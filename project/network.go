package project

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// networking translates network_mode, or the networks in the order of attachment.
func networking(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.MacAddress = s.MacAddress
	switch mode := s.NetworkMode; {
	case mode == "":
	case mode == "default":
		out.NetworkMode = "bridge"
		return nil
	case mode == "bridge", mode == "host", mode == "none", refersToOther(mode):
		out.NetworkMode = mode
		return nil
	default:
		path := fault.In(s, "network_mode")
		return fault.At(path, "%s: there is no mode %q", fault.Dotted(path), mode).
			Hint("Say bridge, host, none, service:<name> or container:<name>; a network of that name goes under networks.")
	}
	for _, key := range s.NetworksByPriority() {
		e, err := endpoint(s, key, s.Networks[key])
		if err != nil {
			return err
		}
		out.Endpoints = append(out.Endpoints, e)
	}
	return nil
}

func endpoint(s *types.ServiceConfig, key string, n *types.ServiceNetworkConfig) (engine.EndpointSpec, error) {
	out := engine.EndpointSpec{Network: key}
	if n == nil {
		return out, nil
	}
	out.Aliases, out.MacAddress, out.Interface = n.Aliases, n.MacAddress, n.InterfaceName
	out.Priority, out.GwPriority, out.DriverOpts = n.Priority, n.GatewayPriority, n.DriverOpts
	out.NoService = !n.ServiceNameAliasEnabled()
	var err error
	if out.IPv4, err = address(fault.In(s, "networks", key, "ipv4_address"), n.Ipv4Address); err != nil {
		return out, err
	}
	if out.IPv6, err = address(fault.In(s, "networks", key, "ipv6_address"), n.Ipv6Address); err != nil {
		return out, err
	}
	for i, text := range n.LinkLocalIPs {
		a, err := address(fault.In(s, "networks", key, "link_local_ips", strconv.Itoa(i)), text)
		if err != nil {
			return out, err
		}
		out.LinkLocal = append(out.LinkLocal, a)
	}
	return out, nil
}

// names translates what a container knows of others by name.
func names(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.DNSSearch, out.DNSOptions, out.Links, out.ExternalLinks = s.DNSSearch, s.DNSOpts, s.Links, s.ExternalLinks
	for i, text := range s.DNS {
		a, err := address(fault.In(s, "dns", strconv.Itoa(i)), text)
		if err != nil {
			return err
		}
		out.DNS = append(out.DNS, a)
	}
	out.ExtraHosts = s.ExtraHosts.AsList("=")
	slices.Sort(out.ExtraHosts)
	for _, entry := range out.ExtraHosts {
		host, text, _ := strings.Cut(entry, "=")
		if _, err := netip.ParseAddr(text); err != nil && text != engine.HostGateway {
			path := fault.In(s, "extra_hosts")
			return fault.At(path, "%s: %q is not an IP address for %s", fault.Dotted(path), text, host).
				Hint("Write name=address, or name=host-gateway for the host.")
		}
	}
	return nil
}
