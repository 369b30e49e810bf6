package dns

import (
	"bytes"
	"net/netip"
	"strconv"
)

// verdict is what becomes of a message from a client.
type verdict int

const (
	drop    verdict = iota // not a query: no response may go out, it could loop
	answer                 // the response is ready
	forward                // somebody else has to be asked
)

// transport is how a message came.
type transport int

const (
	udp transport = iota
	tcp
)

// limit is the size of the largest response to a query.
func (t transport) limit(q *query) int {
	if t == tcp {
		return maxTCP
	}
	return q.size
}

// maxTCP is the longest message that TCP's length field can announce.
const maxTCP = 1<<16 - 1

// decide answers a message as far as the view can, writing the response into
// buf. It allocates nothing if buf has room for the longest.
func (v *View) decide(q *query, m, buf []byte, t transport) (verdict, []byte) {
	if len(m) < headerLen || m[2]&flagResponse != 0 {
		return drop, nil
	}
	if m[2]&maskOpcode != 0 {
		return answer, headerOnly(buf, m, notImplemented)
	}
	if q.parse(m) != nil {
		return answer, headerOnly(buf, m, formatError)
	}
	r := start(buf, m, q, t.limit(q))
	switch {
	case q.edns && q.version != 0:
		return answer, r.finish(badVersion)
	case q.class != classIN && q.class != classANY:
		return answer, r.finish(refused)
	}
	if code, ours := v.fill(&r, q); ours {
		r.m[2] |= flagAuthoritative
		return answer, r.finish(code)
	}
	switch {
	case v.Partial:
		return answer, r.finish(refused)
	case v.Internal, isLocal(q):
		return answer, r.finish(nameError)
	case len(v.Upstreams) == 0:
		return answer, r.finish(serverFailure)
	}
	return forward, nil
}

// fill answers for names that are ours. One that exists but has no record of
// the asked type gets no record and no error (NODATA): an error for AAAA would
// make musl give up on A.
func (v *View) fill(r *response, q *query) (code rcode, ours bool) {
	if isLocalhost(q.name()) {
		writeLocalhost(r, q.qtype)
		return noError, true
	}
	if addr, isReverse := reverse(q.name()); isReverse {
		return v.fillPointer(r, q, addr)
	}
	code = nameError
	for _, z := range v.Zones {
		h, inZone := z.find(q.name())
		ours = ours || inZone
		if h == nil {
			continue
		}
		code = noError
		if !h.empty() {
			h.write(r, q.qtype)
			break
		}
	}
	return code, ours
}

func (v *View) fillPointer(r *response, q *query, addr netip.Addr) (code rcode, ours bool) {
	asked := q.qtype == typePTR || q.qtype == typeANY
	if addr.IsLoopback() {
		if asked {
			r.record(typePTR, []byte("\x09localhost\x00"))
		}
		return noError, true
	}
	for _, z := range v.Zones {
		name, inZone := z.findPointer(addr)
		ours = ours || inZone
		if name == nil {
			continue
		}
		if asked {
			r.record(typePTR, name)
		}
		return noError, true
	}
	return nameError, ours || v.Elsewhere.contain(addr)
}

func (h *hosts) empty() bool { return len(h.v4)+len(h.v6) == 0 }

// write appends the addresses of the asked family, each time beginning with
// another one. The families take turns by themselves: most clients ask
// for both each time.
func (h *hosts) write(r *response, t qtype) {
	if t == typeA || t == typeANY {
		h.rotate(r, typeA, h.v4, 0)
	}
	if t == typeAAAA || t == typeANY {
		h.rotate(r, typeAAAA, h.v6, 1)
	}
}

func (h *hosts) rotate(r *response, t qtype, addrs [][]byte, family int) {
	if len(addrs) == 0 {
		return
	}
	first := int(h.turn[family].Add(1)-1) % len(addrs)
	for i := range addrs {
		if !r.record(t, addrs[(first+i)%len(addrs)]) {
			return
		}
	}
}

// isLocalhost knows localhost and everything under it, RFC 6761 §6.3.
func isLocalhost(name []byte) bool {
	const localhost = "localhost"
	return string(name) == localhost || bytes.HasSuffix(name, []byte("."+localhost))
}

func writeLocalhost(r *response, t qtype) {
	if t == typeA || t == typeANY {
		r.record(typeA, []byte{127, 0, 0, 1})
	}
	if t == typeAAAA || t == typeANY {
		r.record(typeAAAA, []byte{15: 1})
	}
}

// isLocal reports a question that concerns this network or nobody: a service
// that is not there, or a host that the client will ask for again with
// a search domain. What a resolver asks about top-level domains is not.
func isLocal(q *query) bool {
	if q.labels != 1 {
		return false
	}
	switch q.qtype {
	case typeNS, typeSOA, typeDS, typeDNSKEY:
		return false
	default:
		return true
	}
}

// reverse reads the name under which an address is asked for.
func reverse(name []byte) (netip.Addr, bool) {
	if digits, found := bytes.CutSuffix(name, []byte(".in-addr.arpa")); found {
		return reverse4(digits)
	}
	if nibbles, found := bytes.CutSuffix(name, []byte(".ip6.arpa")); found {
		return reverse6(nibbles)
	}
	return netip.Addr{}, false
}

func reverse4(digits []byte) (netip.Addr, bool) {
	var addr [4]byte
	for i := range addr {
		part, rest, more := bytes.Cut(digits, []byte("."))
		n, err := strconv.ParseUint(string(part), 10, 8)
		if err != nil || more != (i < 3) {
			return netip.Addr{}, false
		}
		addr[3-i], digits = byte(n), rest
	}
	return netip.AddrFrom4(addr), true
}

func reverse6(nibbles []byte) (netip.Addr, bool) {
	if len(nibbles) != 63 {
		return netip.Addr{}, false
	}
	var addr [16]byte
	for i := range 32 {
		n, err := strconv.ParseUint(string(nibbles[2*i]), 16, 4)
		if err != nil || i < 31 && nibbles[2*i+1] != '.' {
			return netip.Addr{}, false
		}
		addr[15-i/2] |= byte(n) << (4 * (i % 2))
	}
	return netip.AddrFrom16(addr), true
}
