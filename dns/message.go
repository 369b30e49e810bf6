package dns

import (
	"encoding/binary"
	"errors"
)

// The parts of a message's header, RFC 1035 §4.1.1. The first flag byte holds
// QR, opcode, AA, TC and RD, the second RA, Z, AD, CD and the response code.
const (
	headerLen = 12

	flagResponse      = 0x80
	maskOpcode        = 0x78
	flagAuthoritative = 0x04
	flagTruncated     = 0x02
	flagRecursion     = 0x01 // desired

	flagAvailable = 0x80 // recursion, second byte
	maskRcode     = 0x0f
)

// rcode is a response code; those above 15 need EDNS.
type rcode uint16

const (
	noError        rcode = 0
	formatError    rcode = 1
	serverFailure  rcode = 2
	nameError      rcode = 3 // NXDOMAIN
	notImplemented rcode = 4
	refused        rcode = 5
	badVersion     rcode = 16
)

// qtype is a type of record or question.
type qtype uint16

const (
	typeA      qtype = 1
	typeNS     qtype = 2
	typeSOA    qtype = 6
	typePTR    qtype = 12
	typeAAAA   qtype = 28
	typeOPT    qtype = 41
	typeDS     qtype = 43
	typeDNSKEY qtype = 48
	typeANY    qtype = 255
)

const (
	classIN  = 1
	classANY = 255
)

// Sizes of UDP messages: what everybody takes, and what we take and give, which
// goes through any network unfragmented (RFC 9715).
const (
	minUDP = 512
	maxUDP = 1232
)

// maxName is the longest name as text, without the trailing dot.
const maxName = 253

// query is what matters of a question that a client asks.
type query struct {
	key    [maxName]byte // the name in lower case, dotted, without trailing dot
	keyLen int
	labels int
	qtype  qtype
	class  uint16
	end    int // of the question in the message

	edns    bool
	size    int // of the largest UDP response the client takes
	version byte
	sizeAt  int // where the message says so, with EDNS
}

// name is the asked name in lower case.
func (q *query) name() []byte { return q.key[:q.keyLen] }

var errMalformed = errors.New("malformed message")

// parse reads a message that has a header and is no response. It keeps nothing
// of it and allocates nothing.
func (q *query) parse(m []byte) error {
	if count(m, 4) != 1 {
		return errMalformed
	}
	if err := q.parseName(m); err != nil {
		return err
	}
	if q.end+4 > len(m) {
		return errMalformed
	}
	q.qtype = qtype(binary.BigEndian.Uint16(m[q.end:]))
	q.class = binary.BigEndian.Uint16(m[q.end+2:])
	q.end += 4
	return q.parseOPT(m)
}

// parseName reads the name of the question. Nothing comes before it that a
// compression pointer could mean, so there is none. A dot inside a label has no
// place in our names and would make two names one.
func (q *query) parseName(m []byte) error {
	q.keyLen, q.labels = 0, 0
	at := headerLen
	for {
		if at >= len(m) {
			return errMalformed
		}
		length := int(m[at])
		at++
		if length == 0 {
			q.end = at
			return nil
		}
		if length > 63 || at+length > len(m) || q.keyLen+length+1 > maxName {
			return errMalformed
		}
		if q.labels > 0 {
			q.key[q.keyLen] = '.'
			q.keyLen++
		}
		for _, c := range m[at : at+length] {
			if c == '.' {
				return errMalformed
			}
			q.key[q.keyLen] = lower(c)
			q.keyLen++
		}
		q.labels++
		at += length
	}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// parseOPT looks through the records after the question for EDNS (RFC 6891).
func (q *query) parseOPT(m []byte) error {
	q.edns, q.size, q.version, q.sizeAt = false, minUDP, 0, 0
	at := q.end
	for range count(m, 6) + count(m, 8) + count(m, 10) {
		start := at
		at = skipName(m, at)
		if at+10 > len(m) {
			return errMalformed
		}
		if qtype(binary.BigEndian.Uint16(m[at:])) == typeOPT {
			if q.edns || m[start] != 0 {
				return errMalformed
			}
			q.edns, q.sizeAt, q.version = true, at+2, m[at+5]
			q.size = min(max(int(binary.BigEndian.Uint16(m[at+2:])), minUDP), maxUDP)
		}
		at += 10 + int(binary.BigEndian.Uint16(m[at+8:]))
		if at > len(m) {
			return errMalformed
		}
	}
	return nil
}

// skipName gives the offset after a name, past the end of m if it is cut off.
func skipName(m []byte, at int) int {
	for at < len(m) {
		switch length := int(m[at]); {
		case length == 0:
			return at + 1
		case length >= 0xc0: // a pointer ends the name
			return at + 2
		default:
			at += 1 + length
		}
	}
	return len(m) + 1
}

// count reads one of the header's four counts.
func count(m []byte, at int) int { return int(binary.BigEndian.Uint16(m[at:])) }

// response is a message being written into a buffer of fixed capacity.
type response struct {
	m     []byte
	limit int
	edns  bool
}

// start begins the response to a query, echoing its question byte by byte:
// some clients mix upper and lower case to recognize their own.
func start(buf, query []byte, q *query, limit int) response {
	r := response{m: append(buf[:0], query[:q.end]...), limit: limit, edns: q.edns}
	if r.edns {
		r.limit -= optLen
	}
	r.header(query)
	binary.BigEndian.PutUint16(r.m[4:], 1)
	return r
}

// header answers for what is the same in all responses.
func (r *response) header(query []byte) {
	r.m[2] = flagResponse | query[2]&(maskOpcode|flagRecursion)
	r.m[3] = flagAvailable
	clear(r.m[4:headerLen])
}

// record appends a record that belongs to the asked name, or sets the truncated
// bit when there is no room for it.
func (r *response) record(t qtype, data []byte) (fits bool) {
	const ownerAtQuestion, ttl = 0xc000 | headerLen, 0
	if len(r.m)+12+len(data) > r.limit {
		r.m[2] |= flagTruncated
		return false
	}
	r.m = binary.BigEndian.AppendUint16(r.m, ownerAtQuestion)
	r.m = binary.BigEndian.AppendUint16(r.m, uint16(t))
	r.m = binary.BigEndian.AppendUint16(r.m, classIN)
	r.m = binary.BigEndian.AppendUint32(r.m, ttl)
	r.m = binary.BigEndian.AppendUint16(r.m, uint16(len(data)))
	r.m = append(r.m, data...)
	binary.BigEndian.PutUint16(r.m[6:], uint16(count(r.m, 6)+1))
	return true
}

const optLen = 11

// finish sets the response code and adds the OPT record that a query with one
// is owed.
func (r *response) finish(code rcode) []byte {
	r.m[3] |= byte(code & maskRcode)
	if r.edns {
		r.m = append(r.m, 0)
		r.m = binary.BigEndian.AppendUint16(r.m, uint16(typeOPT))
		r.m = binary.BigEndian.AppendUint16(r.m, maxUDP)
		r.m = append(r.m, byte(code>>4), 0, 0, 0, 0, 0) // extended code, version, flags, no options
		binary.BigEndian.PutUint16(r.m[10:], 1)
	}
	return r.m
}

// headerOnly is the response to a message that cannot be read.
func headerOnly(buf, query []byte, code rcode) []byte {
	r := response{m: append(buf[:0], query[:headerLen]...)}
	r.header(query)
	return r.finish(code)
}
