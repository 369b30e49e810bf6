package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"tiffin/engine"
	"tiffin/engine/network/option"
)

// configure gives the end in the sandbox its addresses, and the sandbox its routes.
func (s *Sandbox) configure(a *attached) error {
	what := "configure " + a.Interface
	index, err := s.rtnl.index(a.Interface)
	if err != nil {
		return err
	}
	addrs, err := a.prefixes()
	if err != nil {
		return err
	}
	if err := s.setParameters(a, addrs); err != nil {
		return err
	}
	requests := []request{setLinkUp(what, a.Interface)}
	for _, p := range addrs {
		requests = append(requests, addAddress(what, index, p))
	}
	routes, err := s.defaultRoutes(append(slices.Clone(s.links), a))
	if err != nil {
		return err
	}
	return s.rtnl.do(append(requests, routes...)...)
}

// CheckEndpoint says what can never be in how a container wants to be on a network.
//
// Errors: ErrInvalid, ErrUnsupported.
func CheckEndpoint(spec *engine.EndpointSpec) error {
	if _, err := option.ParseEndpoint(spec.DriverOpts); err != nil {
		return err
	}
	if spec.Interface != "" {
		if err := option.InterfaceName(spec.Interface); err != nil {
			return err
		}
	}
	if spec.MacAddress != "" {
		if _, err := parseMAC(spec.MacAddress); err != nil {
			return err
		}
	}
	_, err := linkLocal(spec)
	return err
}

// InterfaceOption is the option of an endpoint that names its interface.
const InterfaceOption = option.EndpointInterface

// Link-local addresses have these sizes (RFC 3927, RFC 4291).
const linkLocalBits4, linkLocalBits6 = 16, 64

// prefixes are all the addresses of an endpoint, each with the size of its subnet.
func (a *attached) prefixes() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, p := range []netip.Prefix{a.IPv4, a.IPv6} {
		if p.IsValid() {
			all = append(all, p)
		}
	}
	more, err := linkLocal(&a.Spec)
	return append(all, more...), err
}

// linkLocal are the link-local addresses that an endpoint is to have.
func linkLocal(spec *engine.EndpointSpec) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, ip := range spec.LinkLocal {
		switch {
		case !ip.IsLinkLocalUnicast():
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("link_local_ips: %s is not a link-local address (169.254.0.0/16, fe80::/10)", ip))
		case ip.Is4():
			all = append(all, netip.PrefixFrom(ip, linkLocalBits4))
		default:
			all = append(all, netip.PrefixFrom(ip, linkLocalBits6))
		}
	}
	return all, nil
}

// setParameters sets the kernel parameters of an interface. IPv6 is on where there is an
// address of it; on a bridge a neighbour must not become the router by saying that it is one.
func (s *Sandbox) setParameters(a *attached, addrs []netip.Prefix) error {
	six := slices.ContainsFunc(addrs, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if !six && len(a.sysctls) == 0 {
		return nil
	}
	return within(s.ns, func() error {
		var errs []error
		if six {
			conf := "net/ipv6/conf/" + a.Interface
			errs = append(errs, writeSysctl(conf+"/accept_dad", "0"), writeSysctl(conf+"/disable_ipv6", "0"))
			if a.network.Bridge != "" {
				errs = append(errs, writeSysctl(conf+"/accept_ra", "0"))
			}
		}
		for _, p := range a.sysctls {
			err := writeSysctl(p.For(a.Interface), p.Value)
			if errors.Is(err, os.ErrNotExist) {
				err = engine.Problem(engine.ErrInvalid, fmt.Errorf("endpoint option: the kernel has no parameter %s", p.For(a.Interface)))
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// route sets the default routes anew.
func (s *Sandbox) route() error {
	routes, err := s.defaultRoutes(s.links)
	if err != nil || len(routes) == 0 {
		return err
	}
	return s.rtnl.do(routes...)
}

// gateways are the ways to ask an endpoint for its gateway, one a family.
var gateways = [...]func(*attached) netip.Addr{
	func(a *attached) netip.Addr { return a.Gateway4 },
	func(a *attached) netip.Addr { return a.Gateway6 },
}

// defaultRoutes are the requests for the default route of each family.
func (s *Sandbox) defaultRoutes(links []*attached) ([]request, error) {
	var requests []request
	for _, gateway := range gateways {
		owner := gatewayOwner(links, gateway)
		if owner == nil {
			continue
		}
		index, err := s.rtnl.index(owner.Interface)
		if err != nil {
			return nil, err
		}
		requests = append(requests, defaultRoute("default route by "+owner.Interface, index, gateway(owner)))
	}
	return requests, nil
}

// gatewayOwner chooses the endpoint whose network has the default route: the highest
// priority, then the first by name, as Docker does.
func gatewayOwner(links []*attached, gateway func(*attached) netip.Addr) *attached {
	var owner *attached
	for _, a := range links {
		switch {
		case !gateway(a).IsValid():
		case owner == nil, a.Spec.GwPriority > owner.Spec.GwPriority,
			a.Spec.GwPriority == owner.Spec.GwPriority && a.Network < owner.Network:
			owner = a
		}
	}
	return owner
}
