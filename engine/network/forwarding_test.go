package network

import (
	"testing"

	"tiffin/engine"
)

const ipForward = "net/ipv4/ip_forward"

// The host forwards while one of two engines has a network, and not before or after,
// whichever goes first.
func TestTheHostForwardsWhileSomebodyNeedsIt(t *testing.T) {
	for name, firstGoesFirst := range map[string]bool{"the first engine goes first": true, "the second goes first": false} {
		t.Run(name, func(t *testing.T) {
			h := newTestHost(t)
			if err := h.inHost(func() error { return writeSysctl(ipForward, "0") }); err != nil {
				t.Fatal(err)
			}
			second := &testHost{tb: t, root: t.TempDir()}
			second.open(Config{Key: "second", HostRoot: h.cfg.HostRoot})
			t.Cleanup(func() { _ = second.Close() })

			engines := []*testHost{h, second}
			networks := []engine.Network{
				h.network(engine.NetworkSpec{Name: "a"}), second.network(engine.NetworkSpec{Name: "b"}),
			}
			order := []int{1, 0}
			if firstGoesFirst {
				order = []int{0, 1}
			}
			for i, want := range []string{"1", "0"} {
				if err := engines[order[i]].Remove(t.Context(), networks[order[i]]); err != nil {
					t.Fatal(err)
				}
				if got := h.forwards(); got != want {
					t.Errorf("after %d of 2 have gone: got %s, want %s", i+1, got, want)
				}
			}
		})
	}
}

func TestTheHostDoesNotForwardForOthers(t *testing.T) {
	h := newTestHost(t)
	if err := h.inHost(func() error { return writeSysctl(ipForward, "0") }); err != nil {
		t.Fatal(err)
	}
	outside := h.neighbour()
	other := h.otherLAN()
	serve(t, other, ":80", "other")
	n := h.network(engine.NetworkSpec{Name: "n"})
	s := h.sandbox("s")
	h.attach(s, n)
	if got := expect("timeout", outside, otherIP+":80"); got != "timeout" {
		t.Errorf("from one LAN to the other: got %q", got)
	}
	if got := ask(s.File(), otherIP+":80"); got != "other "+otherHostIP {
		t.Errorf("from a container, as the host: got %q", got)
	}
}

func (h *testHost) forwards() string {
	h.tb.Helper()
	var value string
	if err := h.inHost(func() (err error) {
		value, err = readSysctl(ipForward)
		return err
	}); err != nil {
		h.tb.Fatal(err)
	}
	return value
}
