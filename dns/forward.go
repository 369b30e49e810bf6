package dns

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"time"
)

const (
	attempts        = 3                         // at least, over all upstreams, as long as there is time
	attemptTimeout  = 1500 * time.Millisecond   // of one
	exchangeTimeout = attempts * attemptTimeout // of all, before glibc's 5 s end
)

// Forwarder asks upstream resolvers. It keeps no answers: what is not kept cannot
// be poisoned. Each query goes out with a random id from a socket of its own,
// and only a response to that very question from that very resolver counts.
type Forwarder struct {
	inFlight chan struct{}
}

// NewForwarder makes a forwarder that asks so many questions at a time.
func NewForwarder(limit int) *Forwarder {
	return &Forwarder{inFlight: make(chan struct{}, limit)}
}

// forwarded is a query on its way.
type forwarded struct {
	upstreams []Upstream
	message   []byte
	query     query
	transport transport
}

// exchange asks the upstreams, in order, until one has an answer or says that there
// is none. Errors of a resolver (SERVFAIL, REFUSED …) are passed on only if no
// other does better. If ctx ends there is no response: the client will ask
// again, and may then find another server on the same socket.
func (f *Forwarder) exchange(ctx context.Context, q forwarded) []byte {
	select {
	case f.inFlight <- struct{}{}:
		defer func() { <-f.inFlight }()
	default:
		return q.failure()
	}
	refusals := make([][]byte, len(q.upstreams))
	var refusal []byte
	end := time.Now().Add(exchangeTimeout)
	inTime, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	for i := range max(attempts, len(q.upstreams)) {
		if time.Until(end) <= 0 {
			break
		}
		at := i % len(q.upstreams)
		if refusals[at] != nil { // it has answered, and would again
			continue
		}
		response, err := q.ask(inTime, q.upstreams[at])
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
		case conclusive(response):
			return response
		default:
			refusals[at], refusal = response, response
		}
	}
	if refusal != nil {
		return refusal
	}
	return q.failure()
}

// conclusive reports a response that another resolver would give as well.
func conclusive(response []byte) bool {
	code := rcode(response[3] & maskRcode)
	return code == noError || code == nameError
}

// failure is the response when nobody has one.
func (q *forwarded) failure() []byte {
	r := start(nil, q.message, &q.query, maxUDP)
	return r.finish(serverFailure)
}

// ask puts the question to one upstream, over the transport on which it came: a
// truncated response goes back as it is, the client asks again over TCP, and so
// do we.
func (q *forwarded) ask(ctx context.Context, u Upstream) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	conn, err := u.dial(ctx, q.transport)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	question := q.outgoing()
	if q.transport == tcp {
		return q.askTCP(conn, question)
	}
	return q.askUDP(conn, question)
}

func (u Upstream) dial(ctx context.Context, t transport) (net.Conn, error) {
	network := "udp"
	if t == tcp {
		network = "tcp"
	}
	if u.Dial != nil {
		return u.Dial(ctx, network, u.Addr)
	}
	return dialHere(ctx, network, u.Addr)
}

func dialHere(ctx context.Context, network string, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, addr.String())
}

// outgoing is the client's message under an id of ours, and announcing no larger
// responses than we pass on.
func (q *forwarded) outgoing() []byte {
	m := bytes.Clone(q.message)
	_, _ = rand.Read(m[:2]) // cannot fail, see crypto/rand
	if q.query.edns {
		binary.BigEndian.PutUint16(m[q.query.sizeAt:], uint16(q.query.size))
	}
	return m
}

func (q *forwarded) askUDP(conn net.Conn, question []byte) ([]byte, error) {
	if _, err := conn.Write(question); err != nil {
		return nil, err
	}
	buf := make([]byte, 4*maxUDP)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if response := q.accept(question, buf[:n]); response != nil {
			return response, nil
		}
	}
}

func (q *forwarded) askTCP(conn net.Conn, question []byte) ([]byte, error) {
	if err := writeTCP(conn, question); err != nil {
		return nil, err
	}
	m, err := readTCP(conn, make([]byte, maxTCP))
	if err != nil {
		return nil, err
	}
	if response := q.accept(question, m); response != nil {
		return response, nil
	}
	return nil, errMalformed
}

// accept turns a response to our question into one to the client's, or gives
// nil if it is not one.
func (q *forwarded) accept(question, m []byte) []byte {
	if len(m) < headerLen || !bytes.Equal(m[:2], question[:2]) || m[2]&flagResponse == 0 || m[2]&maskOpcode != 0 {
		return nil
	}
	if !q.echoes(m) {
		return nil
	}
	if limit := q.transport.limit(&q.query); len(m) > limit {
		r := start(nil, q.message, &q.query, limit)
		r.m[2] |= flagTruncated
		return r.finish(rcode(m[3] & maskRcode))
	}
	copy(m[:2], q.message[:2])
	if count(m, 4) == 1 {
		copy(m[headerLen:q.query.end], q.message[headerLen:q.query.end])
	}
	return m
}

// echoes reports whether a response repeats the question, in any case of
// letters. A server that cannot read the question may say so without it.
func (q *forwarded) echoes(m []byte) bool {
	if count(m, 4) == 0 {
		return len(m) == headerLen && !conclusive(m)
	}
	if count(m, 4) != 1 || len(m) < q.query.end {
		return false
	}
	typeAt := q.query.end - 4
	for i := headerLen; i < typeAt; i++ { // lengths of labels are below 'A'
		if lower(m[i]) != lower(q.message[i]) {
			return false
		}
	}
	return bytes.Equal(m[typeAt:q.query.end], q.message[typeAt:q.query.end])
}
