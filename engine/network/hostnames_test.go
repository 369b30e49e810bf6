package network

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"

	"tiffin/engine"
)

var testHostNames = HostNames{Listen: netip.MustParseAddrPort("127.0.0.111:53"), Domain: "tiffin.internal"}

// member attaches a container of a project and lets it answer.
func (h *testHost) member(n engine.Network, project, name string, names ...string) (*Sandbox, engine.Endpoint) {
	h.tb.Helper()
	s := h.sandbox(name)
	ep, err := h.Attach(h.tb.Context(), s, AttachRequest{
		ContainerID: name, Name: name, Project: project, Network: n, Names: append(names, name),
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	h.SetAnswering(name, Answering)
	return s, ep
}

// onHost asks what the host would.
func (h *testHost) onHost(network string, q question) string {
	m, err := exchange(h.host, network, testHostNames.Listen.String(), q)
	if err != nil {
		return err.Error()
	}
	return text(&m)
}

func TestTheHostFindsContainersByName(t *testing.T) {
	h := newTestHost(t)
	h.reopen(Config{HostNames: testHostNames})
	h.AnswerNames()
	front := h.network(engine.NetworkSpec{Name: "shop_front", EnableIPv6: true})
	back := h.network(engine.NetworkSpec{Name: "shop_back", Internal: true})
	blog := h.network(engine.NetworkSpec{Name: "blog_default"})
	_, web1 := h.member(front, "shop", "shop-web-1", "web", "www")
	_, web2 := h.member(front, "shop", "shop-web-2", "web", "www")
	_, db := h.member(back, "shop", "shop-db-1", "db")
	both, err := h.Attach(t.Context(), h.sandbox("shop-web-1"), AttachRequest{
		ContainerID: "shop-web-1", Name: "shop-web-1", Project: "shop", Network: back, Names: []string{"shop-web-1", "web"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.SetAnswering("shop-web-1", Answering)
	inside, other := h.member(blog, "blog", "blog-web-1", "web")
	h.replica(blog, "stranger", "stray") // of no project
	ip := func(e engine.Endpoint) string { return e.IPv4.Addr().String() }
	const a, refused = dnsmessage.TypeA, "Refused"
	webs := "Success " + strings.Join(sorted(ip(web1), ip(web2)), " ")
	for _, c := range []struct {
		sentence string
		name     string
		kind     dnsmessage.Type
		want     string
	}{
		{"a service is its replicas", "web.shop.tiffin.internal", a, webs},
		{"in any case, and by an alias", "WWW.Shop.Tiffin.internal", a, webs},
		{"a service of another project is another", "web.blog.tiffin.internal", a, "Success " + ip(other)},
		{"a replica has a name", "shop-web-2.shop.tiffin.internal", a, "Success " + ip(web2)},
		{
			"IPv6", "shop-web-2.shop.tiffin.internal", dnsmessage.TypeAAAA,
			"Success " + web2.IPv6.Addr().String(),
		},
		{"the host is on internal networks, too", "db.shop.tiffin.internal", a, "Success " + ip(db)},
		{"no IPv6 is no error", "db.shop.tiffin.internal", dnsmessage.TypeAAAA, "Success"},
		{"who is not there", "gone.shop.tiffin.internal", a, "NameError"},
		{"a project that is not there", "web.gone.tiffin.internal", a, "NameError"},
		{"a project is no container, but there", "shop.tiffin.internal", a, "Success"},
		{"and so is the domain", "tiffin.internal", dnsmessage.TypeSOA, "Success"},
		{"the name of an address", reverse(web2.IPv4.Addr()), dnsmessage.TypePTR, "Success shop-web-2.shop.tiffin.internal."},
		{"RFC 6761: below localhost is the host", "web.shop.localhost", a, "Success 127.0.0.1"},
		{"without the domain it is other people's", "web.shop", a, refused},
		{"so is a service's name", "web", a, refused},
		{"so are hosts of the world", "example.com", a, refused},
		{"a container of no project", "stray.tiffin.internal", a, "NameError"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := h.onHost(network, question{c.name, c.kind, 0}); got != c.want {
				t.Errorf("%s (%s): got %q, want %q", c.sentence, network, got, c.want)
			}
		}
	}
	if got := resolve(inside, "udp", "db.shop.tiffin.internal"); got != "NameError" {
		t.Errorf("a container asks for another project's: %s", got)
	}

	web := question{"web.shop.tiffin.internal", a, 0}
	h.SetAnswering("shop-web-2", Unhealthy)
	if got := h.onHost("udp", web); got != "Success "+ip(web1) {
		t.Errorf("with one that is unhealthy: %s", got)
	}
	if err := h.DropSandbox(t.Context(), "shop-web-1"); err != nil {
		t.Fatal(err)
	}
	if got := h.onHost("udp", web); got != "Success "+ip(web2) {
		t.Errorf("with one that is gone: %s", got)
	}
	if err := h.DropSandbox(t.Context(), "shop-web-2"); err != nil {
		t.Fatal(err)
	}
	if got := h.onHost("udp", web); got != "NameError" {
		t.Errorf("after down: %s", got)
	}
	_ = both
}

// Until it is known who runs, nobody is told that a name is not there.
func TestTheHostWaitsForTheEngine(t *testing.T) {
	h := newTestHost(t)
	h.reopen(Config{HostNames: testHostNames})
	n := h.network(engine.NetworkSpec{Name: "shop_default"})
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("web.shop.tiffin.internal."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	var c net.Conn
	if err := within(h.host, func() (err error) {
		if c, err = net.Dial("udp", testHostNames.Listen.String()); err == nil {
			_, err = c.Write(b)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // nothing was written since
	_, ep := h.member(n, "shop", "shop-web-1", "web")
	h.AnswerNames()
	buf := make([]byte, 512)
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	size, err := c.Read(buf)
	if err = errors.Join(err, m.Unpack(buf[:size])); err != nil {
		t.Fatal(err)
	}
	if got := text(&m); got != "Success "+ep.IPv4.Addr().String() {
		t.Error(got)
	}
}

func TestAnAddressForTheHostThatIsTaken(t *testing.T) {
	h := newTestHost(t)
	nameServer(t, h.host, "127.0.0.111:53", answering([4]byte{198, 51, 100, 9}))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	m, err := Open(t.Context(), Config{
		RunRoot: h.root, ResolvConf: filepath.Join(h.root, "absent"), HostNames: testHostNames, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Manager = m
	h.AnswerNames() // and nothing comes of it
	self, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("names on the host: cannot listen on 127.0.0.111:53, which process %s (pid %d) has",
		strings.TrimSpace(string(self)), os.Getpid())
	if got := h.HostNames(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "engine.json") {
		t.Errorf("logged: %s", log.String())
	}
	n := h.network(engine.NetworkSpec{Name: "n"})
	if s, ip := h.replica(n, "web-1", "web"); resolve(s, "udp", "web") != ip {
		t.Error("containers are not served either")
	}
}

// A host that has our server in its resolv.conf: containers are forwarded to the others.
func TestContainersAreNotForwardedToTheHostsNames(t *testing.T) {
	h := newTestHost(t)
	conf := filepath.Join(h.root, "resolv.conf")
	if err := os.WriteFile(conf, []byte("nameserver 127.0.0.111\nnameserver 127.0.0.53\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.reopen(Config{HostNames: testHostNames, ResolvConf: conf})
	h.AnswerNames()
	asked := nameServer(t, h.host, "127.0.0.53:53", answering([4]byte{198, 51, 100, 9}))
	s, _ := h.member(h.network(engine.NetworkSpec{Name: "shop_default"}), "shop", "shop-web-1", "web")
	got := []string{resolve(s, "udp", "example.com"), resolve(s, "udp", "web.shop.tiffin.internal")}
	if diff := cmp.Diff([]string{"198.51.100.9", "NameError"}, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if n := asked.count.Load(); n != 1 {
		t.Errorf("the other was asked %d times", n)
	}
	if n := len(h.upstreams(s)); n != 1 {
		t.Errorf("%d resolvers for containers", n)
	}
}
