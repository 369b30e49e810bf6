package ipam

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"tiffin/engine"
)

// subnetBits is the size of a subnet that we choose: 253 containers.
const subnetBits = 24

// ranges are where subnets are taken from, in order: one corner of each private
// range that home routers, VPNs, clouds and other engines have no habit of using.
var ranges = [...]string{"10.207.0.0/16", "172.27.0.0/16", "192.168.128.0/17", "10.208.0.0/12"}

// errNoSubnet is the end of all ranges.
var errNoSubnet = errors.New("every subnet of 10.207.0.0/16, 172.27.0.0/16, 192.168.128.0/17 and 10.208.0.0/12 is in use or routed elsewhere")

// ChooseSubnet returns a free subnet: one that overlaps nothing in taken, which are
// the host's routes, addresses and name servers and the other networks. The seed
// says where in a range to begin, so that a network gets the same subnet again, and
// engines that do not know each other seldom want the same.
func ChooseSubnet(taken []netip.Prefix, seed string) (netip.Prefix, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(seed)) // a hash takes everything
	begin := h.Sum32()
	for _, r := range ranges {
		whole := netip.MustParsePrefix(r)
		count := uint32(1) << (subnetBits - whole.Bits())
		for i := range count {
			candidate := nthSubnet(whole, (begin+i)%count)
			if !OverlapsAny(candidate, taken) {
				return candidate, nil
			}
		}
	}
	return netip.Prefix{}, engine.Hint(engine.Problem(engine.ErrUnavailable, errNoSubnet),
		"remove networks that are not needed, or give the network a subnet (networks.NAME.ipam.config)")
}

func nthSubnet(whole netip.Prefix, n uint32) netip.Prefix {
	b := whole.Masked().Addr().As4()
	b[1] += byte(n >> 8)
	b[2] += byte(n)
	return netip.PrefixFrom(netip.AddrFrom4(b), subnetBits)
}

// UniqueLocal makes an IPv6 subnet of the seed: fd, 40 bits that are this engine's,
// 16 that are the network's (RFC 4193).
func UniqueLocal(engineSeed, networkSeed string) netip.Prefix {
	site, subnet := sha256.Sum256([]byte(engineSeed)), sha256.Sum256([]byte(networkSeed))
	b := [16]byte{0xfd}
	copy(b[1:], site[:5])
	copy(b[6:], subnet[:2])
	return netip.PrefixFrom(netip.AddrFrom16(b), 64)
}

// OverlapsAny says whether a prefix shares an address with one of others.
func OverlapsAny(p netip.Prefix, taken []netip.Prefix) bool {
	return slices.ContainsFunc(taken, p.Overlaps)
}

// CompletePool checks a pool of the Compose file and fills in its gateway, if there is to
// be one.
func CompletePool(p engine.Pool, gateway func(netip.Prefix) netip.Addr) (engine.Pool, error) {
	invalid := func(format string, args ...any) (engine.Pool, error) {
		return engine.Pool{}, engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
	}
	if !p.Subnet.IsValid() {
		return invalid("ipam.config without a subnet")
	}
	if p.Subnet != p.Subnet.Masked() {
		return invalid("subnet %s: has bits beyond its mask; did you mean %s?", p.Subnet, p.Subnet.Masked())
	}
	if p.Subnet.Addr().BitLen()-p.Subnet.Bits() < 2 {
		return invalid("subnet %s: has no room for a gateway and a container", p.Subnet)
	}
	if p.Range.IsValid() && (!p.Subnet.Contains(p.Range.Addr()) || p.Range.Bits() < p.Subnet.Bits()) {
		return invalid("ip_range %s: is not inside the subnet %s", p.Range, p.Subnet)
	}
	if !p.Gateway.IsValid() {
		p.Gateway = gateway(p.Subnet)
	}
	if p.Gateway.IsValid() && !p.Subnet.Contains(p.Gateway) {
		return invalid("gateway %s: is not inside the subnet %s", p.Gateway, p.Subnet)
	}
	for name, a := range p.Aux {
		if !p.Subnet.Contains(a) {
			return invalid("aux_addresses %s: %s is not inside the subnet %s", name, a, p.Subnet)
		}
	}
	return p, nil
}
