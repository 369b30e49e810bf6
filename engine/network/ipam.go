package network

import (
	"fmt"
	"net/netip"

	"tiffin/engine"
)

// addresses hands out the addresses of one pool. A freed one is given out again
// only after all the others, so that nobody who still remembers it meets a stranger.
type addresses struct {
	pool engine.Pool
	used map[netip.Addr]bool
	last netip.Addr
}

func newAddresses(p engine.Pool) *addresses {
	a := &addresses{pool: p, used: map[netip.Addr]bool{p.Subnet.Addr(): true}}
	if p.Gateway.IsValid() {
		a.used[p.Gateway] = true
	}
	if p.Subnet.Addr().Is4() {
		a.used[lastOf(p.Subnet)] = true // broadcast
	}
	for _, reserved := range p.Aux {
		a.used[reserved] = true
	}
	a.last = a.within().Addr().Prev()
	return a
}

// within is the part that addresses are chosen from.
func (a *addresses) within() netip.Prefix {
	if a.pool.Range.IsValid() {
		return a.pool.Range.Masked()
	}
	return a.pool.Subnet
}

// take reserves the next free address.
func (a *addresses) take() (netip.Prefix, error) {
	part := a.within()
	next := a.last
	for range len(a.used) + 1 { // so many cannot all be in use, unless there are no more
		if next = next.Next(); !part.Contains(next) {
			next = part.Addr()
		}
		if !a.used[next] {
			a.used[next] = true
			a.last = next
			return netip.PrefixFrom(next, a.pool.Subnet.Bits()), nil
		}
	}
	return netip.Prefix{}, engine.Hint(
		engine.Problem(engine.ErrUnavailable, fmt.Errorf("no free address left in %s", part)),
		"give the network a larger subnet (networks.NAME.ipam.config)",
	)
}

// claim reserves an address that was asked for.
func (a *addresses) claim(ip netip.Addr) (netip.Prefix, error) {
	if !a.pool.Subnet.Contains(ip) {
		return netip.Prefix{}, engine.Problem(engine.ErrInvalid,
			fmt.Errorf("address %s: is not inside the subnet %s", ip, a.pool.Subnet))
	}
	if a.used[ip] {
		return netip.Prefix{}, engine.Problem(engine.ErrConflict, fmt.Errorf("Address already in use: %s", ip)) //nolint:staticcheck // Docker's words
	}
	a.used[ip] = true
	return netip.PrefixFrom(ip, a.pool.Subnet.Bits()), nil
}

// free gives an address back.
func (a *addresses) free(ip netip.Addr) {
	if ip != a.pool.Gateway {
		delete(a.used, ip)
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// pick reserves the address that is wanted; if none is, the one that was there
// before, when it is free; else the next.
func (a *addresses) pick(want, keep netip.Addr) (netip.Prefix, error) {
	if want.IsValid() {
		return a.claim(want)
	}
	if keep.IsValid() {
		if p, err := a.claim(keep); err == nil {
			return p, nil
		}
	}
	return a.take()
}
