package dns

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// upstream is a resolver in process, reached by pipes instead of sockets, so that
// its time is the test's. It gets each message and writes what it likes.
type upstream func(conn net.Conn, network string, m []byte)

func (u upstream) resolver(name string) Upstream {
	return Upstream{
		Addr: netip.MustParseAddrPort("192.0.2.1:53"),
		Dial: func(_ context.Context, network string, _ netip.AddrPort) (net.Conn, error) {
			if u == nil {
				return nil, errors.New(name + " is not reachable")
			}
			ours, theirs := net.Pipe()
			go func() {
				defer func() { _ = theirs.Close() }()
				m := make([]byte, maxTCP)
				if network == "tcp" {
					m, _ = readTCP(theirs, m)
				} else {
					n, _ := theirs.Read(m)
					m = m[:n]
				}
				u(theirs, network, m)
				_, _ = io.Copy(io.Discard, theirs) // until the other side closes
			}()
			return ours, nil
		},
	}
}

// respond makes a response with one address.
func respond(m []byte, code rcode) []byte {
	q := new(query)
	if err := q.parse(m); err != nil {
		panic(err)
	}
	r := start(nil, m, q, maxUDP)
	if code == noError {
		r.record(typeA, []byte{192, 0, 2, 99})
	}
	return r.finish(code)
}

func saying(code rcode) upstream {
	return func(conn net.Conn, network string, m []byte) {
		if network == "tcp" {
			_ = writeTCP(conn, respond(m, code))
			return
		}
		_, _ = conn.Write(respond(m, code))
	}
}

func silent(net.Conn, string, []byte) {}

// writing sends what change makes of a good response, and then a good one.
func writing(change func(m []byte) []byte) upstream {
	return func(conn net.Conn, _ string, m []byte) {
		wrong := respond(m, noError)
		wrong[len(wrong)-1] = 66 // the address that an attacker wants
		_, _ = conn.Write(change(wrong))
		_, _ = conn.Write(respond(m, noError))
	}
}

func TestExchange(t *testing.T) {
	const good = "Success Example.com.? 192.0.2.99"
	tests := map[string]struct {
		upstreams []upstream
		want      string
		after     time.Duration
	}{
		"an answer comes back":                           {[]upstream{saying(noError)}, good, 0},
		"so does that there is none":                     {[]upstream{saying(nameError), saying(noError)}, "NameError Example.com.?", 0},
		"a resolver that fails is passed over":           {[]upstream{saying(serverFailure), saying(noError)}, good, 0},
		"a resolver that refuses is passed over":         {[]upstream{saying(refused), saying(noError)}, good, 0},
		"a resolver that is not reachable too":           {[]upstream{nil, saying(noError)}, good, 0},
		"one that is silent costs an attempt":            {[]upstream{silent, saying(noError)}, good, attemptTimeout},
		"failures come back if all fail":                 {[]upstream{saying(refused), saying(serverFailure)}, "ServerFailure Example.com.?", 0},
		"the fifth is asked, too":                        {[]upstream{nil, saying(refused), nil, saying(serverFailure), saying(noError)}, good, 0},
		"not after the time is over":                     {[]upstream{silent, silent, silent, saying(noError)}, "ServerFailure Example.com.?", 3 * attemptTimeout},
		"all silent is a failure, before glibc gives up": {[]upstream{silent}, "ServerFailure Example.com.?", 3 * attemptTimeout},
		"one that was slow may be asked again":           {[]upstream{silent, saying(refused)}, "Refused Example.com.?", 2 * attemptTimeout},
		"another id is not an answer":                    {[]upstream{writing(func(m []byte) []byte { m[0]++; return m })}, good, 0},
		"another question is not an answer": {
			[]upstream{writing(func(m []byte) []byte { m[headerLen+1] = 'f'; return m })}, good, 0,
		},
		"another type is not an answer":         {[]upstream{writing(func(m []byte) []byte { m[headerLen+14]++; return m })}, good, 0},
		"a question is not an answer":           {[]upstream{writing(func(m []byte) []byte { m[2] &^= flagResponse; return m })}, good, 0},
		"rubbish is not an answer":              {[]upstream{writing(func([]byte) []byte { return []byte{1, 2, 3} })}, good, 0},
		"a header alone is not an answer":       {[]upstream{writing(func(m []byte) []byte { m[5] = 0; return m[:headerLen] })}, good, 0},
		"half a question is not an answer":      {[]upstream{writing(func(m []byte) []byte { return m[:headerLen+4] })}, good, 0},
		"a header alone may be a failure":       {[]upstream{headerAlone, saying(noError)}, good, 0},
		"and is passed on if nobody knows more": {[]upstream{headerAlone}, "FormatError", 0},
		"letters may change case on the way":    {[]upstream{lowerCase}, good, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := forwardedQuery(t, question("Example.com", typeA), udp, test.upstreams...)
				began := time.Now()
				response := NewForwarder(1).exchange(t.Context(), q)
				if got := describe(t, response); got != test.want {
					t.Errorf("got  %s\nwant %s", got, test.want)
				}
				if !bytes.Equal(response[:2], q.message[:2]) {
					t.Errorf("id %x", response[:2])
				}
				if took := time.Since(began); took != test.after {
					t.Errorf("took %v, want %v", took, test.after)
				}
			})
		})
	}
}

func headerAlone(conn net.Conn, _ string, m []byte) {
	_, _ = conn.Write(headerOnly(nil, m, formatError))
}

func lowerCase(conn net.Conn, _ string, m []byte) {
	copy(m[headerLen+1:], "example")
	_, _ = conn.Write(respond(m, noError))
}

func forwardedQuery(t *testing.T, m []byte, over transport, upstreams ...upstream) forwarded {
	t.Helper()
	q := forwarded{message: m, transport: over}
	if err := q.query.parse(m); err != nil {
		t.Fatal(err)
	}
	for _, u := range upstreams {
		q.upstreams = append(q.upstreams, u.resolver("upstream"))
	}
	return q
}

func TestWhatGoesOut(t *testing.T) {
	ids := map[uint16]bool{}
	for range 20 {
		var sent []byte
		u := upstream(func(conn net.Conn, network string, m []byte) {
			sent = bytes.Clone(m)
			saying(noError)(conn, network, m)
		})
		m := withEDNS(question("Example.com", typeA), 65535)
		NewForwarder(1).exchange(t.Context(), forwardedQuery(t, m, udp, u))
		ids[binary.BigEndian.Uint16(sent)] = true
		q := new(query)
		if err := q.parse(sent); err != nil {
			t.Fatal(err)
		}
		if size := binary.BigEndian.Uint16(sent[q.sizeAt:]); size != maxUDP {
			t.Errorf("announces %d bytes", size)
		}
		if !bytes.Equal(sent[headerLen:q.end], m[headerLen:q.end]) {
			t.Errorf("question %x, want %x", sent[headerLen:q.end], m[headerLen:q.end])
		}
	}
	if len(ids) < 15 {
		t.Errorf("%d ids in 20 queries", len(ids))
	}
}

func TestTruncatedAnswersAndTCP(t *testing.T) {
	large := func(conn net.Conn, network string, m []byte) {
		q := new(query)
		_ = q.parse(m)
		r := start(nil, m, q, tcp.limit(q))
		for range 100 {
			r.record(typeA, []byte{192, 0, 2, 99})
		}
		if network == "tcp" {
			_ = writeTCP(conn, r.finish(noError))
			return
		}
		_, _ = conn.Write(r.finish(noError)) // whatever the client can take
	}
	overUDP := forwardedQuery(t, question("example.com", typeA), udp, large)
	if got, want := describe(t, NewForwarder(1).exchange(t.Context(), overUDP)), "Success tc example.com.?"; got != want {
		t.Errorf("over UDP: %s, want %s", got, want)
	}
	overTCP := forwardedQuery(t, question("example.com", typeA), tcp, large)
	if got := describe(t, NewForwarder(1).exchange(t.Context(), overTCP)); strings.Count(got, "192.0.2.99") != 100 {
		t.Errorf("over TCP: %s", got)
	}
}

func TestForwarderIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewForwarder(1)
		q := forwardedQuery(t, question("example.com", typeA), udp, silent)
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan []byte)
		go func() { waiting <- f.exchange(ctx, q) }()
		synctest.Wait()
		if got, want := describe(t, f.exchange(t.Context(), q)), "ServerFailure example.com.?"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		cancel()
		if response := <-waiting; response != nil {
			t.Errorf("response after the end: %x", response)
		}
	})
}

func TestBucket(t *testing.T) {
	now := time.Unix(1e9, 0)
	var b bucket
	count := func() (n int) {
		for b.take(now) {
			n++
		}
		return n
	}
	if n := count(); n != forwardsBurst {
		t.Errorf("%d at first", n)
	}
	now = now.Add(time.Second)
	if n := count(); n != forwardsPerSecond {
		t.Errorf("%d a second later", n)
	}
	now = now.Add(time.Hour)
	if n := count(); n != forwardsBurst {
		t.Errorf("%d after an hour", n)
	}
}

func TestLimitsOfOneEndpoint(t *testing.T) {
	l := newLimits()
	for i := range forwardsAtOnce {
		if !l.take() {
			t.Fatalf("%d at a time", i)
		}
	}
	if l.take() {
		t.Fatal("no limit")
	}
	l.release()
	if !l.take() {
		t.Fatal("nothing given back")
	}
}

// FuzzAccept: whatever an upstream sends, the client gets a response to its own
// question or none.
func FuzzAccept(f *testing.F) {
	client := question("Example.com", typeA)
	f.Add(respond(client, noError))
	f.Add(headerOnly(nil, client, refused))
	f.Fuzz(func(t *testing.T, m []byte) {
		q := forwardedQuery(t, bytes.Clone(client), udp)
		out := q.outgoing()
		if m = bytes.Clone(m); len(m) >= 2 { // the fuzzer wants it back as it is
			copy(m, out[:2])
		}
		r := q.accept(out, m)
		if r == nil {
			return
		}
		if !bytes.Equal(r[:2], client[:2]) || r[2]&flagResponse == 0 || len(r) > minUDP {
			t.Fatalf("accepted %x", r)
		}
		if count(r, 4) == 1 && !bytes.Equal(r[headerLen:len(client)], client[headerLen:]) {
			t.Fatalf("accepted %x", r)
		}
	})
}
