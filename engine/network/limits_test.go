package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/ipam"
)

// routeIn makes a route to the LAN in a table: main, or one of its own, as VPNs do that
// choose packets by rules.
func (h *testHost) routeIn(table uint32, dst netip.Prefix) {
	h.tb.Helper()
	index, err := h.rtnl.index("lan0")
	if err != nil {
		h.tb.Fatal(err)
	}
	r := nl.NewNetlinkRequest(unix.RTM_NEWROUTE, unix.NLM_F_CREATE)
	msg := nl.NewRtMsg()
	msg.Dst_len, msg.Family, msg.Table = uint8(dst.Bits()), unix.AF_INET, unix.RT_TABLE_UNSPEC
	msg.Scope = unix.RT_SCOPE_LINK
	r.AddData(msg)
	r.AddData(nl.NewRtAttr(unix.RTA_DST, dst.Addr().AsSlice()))
	r.AddData(nl.NewRtAttr(unix.RTA_OIF, nl.Uint32Attr(uint32(index))))
	r.AddData(nl.NewRtAttr(unix.RTA_TABLE, nl.Uint32Attr(table)))
	if err := h.rtnl.do(request{r, "route " + dst.String()}); err != nil {
		h.tb.Fatal(err)
	}
}

func TestSubnetsAreNotThoseThatTheHostRoutesElsewhere(t *testing.T) {
	h := newTestHost(t)
	h.neighbour()
	if got := h.network(engine.NetworkSpec{Name: "a"}).Pools[0].Subnet; !prefix("10.207.0.0/16").Overlaps(got) {
		t.Fatalf("got %s, want one of the first range", got)
	}
	h.routeIn(unix.RT_TABLE_MAIN, prefix("10.0.0.0/9"))
	h.routeIn(51820, prefix("10.128.0.0/9"))
	if got := h.network(engine.NetworkSpec{Name: "b"}).Pools[0].Subnet; prefix("10.0.0.0/8").Overlaps(got) {
		t.Errorf("got %s, which a table of rules routes elsewhere", got)
	}
	h.routeIn(51820, prefix("172.16.0.0/12"))
	if got := h.network(engine.NetworkSpec{Name: "c"}).Pools[0].Subnet; !prefix("192.168.0.0/16").Overlaps(got) {
		t.Errorf("got %s, want one of the range that is left", got)
	}
}

func TestHundredsOfNetworks(t *testing.T) {
	const many = 300
	h := newTestHost(t)
	h.neighbour()
	before := h.leftovers()
	route := prefix("10.207.100.0/22")
	h.routeIn(unix.RT_TABLE_MAIN, route)
	taken := []netip.Prefix{route, prefix("192.0.2.0/24")}
	networks := make([]engine.Network, many)
	var group errgroup.Group
	group.SetLimit(32)
	for i := range networks {
		group.Go(func() (err error) {
			networks[i], err = h.Create(t.Context(), engine.NetworkSpec{Name: fmt.Sprint("n", i)}, engine.NewID(), "p")
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		subnet := n.Pools[0].Subnet
		if ipam.OverlapsAny(subnet, taken) {
			t.Errorf("%s overlaps another's, or a route of the host", subnet)
		}
		taken = append(taken, subnet)
	}
	for _, n := range networks {
		group.Go(func() error { return h.Remove(t.Context(), n) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	after := h.leftovers()
	for name := range after {
		if _, was := before[name]; !was {
			t.Errorf("left: %s", name)
		}
	}
}

// bridgePorts is how many ports a bridge of the kernel has (BR_MAX_PORTS, less one).
const bridgePorts = 1023

func TestABridgeThatIsFull(t *testing.T) {
	h := newTestHost(t)
	n := h.network(engine.NetworkSpec{Name: "n"})
	bridge, err := h.rtnl.index(n.Bridge)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bridgePorts {
		peer := nl.NewRtAttr(vethInfoPeer, link{}.header().Serialize())
		data := nl.NewRtAttr(unix.IFLA_INFO_DATA, nil)
		data.AddChild(peer)
		port := link{name: fmt.Sprint("p", i), group: h.group(), queues: 1}
		if err := h.rtnl.do(newLink("fill the bridge", port, nl.NewRtAttr(unix.IFLA_MASTER, nl.Uint32Attr(uint32(bridge))), linkInfo("veth", data))); err != nil {
			t.Fatal(err)
		}
	}
	before := len(h.links())
	_, err = h.Attach(t.Context(), h.sandbox("s"), AttachRequest{Network: n})
	if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "the network has 1,023 containers, and a bridge has no more ports") || engine.HintOf(err) == "" {
		t.Errorf("got %v (%s)", err, engine.HintOf(err))
	}
	if got := len(h.links()); got != before {
		t.Errorf("%d links are left of the try", got-before)
	}
	h.dropLink("p7")
	h.attach(h.sandbox("s"), n)
}
