package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"tiffin/engine"
	"tiffin/engine/network/names"
)

// resolve asks 127.0.0.11 in a sandbox for a name, over "udp" or "tcp", and returns
// the sorted addresses, or the code of the answer, or what went wrong.
func resolve(s *Sandbox, network, name string) string {
	var answer string
	err := within(s.File(), func() error {
		c, err := net.Dial(network, "127.0.0.11:53")
		if err != nil {
			return err
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return err
		}
		answer, err = query(c, network, name)
		return errors.Join(err, c.Close())
	})
	if err != nil {
		return err.Error()
	}
	return answer
}

func query(c net.Conn, network, name string) (string, error) {
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	b, err := q.Pack()
	if err != nil {
		return "", err
	}
	if network == "tcp" {
		b = append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
	}
	if _, err := c.Write(b); err != nil {
		return "", err
	}
	buf := make([]byte, 4096)
	n, err := c.Read(buf)
	if err != nil {
		return "", err
	}
	buf = buf[:n]
	if network == "tcp" {
		size := int(buf[0])<<8 | int(buf[1])
		if buf = buf[2:]; len(buf) < size {
			rest := make([]byte, size-len(buf))
			if _, err := io.ReadFull(c, rest); err != nil {
				return "", err
			}
			buf = slices.Concat(buf, rest)
		}
	}
	var r dnsmessage.Message
	if err := r.Unpack(buf); err != nil {
		return "", err
	}
	if r.RCode != dnsmessage.RCodeSuccess {
		return strings.TrimPrefix(r.RCode.String(), "RCode"), nil
	}
	addrs := []string{}
	for _, a := range r.Answers {
		addrs = append(addrs, netip.AddrFrom4(a.Body.(*dnsmessage.AResource).A).String())
	}
	slices.Sort(addrs)
	return strings.Join(addrs, " "), nil
}

// replica attaches a container with an own name and a shared one, and lets it answer.
func (h *testHost) replica(n engine.Network, name, service string) (*Sandbox, string) {
	h.tb.Helper()
	s := h.sandbox(name)
	ep, err := h.Attach(h.tb.Context(), s, AttachRequest{
		ContainerID: name, Name: name, Network: n, Names: []string{name, service},
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	h.SetAnswering(name, Answering)
	return s, ep.IPv4.Addr().String()
}

func TestNamesAnswerOnTheirNetworkOnly(t *testing.T) {
	h := newTestHost(t)
	front := h.network(engine.NetworkSpec{Name: "p_front"})
	back := h.network(engine.NetworkSpec{Name: "p_back", Internal: true})
	web1, ip1 := h.replica(front, "p-web-1", "web")
	_, ip2 := h.replica(front, "p-web-2", "web")
	db, _ := h.replica(back, "p-db-1", "db")
	both := strings.Join(sorted(ip1, ip2), " ")
	for _, c := range []struct {
		sentence string
		from     *Sandbox
		name     string
		want     string
	}{
		{"a service has the addresses of all its replicas", web1, "web", both},
		{"with the network's name behind it too", web1, "web.p_front", both},
		{"in any case", web1, "WEB", both},
		{"a container has its own name", web1, "p-web-2", ip2},
		{"and knows itself", web1, "p-web-1", ip1},
		{"a service of another network is not known", web1, "db", "NameError"},
		{"nor the other way round", db, "web", "NameError"},
		{"an internal network forwards nothing", db, "example.com", "NameError"},
		{"a host without resolvers has no answer", web1, "example.com", "ServerFailure"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := resolve(c.from, network, c.name); got != c.want {
				t.Errorf("%s (%s): got %q, want %q", c.sentence, network, got, c.want)
			}
		}
	}
}

func sorted(s ...string) []string { slices.Sort(s); return s }

func TestOnlyContainersThatRunAnswer(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s, ip1 := h.replica(n, "web-1", "web")
	_, ip2 := h.replica(n, "web-2", "web")
	for _, c := range []struct {
		one, two Answer
		web, own string
	}{
		{Answering, Silent, ip1, ""},
		{Answering, Unhealthy, ip1, ip2},
		{Unhealthy, Unhealthy, strings.Join(sorted(ip1, ip2), " "), ip2},
		{Silent, Unhealthy, ip2, ip2},
		{Silent, Silent, "", ""},
		{Silent, Answering, ip2, ip2},
	} {
		h.SetAnswering("web-1", c.one)
		h.SetAnswering("web-2", c.two)
		if diff := cmp.Diff([]string{c.web, c.own}, []string{resolve(s, "udp", "web"), resolve(s, "udp", "web-2")}); diff != "" {
			t.Errorf("%+v: want -, got +\n%s", c, diff)
		}
	}
	h.SetAnswering("web-1", Answering)
	if err := h.DropSandbox(t.Context(), "web-2"); err != nil {
		t.Fatal(err)
	}
	if got := resolve(s, "udp", "web-2"); got != "NameError" {
		t.Errorf("after it has gone: got %q", got)
	}
}

func TestALinkIsKnownToOneContainer(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	other, ip := h.replica(n, "db-1", "db")
	s := h.sandbox("app")
	if _, err := h.Attach(t.Context(), s, AttachRequest{Network: n, Links: map[string]string{"database": "db"}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{ip, "NameError"}, []string{resolve(s, "udp", "database"), resolve(other, "udp", "database")}); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestAContainerMayServePort53Itself(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s, ip := h.replica(n, "web-1", "web")
	echo(t, s.File(), "0.0.0.0:53")
	serve(t, s.File(), "0.0.0.0:53", "own")
	if got := askUDP(s.File(), "127.0.0.1:53"); got != "hello" {
		t.Errorf("its own server over UDP: got %q", got)
	}
	if got := ask(s.File(), "127.0.0.1:53"); got != "own 127.0.0.1" {
		t.Errorf("its own server over TCP: got %q", got)
	}
	if diff := cmp.Diff([]string{ip, ip}, []string{resolve(s, "udp", "web"), resolve(s, "tcp", "web")}); diff != "" {
		t.Errorf("ours: want -, got +\n%s", diff)
	}
}

func TestBusyboxFindsNames(t *testing.T) {
	if _, err := exec.LookPath("busybox"); err != nil {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			t.Fatal("needs busybox")
		}
		t.Skip("needs busybox")
	}
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s, ip := h.replica(n, "web-1", "web")
	for args, want := range map[string]string{
		"nslookup -type=a web 127.0.0.11": "Name:\tweb\nAddress: " + ip,
		"nslookup " + ip + " 127.0.0.11":  "name = web-1.n",
	} {
		var out []byte
		err := within(s.File(), func() (err error) {
			out, err = exec.CommandContext(t.Context(), "busybox", strings.Fields(args)...).CombinedOutput()
			return err
		})
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
}

func TestWhatIsNotOursGoesToTheHostsResolvers(t *testing.T) {
	requireRoot(t)
	conf := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newTestHost(t)
	h.reopen(Config{ResolvConf: conf})
	answerAlways(t, h.host, "127.0.0.53:53", [4]byte{198, 51, 100, 7})
	n := h.network(engine.NetworkSpec{Name: names.Nameless})
	s, _ := h.replica(n, "web-1", "web")
	answerAlways(t, s.File(), "127.0.0.54:53", [4]byte{198, 51, 100, 8})
	if got := resolve(s, "udp", "example.com"); got != "198.51.100.7" {
		t.Errorf("got %q, want the resolver's answer", got)
	}
	if got := resolve(s, "udp", "web"); got != "NameError" {
		t.Errorf("on the default network: got %q, want no names", got)
	}
	h.SetResolvers(s, []netip.Addr{netip.MustParseAddr("127.0.0.54")})
	if got := resolve(s, "udp", "example.com"); got != "198.51.100.8" {
		t.Errorf("got %q, want the answer of the service's own resolver", got)
	}
}

// answerAlways is a resolver that has one address for every name.
func answerAlways(tb testing.TB, ns *os.File, addr string, a [4]byte) {
	tb.Helper()
	var l net.PacketConn
	err := within(ns, func() (err error) {
		l, err = new(net.ListenConfig).ListenPacket(tb.Context(), "udp", addr)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	go func() {
		buf := make([]byte, 2048)
		for {
			n, peer, err := l.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: a},
			}}
			b, err := m.Pack()
			if err == nil {
				_, _ = l.WriteTo(b, peer)
			}
		}
	}()
}

func BenchmarkAnnounceOneOfFifty(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n"})
	for i := range 50 {
		h.replica(n, fmt.Sprint("c", i), fmt.Sprint("s", i))
	}
	to := Silent
	for b.Loop() {
		h.SetAnswering("c0", to)
		to = Answering - to
	}
}

func BenchmarkOneQueryAtATime(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n"})
	s, _ := h.replica(n, "web-1", "web")
	if err := within(s.File(), func() error {
		c, err := net.Dial("udp", "127.0.0.11:53")
		if err != nil {
			return err
		}
		for b.Loop() {
			if _, err := query(c, "udp", "web"); err != nil {
				return err
			}
		}
		return c.Close()
	}); err != nil {
		b.Fatal(err)
	}
}

func TestTheHostsResolversAreThoseOfNow(t *testing.T) {
	for name, change := range map[string]func(path, text string) error{
		"written": func(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) },
		"replaced": func(path, text string) error {
			return errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path))
		},
		"behind a link": func(path, text string) error {
			target, err := filepath.EvalSymlinks(path)
			return errors.Join(err, os.WriteFile(target+".new", []byte(text), 0o600), os.Rename(target+".new", target))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			target, conf := filepath.Join(t.TempDir(), "stub.conf"), filepath.Join(t.TempDir(), "resolv.conf")
			if err := errors.Join(
				os.WriteFile(target, []byte("nameserver 127.0.0.53\n"), 0o600), os.Symlink(target, conf),
			); err != nil {
				t.Fatal(err)
			}
			h.reopen(Config{ResolvConf: conf})
			answerAlways(t, h.host, "127.0.0.53:53", [4]byte{198, 51, 100, 7})
			answerAlways(t, h.host, "127.0.0.54:53", [4]byte{198, 51, 100, 8})
			s, _ := h.replica(h.network(engine.NetworkSpec{Name: "n"}), "web-1", "web")
			if got := resolve(s, "udp", "example.com"); got != "198.51.100.7" {
				t.Fatalf("before: got %q", got)
			}
			if err := change(conf, "nameserver 127.0.0.54\n"); err != nil {
				t.Fatal(err)
			}
			deadline := time.Now().Add(5 * time.Second)
			for resolve(s, "udp", "example.com") != "198.51.100.8" {
				if time.Now().After(deadline) {
					t.Fatal("the new resolver is not asked")
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}
