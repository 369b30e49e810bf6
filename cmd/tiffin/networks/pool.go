package networks

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"tiffin/engine"
)

// Addressing are the flags of create that are about addresses. Each gateway, range and
// reserved address belongs to the subnet that it lies in.
type Addressing struct {
	Subnets, Gateways, Ranges []string
	Aux                       map[string]string // name → address
}

// Pools reads the flags.
func (a *Addressing) Pools() ([]engine.Pool, error) {
	var pools []engine.Pool
	for _, text := range a.Subnets {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, invalid("invalid --subnet %q: write it as 10.1.0.0/24", text)
		}
		if p != p.Masked() {
			return nil, invalid("invalid --subnet %q: it has bits beyond its mask; did you mean %s?", text, p.Masked())
		}
		for _, other := range pools {
			if p.Overlaps(other.Subnet) {
				return nil, invalid("--subnet %s and %s overlap: one address would have two places", other.Subnet, p)
			}
		}
		pools = append(pools, engine.Pool{Subnet: p})
	}
	find := func(ip netip.Addr) *engine.Pool {
		if i := slices.IndexFunc(pools, func(p engine.Pool) bool { return p.Subnet.Contains(ip) }); i >= 0 {
			return &pools[i]
		}
		return nil
	}
	if err := a.ranges(find); err != nil {
		return nil, err
	}
	return pools, a.single(find)
}

func (a *Addressing) ranges(find func(netip.Addr) *engine.Pool) error {
	for _, text := range a.Ranges {
		r, err := netip.ParsePrefix(text)
		if err != nil {
			return invalid("invalid --ip-range %q: write it as 10.1.0.128/25", text)
		}
		p := find(r.Addr())
		switch {
		case p == nil:
			return invalid("no matching subnet for range %s", text)
		case p.Range.IsValid():
			return invalid("cannot configure multiple ranges (%s, %s) on the same subnet (%s)", r, p.Range, p.Subnet)
		}
		p.Range = r
	}
	return nil
}

// single puts gateways and reserved addresses where they belong.
func (a *Addressing) single(find func(netip.Addr) *engine.Pool) error {
	for _, text := range a.Gateways {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return invalid("invalid --gateway %q: it is no IP address", text)
		}
		p := find(ip)
		switch {
		case p == nil:
			return invalid("no matching subnet for gateway %s", text)
		case p.Gateway.IsValid():
			return invalid("cannot configure multiple gateways (%s, %s) for the same subnet (%s)", ip, p.Gateway, p.Subnet)
		}
		p.Gateway = ip
	}
	for _, name := range slices.Sorted(maps.Keys(a.Aux)) {
		ip, err := netip.ParseAddr(a.Aux[name])
		if err != nil {
			return invalid("invalid --aux-address %s=%s: it is no IP address", name, a.Aux[name])
		}
		p := find(ip)
		if p == nil {
			return invalid("no matching subnet for aux-address %s", ip)
		}
		if p.Aux == nil {
			p.Aux = map[string]netip.Addr{}
		}
		p.Aux[name] = ip
	}
	return nil
}

// Pairs reads KEY=VALUE; a key alone has the value "".
func Pairs(flag string, texts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		if key == "" {
			return nil, invalid("invalid --%s %q: it must be KEY=VALUE", flag, text)
		}
		out[key] = value
	}
	return out, nil
}
