package network

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/network/option"
)

// Retain takes a sandbox off the networks on which it is not to be any more, and off those
// on which it is to be otherwise: the sandbox of a replica stays over a recreate, and the new
// container may want other networks, addresses or names of interfaces. The requests are
// all that it is to be on, in the order in which Attach will be called.
func (m *Manager) Retain(_ context.Context, s *Sandbox, requests []AttachRequest) error {
	s.change.Lock()
	defer s.change.Unlock()
	keep := m.fitting(s, requests)
	gone := slices.DeleteFunc(slices.Clone(s.links), func(a *attached) bool { return slices.Contains(keep, a) })
	if len(gone) == 0 {
		return nil
	}
	if err := errors.Join(m.takeOff(gone...), s.route()); err != nil {
		return fmt.Errorf("take sandbox %s off networks: %w", s.key, err)
	}
	return nil
}

// takeOff removes endpoints.
func (m *Manager) takeOff(gone ...*attached) error {
	for _, a := range gone {
		m.leave(a)
	}
	err := m.unwire(gone...)
	for _, a := range gone {
		m.forgetAddresses(a.addresses()...)
		m.release(a)
	}
	return err
}

// fitting are the endpoints of a sandbox that are as they are requested. Each has to have
// the name that it would get if they were all made anew.
func (m *Manager) fitting(s *Sandbox, requests []AttachRequest) []*attached {
	var fit []*attached
	var names []string
	for _, r := range requests {
		n, err := m.lookup(r.Network.ID)
		if err != nil {
			continue // Attach tells
		}
		o, err := option.ParseEndpoint(r.Spec.DriverOpts)
		if err != nil {
			continue
		}
		name, err := interfaceFor(n, r.Spec, o, names)
		if err != nil {
			continue
		}
		names = append(names, name)
		if i := s.on(n.ID); i >= 0 && s.links[i].Interface == name && s.links[i].fits(r.Spec, o) {
			fit = append(fit, s.links[i])
		}
	}
	return fit
}

// fits says whether an endpoint is as a container wants it, names aside.
func (a *attached) fits(spec engine.EndpointSpec, o option.Endpoint) bool {
	mac := strings.ToLower(spec.MacAddress)
	if mac == "" && a.MacAddress != "" {
		mac = madeMAC(a.first())
	}
	is := func(wanted netip.Addr, has netip.Prefix) bool { return !wanted.IsValid() || wanted == has.Addr() }
	return is(spec.IPv4, a.IPv4) && is(spec.IPv6, a.IPv6) && mac == a.MacAddress &&
		slices.Equal(spec.LinkLocal, a.Spec.LinkLocal) && slices.Equal(o.Sysctls, a.sysctls)
}
