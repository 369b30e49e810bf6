package network

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// holdTCP serves connections that stay open.
func holdTCP(tb testing.TB, ns *os.File, addr string) {
	tb.Helper()
	accept(tb, ns, addr, func(c net.Conn) {
		tb.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "!")
	})
}

// hold opens a connection and waits until the server has said something.
func hold(tb testing.TB, ns *os.File, addr string) net.Conn {
	tb.Helper()
	var c net.Conn
	err := within(ns, func() (err error) {
		c, err = net.DialTimeout("tcp", addr, 20*time.Second)
		return err
	})
	if err == nil {
		_, err = io.ReadFull(c, make([]byte, 1))
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// A container that is gone without a word, as with a machine's end, leaves clients
// that know nothing. What they say next must not be sent into the void.
func TestATCPClientOfAContainerThatIsGoneGetsAReset(t *testing.T) {
	for name, replaced := range map[string]bool{"removed": false, "replaced": true} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			outside := h.neighbour()
			n := h.network(engine.NetworkSpec{Name: "n", EnableIPv6: true})
			one, two, client := h.sandbox("one"), h.sandbox("two"), h.sandbox("client")
			h.attach(one, n)
			h.attach(two, n)
			h.attach(client, n)
			holdTCP(t, one.File(), ":80")
			serve(t, two.File(), ":80", "two")
			r := h.publish(one, tcp("", 8080))
			clients := map[string]net.Conn{}
			for name, c := range map[string]struct {
				ns *os.File
				to string
			}{
				"a neighbour":               {outside, hostIP + ":8080"},
				"a neighbour, over IPv6":    {outside, "[2001:db8::1]:8080"},
				"a container":               {client.File(), hostIP + ":8080"},
				"the host, by its own name": {h.host, hostIP + ":8080"},
			} {
				clients[name] = hold(t, c.ns, c.to)
			}
			if err := h.Unpublish(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if err := h.DropSandbox(t.Context(), "one"); err != nil {
				t.Fatal(err)
			}
			if replaced {
				if err := h.Publish(t.Context(), r, two); err != nil {
					t.Fatal(err)
				}
			}
			for name, c := range clients {
				if _, err := c.Write([]byte("are you there?")); err != nil {
					t.Fatal(err)
				}
				if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
					t.Fatal(err)
				}
				if _, err := c.Read(make([]byte, 1)); !isReset(err) {
					t.Errorf("%s: got %v, want a reset", name, err)
				}
			}
		})
	}
}

func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET)
}

func BenchmarkForgetAddresses(b *testing.B) {
	h := newTestHost(b)
	for b.Loop() {
		h.forgetAddresses(loopback4.Addr())
	}
}

// The way of older kernels picks the same connections.
func TestConnectionsOfAnAddressAreFoundInAList(t *testing.T) {
	h := newTestHost(t)
	outside := h.neighbour()
	n := h.network(engine.NetworkSpec{Name: "n"})
	web := h.sandbox("web")
	ep := h.attach(web, n)
	holdTCP(t, web.File(), ":80")
	holdTCP(t, outside, ":80")
	h.publish(web, tcp("", 8080))
	hold(t, outside, hostIP+":8080")
	hold(t, web.File(), neighbourIP+":80")
	hold(t, h.host, neighbourIP+":80")
	count := func() (all, picked int) {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range flows {
			if f.Forward.Protocol != unix.IPPROTO_TCP {
				continue // links announce themselves
			}
			all++
			if deadAddress(ep.IPv4.Addr()).MatchConntrackFlow(f) {
				picked++
			}
		}
		return all, picked
	}
	if all, picked := count(); all != 3 || picked != 2 {
		t.Errorf("got %d of %d connections, want 2 of 3", picked, all)
	}
	h.forgetAddresses(ep.IPv4.Addr())
	if all, picked := count(); all != 1 || picked != 0 {
		t.Errorf("afterwards: got %d of %d connections, want none of 1", picked, all)
	}
}
