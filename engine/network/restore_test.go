package network

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"tiffin/engine"
	"tiffin/engine/network/nft"
)

// stack is two containers on a network, one of which publishes a port, and what the
// records of an engine say about them.
type stack struct {
	network engine.Network
	formers []Former
	ip      string // of the first container
}

func (h *testHost) stack() stack {
	h.tb.Helper()
	st := stack{network: h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})}
	for _, name := range []string{"web-1", "web-2"} {
		s, ip := h.replica(st.network, name, "web")
		serve(h.tb, s.File(), ":80", name)
		if st.ip == "" {
			st.ip = ip
		}
		ep, _ := s.Outside()
		st.formers = append(st.formers, Former{
			Key: name, ContainerID: name, Name: name, Endpoints: []engine.Endpoint{ep},
		})
	}
	st.formers[0].Published = h.publish(h.sandbox("web-1"), tcp(hostIP, 8080)).Ports()
	return st
}

func TestRestoreFindsEverythingAsItWas(t *testing.T) {
	for name, breakIt := range map[string]func(h *testHost, st stack){
		"nothing happened":     func(*testHost, stack) {},
		"the table is gone":    func(h *testHost, _ stack) { h.dropTable() },
		"the bridge is gone":   func(h *testHost, st stack) { h.dropLink(st.network.Bridge) },
		"a veth pair is gone":  func(h *testHost, st stack) { h.dropLink(st.formers[0].Endpoints[0].HostLink) },
		"the note is gone too": func(h *testHost, _ stack) { _ = os.RemoveAll(h.cfg.HostRoot) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			outside := h.neighbour()
			st := h.stack()
			links := h.links()
			h.reopen(Config{})
			breakIt(h, st)
			if err := h.Restore(t.Context(), []engine.Network{st.network}, st.formers); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(links, h.links()); diff != "" {
				t.Errorf("links: before -, after +\n%s", diff)
			}
			if got := ask(outside, hostIP+":8080"); got != "web-1 "+neighbourIP {
				t.Errorf("the published port: got %q", got)
			}
			h.SetAnswering("web-1", Answering)
			h.AnswerNames()
			if got := resolve(h.sandbox("web-2"), "udp", "web"); got != st.ip {
				t.Errorf("the service's name: got %q, want %q", got, st.ip)
			}
			if got := ask(h.sandbox("web-2").File(), st.ip+":80"); got == "timeout" {
				t.Errorf("a neighbour: got %q", got)
			}
			if ep := h.attach(h.sandbox("web-3"), st.network); ep.IPv4 == st.formers[0].Endpoints[0].IPv4 {
				t.Error("an address was given out twice")
			}
		})
	}
}

// What somebody kept of an engine's sockets serves the next one: who asked meanwhile waits, and is answered by what is
// known then.
func TestSocketsOutliveAnEngine(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	here, err := currentNamespace()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = here.Close() })
	st := h.stack()
	web2 := h.sandbox("web-2")
	echo(t, web2.File(), ":7")
	r, err := h.Reserve(t.Context(), "web-2", []engine.PortBinding{
		{HostIP: netip.MustParseAddr("::1"), HostPort: 8081, ContainerPort: 80, Protocol: "tcp"},
		{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: 7, ContainerPort: 7, Protocol: "udp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Publish(t.Context(), r, web2); err != nil {
		t.Fatal(err)
	}
	ports := r.Ports()
	files, err := h.PortFiles(r)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range st.formers {
		if st.formers[i].NameSockets, err = h.sandbox(f.Key).NameSockets(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { closeFiles(slices.Concat(files, st.formers[0].NameSockets, st.formers[1].NameSockets)) })
	names, err := os.Open(h.pinPath("web-2"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = names.Close() })
	h.reopen(Config{})

	answers := map[string]chan string{}
	asking := func(what string, ask func() string) {
		answer := make(chan string, 1)
		answers[what] = answer
		go func() { answer <- ask() }()
	}
	asking("udp query", func() string { return resolve(&Sandbox{ns: names}, "udp", "web") })
	asking("tcp query", func() string { return resolve(&Sandbox{ns: names}, "tcp", "web") })
	asking("connection", func() string { return ask(here, "[::1]:8081") })

	if err := h.Restore(t.Context(), []engine.Network{st.network}, st.formers); err != nil {
		t.Fatal(err)
	}
	r, err = h.Resume(t.Context(), "web-2", ports, files)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Ports(); !slices.Equal(got, ports) {
		t.Errorf("ports %v, want %v", got, ports)
	}
	if err := h.Publish(t.Context(), r, h.sandbox("web-2")); err != nil {
		t.Fatal(err)
	}
	if got := askUDP(here, "127.0.0.1:7"); got != "hello" {
		t.Errorf("the datagram port: got %q", got)
	}
	h.SetAnswering("web-1", Answering)
	h.AnswerNames()
	for what, want := range map[string]string{"udp query": st.ip, "tcp query": st.ip, "connection": "web-2 " + gateway6(st.network)} {
		if got := <-answers[what]; got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
}

func gateway6(n engine.Network) string {
	for _, p := range n.Pools {
		if p.Gateway.Is6() {
			return p.Gateway.String()
		}
	}
	return ""
}

func TestRestoreRemovesWhatNoRecordKnows(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	before := h.leftovers()
	h.stack()
	h.reopen(Config{})
	if err := h.Restore(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, h.leftovers()); diff != "" {
		t.Errorf("before -, after +\n%s", diff)
	}
}

func TestRestoreLeavesAnotherEngineAlone(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	st := h.stack()
	other, err := Open(t.Context(), Config{RunRoot: t.TempDir(), Key: "other", HostRoot: h.cfg.HostRoot})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	if err := other.Restore(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if got := ask(h.sandbox("web-2").File(), st.ip+":80"); got == "timeout" {
		t.Errorf("the first engine's container: got %q", got)
	}
	if there, err := h.nft.Has(h.fw.head()); !there || err != nil {
		t.Errorf("the first engine's table: got %v, %v", there, err)
	}
}

func (h *testHost) dropTable() {
	h.tb.Helper()
	var b nft.Batch
	b.RemoveTable(h.fw.head())
	if err := h.nft.Apply(&b); err != nil {
		h.tb.Fatal(err)
	}
}

func (h *testHost) dropLink(name string) {
	h.tb.Helper()
	if err := h.removeLinks(name); err != nil {
		h.tb.Fatal(err)
	}
}

// links are the names of the host's links, each with the bridge that it is a port of.
func (h *testHost) links() map[string]string {
	h.tb.Helper()
	list, err := h.look.LinkList()
	if err != nil {
		h.tb.Fatal(err)
	}
	byIndex := map[int]netlink.Link{}
	for _, l := range list {
		byIndex[l.Attrs().Index] = l
	}
	found := map[string]string{}
	for _, l := range list {
		found[l.Attrs().Name] = ""
		if master, ok := byIndex[l.Attrs().MasterIndex]; ok {
			found[l.Attrs().Name] = master.Attrs().Name
		}
	}
	return found
}

// A new engine takes over fifty containers.
func BenchmarkRestoreFifty(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n"})
	var formers []Former
	for i := range 50 {
		name := fmt.Sprint("s", i)
		s := h.sandbox(name)
		ep := h.attach(s, n, name)
		files, err := s.NameSockets()
		if err != nil {
			b.Fatal(err)
		}
		defer closeFiles(files)
		formers = append(formers, Former{Key: name, ContainerID: name, Name: name, Endpoints: []engine.Endpoint{ep}, NameSockets: files})
	}
	for b.Loop() {
		b.StopTimer()
		h.reopen(Config{})
		b.StartTimer()
		if err := h.Restore(b.Context(), []engine.Network{n}, formers); err != nil {
			b.Fatal(err)
		}
		h.AnswerNames()
	}
}
