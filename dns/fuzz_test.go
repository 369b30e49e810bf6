package dns

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// FuzzQuery: what another parser reads as a query of one question, ours reads the same way; and the response to it, over
// either transport, is one that the other parser takes as an answer to that question.
func FuzzQuery(f *testing.F) {
	f.Add(question("Web.demo_front", typeA))
	f.Add(withEDNS(question("worker", typeANY), 600))
	f.Add(question("2.0.1.10.in-addr.arpa", typePTR))
	f.Add(question("2"+strings.Repeat(".0", 27)+".0.0.d.f.ip6.arpa", typePTR))
	f.Add(question("a.localhost", typeAAAA))
	f.Add(question("example.com", typeNS))
	q, views := new(query), []*View{demo(), {Partial: true}, {Internal: true}}
	f.Fuzz(func(t *testing.T, m []byte) {
		var theirs dnsmessage.Message
		if theirs.Unpack(m) != nil || theirs.Response || theirs.OpCode != 0 || len(theirs.Questions) != 1 {
			return
		}
		asked := theirs.Questions[0]
		if err := q.parse(m); err == nil {
			if got, want := string(q.name()), asciiLower(strings.TrimSuffix(asked.Name.String(), ".")); got != want {
				t.Fatalf("name %q, want %q", got, want)
			}
			if q.qtype != qtype(asked.Type) || q.class != uint16(asked.Class) {
				t.Fatalf("type %d, class %d, want %v, %v", q.qtype, q.class, asked.Type, asked.Class)
			}
		}
		for _, v := range views {
			for _, over := range []transport{udp, tcp} {
				verdict, response := v.decide(q, m, nil, over)
				if verdict != answer {
					continue
				}
				var r dnsmessage.Message
				if err := r.Unpack(response); err != nil {
					t.Fatalf("%v: %x", err, response)
				}
				if !r.Response || r.ID != theirs.ID || len(r.Questions) == 1 && r.Questions[0] != asked {
					t.Fatalf("answers %v to %v", r.Questions, asked)
				}
				if over == tcp && r.Truncated {
					t.Fatal("truncated over TCP")
				}
			}
		}
	})
}

func asciiLower(s string) string {
	b := []byte(s)
	for i := range b {
		b[i] = lower(b[i])
	}
	return string(b)
}

// FuzzUpstream: whatever a client asks and an upstream sends back, over either transport, the client gets its own id and
// question, within the size that it takes, or nothing.
func FuzzUpstream(f *testing.F) {
	ask := withEDNS(question("Example.com", typeA), 700)
	f.Add(ask, respond(ask, noError), true)
	f.Add(question("example.com", typeAAAA), headerOnly(nil, ask, refused), false)
	f.Fuzz(func(t *testing.T, client, m []byte, overTCP bool) {
		q := forwarded{message: client, transport: udp}
		if overTCP {
			q.transport = tcp
		}
		if len(client) < headerLen || q.query.parse(client) != nil {
			return
		}
		before := bytes.Clone(client)
		out := q.outgoing()
		if m = bytes.Clone(m); len(m) >= 2 { // accept writes into it, and the fuzzer wants it back as it is
			copy(m, out[:2])
		}
		r := q.accept(out, m)
		if !bytes.Equal(client, before) {
			t.Fatalf("the client's message has changed to %x", client)
		}
		if r == nil {
			return
		}
		if len(r) < headerLen || !bytes.Equal(r[:2], client[:2]) || r[2]&flagResponse == 0 || len(r) > q.transport.limit(&q.query) {
			t.Fatalf("accepted %x", r)
		}
		if count(r, 4) == 1 && !bytes.Equal(r[headerLen:q.query.end], client[headerLen:q.query.end]) {
			t.Fatalf("accepted %x as a response to %x", r, client)
		}
		if count(r, 4) != 1 && conclusive(r) {
			t.Fatalf("believed %x, which has no question", r)
		}
	})
}

// FuzzTCP: whatever comes over a connection, one message at most is read of what its length says, never more than there is room.
func FuzzTCP(f *testing.F) {
	f.Add([]byte{0, 3, 1, 2, 3, 4})
	f.Add([]byte{0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, stream []byte) {
		m, err := readTCP(bytes.NewReader(stream), make([]byte, 64))
		if err != nil {
			return
		}
		if len(m) > 64 || len(stream) < 2+len(m) || !bytes.Equal(m, stream[2:2+len(m)]) {
			t.Fatalf("read %x from %x", m, stream)
		}
		var back bytes.Buffer
		if err := writeTCP(&back, m); err != nil || !bytes.HasPrefix(stream, back.Bytes()) {
			t.Fatalf("written as %x, was %x", back.Bytes(), stream)
		}
	})
}

// FuzzReverse: a name that is read as an address is the name of that address, but for the case of letters and zeros in front.
func FuzzReverse(f *testing.F) {
	f.Add("2.0.1.10.in-addr.arpa")
	f.Add("2" + strings.Repeat(".0", 27) + ".0.0.d.f.ip6.arpa")
	f.Fuzz(func(t *testing.T, name string) {
		addr, ok := reverse([]byte(name))
		if !ok {
			return
		}
		if again, ok := reverse([]byte(pointerName(addr))); !ok || again != addr {
			t.Fatalf("%q is %v, whose name is %q, which is %v", name, addr, pointerName(addr), again)
		}
	})
}

// pointerName is the name under which an address is asked for.
func pointerName(addr netip.Addr) string {
	const hex = "0123456789abcdef"
	var labels []string
	for _, b := range addr.AsSlice() {
		if addr.Is4() {
			labels = append([]string{netip.AddrFrom4([4]byte{3: b}).String()[len("0.0.0."):]}, labels...)
		} else {
			labels = append([]string{hex[b&15:][:1], hex[b>>4:][:1]}, labels...)
		}
	}
	if addr.Is4() {
		return strings.Join(labels, ".") + ".in-addr.arpa"
	}
	return strings.Join(labels, ".") + ".ip6.arpa"
}

// FuzzForContainer: whatever the host's file and the service say, the container asks one server, ours, and every line of
// its file is one that resolvers know.
func FuzzForContainer(f *testing.F) {
	f.Add("nameserver 192.0.2.53\nsearch a b\noptions ndots:1 rotate\n", "corp.example", "ndots:2")
	f.Add("", "a\nnameserver 192.0.2.66", "x\rnameserver 192.0.2.66")
	f.Fuzz(func(t *testing.T, host, search, option string) {
		text := ParseResolvConf(host).ForContainer(Wishes{Search: []string{search}, Options: []string{option}}).String()
		c := ParseResolvConf(text)
		if len(c.Nameservers) != 1 || c.Nameservers[0] != ServerAddr().Addr() {
			t.Fatalf("servers %v in %q", c.Nameservers, text)
		}
		for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
			if word, _, _ := strings.Cut(line, " "); word != "nameserver" && word != "search" && word != "options" {
				t.Fatalf("line %q in %q", line, text)
			}
		}
	})
}
