package network

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// BenchmarkStream is the throughput from one container to another, beside that of two
// pairs of links that are put on a bridge by hand and have nothing else. Run it with
// -count to have the two take turns.
func BenchmarkStream(b *testing.B) {
	for name, filtered := range map[string]string{"br_netfilter off": framesPass, "br_netfilter on": framesFiltered} {
		b.Run("bare/"+name, func(b *testing.B) {
			h := newTestHost(b)
			h.filterFrames(filtered)
			stream(b, h.bare("ns0", "10.1.1.2/24"), h.bare("ns1", "10.1.1.3/24"), "10.1.1.3:5201")
		})
		b.Run("ours/"+name, func(b *testing.B) {
			h := newTestHost(b)
			h.filterFrames(filtered)
			n := h.network(engine.NetworkSpec{Name: "n"})
			one, two := h.sandbox("one"), h.sandbox("two")
			h.attach(one, n)
			ep := h.attach(two, n)
			stream(b, one.File(), two.File(), at(ep, "5201"))
		})
	}
}

// bare makes a namespace with a link to the bridge bare0.
func (h *testHost) bare(name, address string) *os.File {
	h.tb.Helper()
	if _, err := h.rtnl.index("bare0"); err != nil {
		if err := h.rtnl.do(newLink("bridge", link{name: "bare0", up: true}, linkInfo("bridge", nil))); err != nil {
			h.tb.Fatal(err)
		}
	}
	var inside *rtnl
	ns, err := newNamespace(func(*os.File) (err error) {
		inside, err = dialRtnl()
		return err
	})
	if err != nil {
		h.tb.Fatal(err)
	}
	h.tb.Cleanup(func() { _ = ns.Close() })
	bridge, err := h.rtnl.index("bare0")
	if err != nil {
		h.tb.Fatal(err)
	}
	peer := nl.NewRtAttr(vethInfoPeer, link{}.header().Serialize())
	for _, a := range (link{name: "eth0"}).attributes() {
		peer.AddChild(a)
	}
	peer.AddRtAttr(unix.IFLA_NET_NS_FD, nl.Uint32Attr(uint32(ns.Fd())))
	data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
	data.AddChild(peer)
	master := nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(bridge)))
	if err := h.rtnl.do(newLink("veth", link{name: name, up: true}, master, linkInfo("veth", data))); err != nil {
		h.tb.Fatal(err)
	}
	index, err := inside.index("eth0")
	if err == nil {
		err = inside.do(setLinkUp("up", "eth0"), addAddress("address", index, netip.MustParsePrefix(address)))
	}
	if err == nil {
		err = h.rtnl.do(getLink("settle", name), getLink("settle", "bare0"))
	}
	if err != nil {
		h.tb.Fatal(err)
	}
	return ns
}

// stream sends blocks over one connection, each counted when it is sent.
func stream(b *testing.B, from, to *os.File, addr string) {
	b.Helper()
	var l net.Listener
	err := within(to, func() (err error) {
		l, err = net.Listen("tcp4", addr)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
	}()
	var c net.Conn
	if err := within(from, func() (err error) {
		c, err = net.Dial("tcp4", addr)
		return err
	}); err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 128<<10)
	b.SetBytes(int64(len(block)))
	before := cpuTime(b)
	for b.Loop() {
		if _, err := c.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op") // what others do on the machine counts less here
	_ = c.Close()
}

// cpuTime is that of this process until now.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEndpoint is all that a container needs to be reached: links, addresses of
// both families, routes, names, and a port.
func BenchmarkEndpoint(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true, Pools: []engine.Pool{{Subnet: prefix("10.1.0.0/16")}}})
	first := h.sandbox("first")
	h.attach(first, n)
	h.publish(first, tcp("", 8079)) // the first port loads the programs of the short cut
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		key := fmt.Sprint("s", i)
		s := h.sandbox(key)
		b.StartTimer()
		h.attach(s, n, "web", key)
		h.SetAnswering(key, Answering)
		r := h.publish(s, tcp("", 8080))
		b.StopTimer()
		if err := errors.Join(h.Release(b.Context(), r), h.DropSandbox(b.Context(), key)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
