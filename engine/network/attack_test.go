package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tiffin/engine"
)

// resolvers makes the host's resolv.conf name the servers, and opens a Manager anew.
func (h *testHost) resolvers(servers ...string) {
	h.tb.Helper()
	conf := filepath.Join(h.root, "resolv.conf")
	var b strings.Builder
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		h.tb.Fatal(err)
	}
	h.reopen(Config{ResolvConf: conf})
}

// Somebody on the host's side guesses answers: none counts but that of the resolver
// that was asked, to the question that was put, under its number, while it is waited for.
func TestForgedAnswersDoNotCount(t *testing.T) {
	h := newTestHost(t)
	h.resolvers("127.0.0.53")
	var resolver, stranger net.PacketConn
	if err := within(h.host, func() (err error) {
		if resolver, err = net.ListenPacket("udp4", "127.0.0.53:53"); err == nil {
			stranger, err = net.ListenPacket("udp4", "127.0.0.66:53")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = resolver.Close(), stranger.Close() })

	evil, good := answering([4]byte{6, 6, 6, 6}), answering([4]byte{198, 51, 100, 7})
	pack := func(m *dnsmessage.Message) []byte {
		b, err := m.Pack()
		if err != nil {
			t.Error(err)
		}
		return b
	}
	received := make(chan string, 100)
	go func() {
		buf := make([]byte, 4096)
		var late []byte // the forged answer to the query before
		var lateTo net.Addr
		for {
			n, peer, err := resolver.ReadFrom(buf)
			if err != nil {
				close(received)
				return
			}
			parse := func() *dnsmessage.Message {
				var m dnsmessage.Message
				if err := m.Unpack(buf[:n]); err != nil {
					t.Error(err)
				}
				return &m
			}
			received <- peer.String()
			if late == nil { // this one is left alone, until there is another
				late, lateTo = pack(evil(parse())), peer
				continue
			}
			_, _ = resolver.WriteTo(late, lateTo)
			_, _ = stranger.WriteTo(pack(evil(parse())), peer)
			for _, forge := range []func(*dnsmessage.Message){
				func(m *dnsmessage.Message) { m.ID++ },
				func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("evil.example.com.") },
				func(m *dnsmessage.Message) { m.Questions[0].Type = dnsmessage.TypeAAAA },
				func(m *dnsmessage.Message) { m.Questions[0].Class = dnsmessage.ClassCHAOS },
				func(m *dnsmessage.Message) { m.Response = false },
				func(m *dnsmessage.Message) { m.OpCode = 5 },
				func(m *dnsmessage.Message) { m.Questions = nil },
			} {
				m := evil(parse())
				forge(m)
				_, _ = resolver.WriteTo(pack(m), peer)
			}
			_, _ = resolver.WriteTo(pack(good(parse())), peer)
		}
	}()

	s, _ := h.replica(h.network(engine.NetworkSpec{Name: "n"}), "web-1", "web")
	for range 5 {
		if got := resolve(s, "udp", "example.com"); got != "198.51.100.7" {
			t.Errorf("got %s", got)
		}
	}
	_ = resolver.Close()
	ports := map[string]bool{}
	for from := range received {
		ports[from] = true
	}
	if len(ports) < 4 {
		t.Errorf("six queries came from %d ports: %v", len(ports), ports)
	}
}

// What an upstream says about our names is not listened to: it is never asked.
func TestOurNamesAreNeverAskedOutside(t *testing.T) {
	h := newTestHost(t)
	h.resolvers("127.0.0.53")
	asked := nameServer(t, h.host, "127.0.0.53:53", answering([4]byte{6, 6, 6, 6}))
	s, ip := h.replica(h.network(engine.NetworkSpec{Name: "p_n"}), "p-web-1", "web")
	_, other := h.replica(h.network(engine.NetworkSpec{Name: "q_n"}), "q-web-1", "web")
	for _, q := range []question{
		{"web", dnsmessage.TypeA, 0},
		{"web", dnsmessage.TypeAAAA, 0},
		{"web", dnsmessage.TypeTXT, 0},
		{"gone", dnsmessage.TypeA, 0},
		{"gone.p_n", dnsmessage.TypeA, 0},
		{"localhost", dnsmessage.TypeA, 0},
		{reverse(netip.MustParseAddr(ip)), dnsmessage.TypePTR, 0},
		{reverse(netip.MustParseAddr(ip).Next()), dnsmessage.TypePTR, 0},
		{reverse(netip.MustParseAddr(other)), dnsmessage.TypePTR, 0}, // a network that it is not on
	} {
		if got := said(s, "udp", q); strings.Contains(got, "6.6.6.6") {
			t.Errorf("%v: %s", q, got)
		}
	}
	if n := asked.count.Load(); n != 0 {
		t.Errorf("the resolver was asked %d times", n)
	}
}

// A container that asks without pause, for its own names and for others, takes neither
// answers nor the way outside from its neighbour.
func TestAFloodStarvesNobody(t *testing.T) {
	h := newTestHost(t)
	h.resolvers("127.0.0.53")
	good := answering([4]byte{198, 51, 100, 7})
	asked := nameServer(t, h.host, "127.0.0.53:53", func(m *dnsmessage.Message) *dnsmessage.Message {
		if m.Questions[0].Name.String() == "void.example.com." {
			return nil // and so each takes as long as possible
		}
		return good(m)
	})
	n := h.network(engine.NetworkSpec{Name: "n"})
	loud, _ := h.replica(n, "loud-1", "loud")
	quiet, ip := h.replica(n, "quiet-1", "quiet")

	stop := make(chan struct{})
	var flood sync.WaitGroup
	for _, name := range []string{"loud", "void.example.com"} {
		m := dnsmessage.Message{Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
		}}}
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var c net.Conn
		if err := within(loud.File(), func() (err error) {
			c, err = net.Dial("udp", "127.0.0.11:53")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		flood.Go(func() {
			defer c.Close() //nolint:errcheck // nobody reads the answers
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = c.Write(b)
				}
			}
		})
	}
	bad := 0
	for i := range 100 {
		if got := resolve(quiet, "udp", "quiet"); got != ip {
			t.Errorf("query %d for its own name: %s", i, got)
			bad++
		}
		if got := resolve(quiet, "udp", fmt.Sprintf("h%d.example.com", i)); got != "198.51.100.7" {
			t.Errorf("query %d for a host outside: %s", i, got)
			bad++
		}
		if bad > 3 {
			break
		}
	}
	close(stop)
	flood.Wait()
	// 64 under way at a time, however many were asked: the rest was refused at once.
	if n := int(asked.count.Load()) - 100; n < 1 || n > 64*20 {
		t.Errorf("%d queries of the flood went out", n)
	}
}
