package dns

import (
	"net/netip"
	"strings"
	"sync/atomic"
)

// Zone is what is known in one network: an immutable snapshot that the views
// of all endpoints in the network share.
type Zone struct {
	names    map[string]*hosts
	pointers map[netip.Addr][]byte // the name on the wire
	subnets  []netip.Prefix
	domain   string
	// exclusive: nobody outside can have names in the domain.
	exclusive bool
}

// hosts are the addresses behind a name, ready for the wire.
type hosts struct {
	v4, v6 [][]byte
	turn   [2]atomic.Uint32 // whose turn it is to be first: v4, v6
}

// Records is what a Zone is made from.
type Records struct {
	// Names are service names, aliases, container names, without the domain, and
	// in any case. A name without addresses exists, and has none at the moment.
	Names map[string][]netip.Addr
	// Pointers are the names of addresses.
	Pointers map[netip.Addr]string
	// Subnets are the network's own: nobody else is asked for a name in them.
	Subnets []netip.Prefix
	// Domain is a suffix under which all names are known too ("web.front" with
	// the domain "front"); empty for none. What else is asked in it is ours
	// too, and does not exist, if the domain has an underscore, as the networks
	// that Compose names have. A network named "dev" cannot take all of .dev.
	Domain string
	// Exclusive makes all of the Domain ours, whatever it is called.
	Exclusive bool
}

// NewZone takes a snapshot of the records.
func NewZone(r Records) *Zone {
	z := &Zone{
		names:    make(map[string]*hosts, len(r.Names)),
		pointers: make(map[netip.Addr][]byte, len(r.Pointers)),
		subnets:  append([]netip.Prefix(nil), r.Subnets...),
		domain:   normal(r.Domain),
	}
	z.exclusive = r.Exclusive || strings.Contains(z.domain, "_")
	for name, addrs := range r.Names {
		z.add(normal(name), addrs)
	}
	for addr, name := range r.Pointers {
		if wire := wireName(name); wire != nil {
			z.pointers[addr.Unmap()] = wire
		}
	}
	return z
}

// add gives a name addresses, beside those that it has in another case of letters.
func (z *Zone) add(name string, addrs []netip.Addr) {
	h := z.names[name]
	if h == nil {
		h = &hosts{}
		z.names[name] = h
	}
	for _, addr := range addrs {
		if addr = addr.Unmap(); addr.Is4() {
			h.v4 = append(h.v4, addr.AsSlice())
		} else if addr.Is6() {
			h.v6 = append(h.v6, addr.AsSlice())
		}
	}
}

// normal is the form in which names are compared.
func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// wireName encodes a name as labels, nil if it is not one.
func wireName(name string) []byte {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > maxName {
		return nil
	}
	var wire []byte
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return nil
		}
		wire = append(append(wire, byte(len(label))), label...)
	}
	return append(wire, 0)
}

// find looks a name up, by itself or in the zone's domain.
func (z *Zone) find(name []byte) (h *hosts, ours bool) {
	if h := z.names[string(name)]; h != nil {
		return h, true
	}
	host, inDomain := cutSuffix(name, z.domain)
	if !inDomain {
		return nil, false
	}
	h = z.names[string(host)]
	return h, h != nil || z.exclusive
}

// cutSuffix takes the domain off a name in it.
func cutSuffix(name []byte, domain string) (host []byte, found bool) {
	cut := len(name) - len(domain) - 1
	if domain == "" || cut < 1 || name[cut] != '.' || string(name[cut+1:]) != domain {
		return nil, false
	}
	return name[:cut], true
}

// findPointer looks the name of an address up. An address in one of the
// network's subnets is ours even if nobody has it.
func (z *Zone) findPointer(addr netip.Addr) (name []byte, ours bool) {
	if name := z.pointers[addr]; name != nil {
		return name, true
	}
	for _, subnet := range z.subnets {
		if subnet.Contains(addr) {
			return nil, true
		}
	}
	return nil, false
}
