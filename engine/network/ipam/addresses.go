package ipam

import (
	"fmt"
	"net/netip"

	"tiffin/engine"
)

// Addresses hands out the addresses of one pool. A freed one is given out again
// only after all the others, so that nobody who still remembers it meets a stranger.
type Addresses struct {
	pool engine.Pool
	used map[netip.Addr]bool
	last netip.Addr
}

// New makes the addresses of a pool, of which none is given out but what it reserves.
func New(p engine.Pool) *Addresses {
	a := &Addresses{pool: p, used: map[netip.Addr]bool{p.Subnet.Addr(): true}}
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
func (a *Addresses) within() netip.Prefix {
	if a.pool.Range.IsValid() {
		return a.pool.Range.Masked()
	}
	return a.pool.Subnet
}

// take reserves the next free address.
func (a *Addresses) take() (netip.Prefix, error) {
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
func (a *Addresses) claim(ip netip.Addr) (netip.Prefix, error) {
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

// Free gives an address back.
func (a *Addresses) Free(ip netip.Addr) {
	if ip != a.pool.Gateway {
		delete(a.used, ip)
	}
}

// Pool is where the addresses are of.
func (a *Addresses) Pool() engine.Pool { return a.pool }

// Occupy marks an address as in use, if it is of the pool.
func (a *Addresses) Occupy(ip netip.Addr) {
	if a.pool.Subnet.Contains(ip) {
		a.used[ip] = true
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

// Pick reserves the address that is wanted; if none is, the one that was there
// before, when it is free; else the next.
func (a *Addresses) Pick(want, keep netip.Addr) (netip.Prefix, error) {
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
