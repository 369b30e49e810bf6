package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"tiffin/engine"
)

// crowd is several engines on one host.
func crowd(h *testHost, n int) []*testHost {
	h.tb.Helper()
	engines := make([]*testHost, n)
	for i := range engines {
		e := &testHost{tb: h.tb, root: filepath.Join(h.root, fmt.Sprint("engine", i))}
		e.open(Config{Key: fmt.Sprint("engine", i), HostRoot: h.cfg.HostRoot})
		engines[i] = e
	}
	return engines
}

func (h *testHost) setForwarding(value string) {
	h.tb.Helper()
	if err := h.inHost(func() error { return writeSysctl(ipForward, value) }); err != nil {
		h.tb.Fatal(err)
	}
}

// round is a network that comes and goes. The host has to forward as long as it is there.
func (h *testHost) round(spec engine.NetworkSpec) error {
	ctx := h.tb.Context()
	n, err := h.Create(ctx, spec, engine.NewID(), "p")
	if err != nil {
		return err
	}
	var got string
	err = h.inHost(func() (err error) {
		got, err = readSysctl(ipForward)
		return err
	})
	if err == nil && got != "1" && !spec.Internal {
		err = errors.New("the host does not forward while there is a network")
	}
	return errors.Join(err, h.Remove(ctx, n))
}

// Engines that begin and end at the same time left it to each other to put the host back.
func TestTheHostIsAsBeforeWhenManyEnginesCameAndWentAtOnce(t *testing.T) {
	for before, rounds := range map[string]int{"0": 20, "1": 5} {
		t.Run("it was "+before, func(t *testing.T) {
			h := newTestHost(t)
			h.setForwarding(before)
			for range rounds {
				var group errgroup.Group
				for i, e := range crowd(h, 4) {
					group.Go(func() error {
						for range 2 {
							if err := e.round(engine.NetworkSpec{Name: "n", Internal: i == 3}); err != nil {
								return err
							}
						}
						return errors.Join(e.Close(), os.RemoveAll(e.root))
					})
				}
				if err := group.Wait(); err != nil {
					t.Fatal(err)
				}
				if got := h.forwards(); got != before {
					t.Fatalf("forwarding after the last network: got %s, want %s", got, before)
				}
			}
		})
	}
}

// An engine that ends with its networks up leaves them to the next one of its roots.
func TestTheHostIsAsBeforeAfterEnginesThatCrashed(t *testing.T) {
	h := newTestHost(t)
	h.setForwarding("0")
	engines := crowd(h, 3)
	for round := range 10 {
		var group errgroup.Group
		for i, e := range engines {
			n := e.network(engine.NetworkSpec{Name: "n"})
			crashes := (i+round)%2 == 0
			group.Go(func() error {
				if !crashes {
					return e.Remove(t.Context(), n)
				}
				if err := h.inHost(func() error { // on a thread that is there
					e.reopen(Config{Key: e.cfg.Key, HostRoot: h.cfg.HostRoot})
					return nil
				}); err != nil {
					return err
				}
				if err := e.Restore(t.Context(), []engine.Network{n}, nil); err != nil {
					return err
				}
				if got, want := e.forwards(), "1"; got != want {
					return fmt.Errorf("forwarding with a restored network: got %s, want %s", got, want)
				}
				return e.Remove(t.Context(), n)
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if got := h.forwards(); got != "0" {
			t.Fatalf("forwarding after the last network: got %s, want 0", got)
		}
	}
}

// One whose roots are gone never comes back; the next engine to go cleans up for it.
func TestAnEngineThatNeverComesBackIsNoReasonToForward(t *testing.T) {
	h := newTestHost(t)
	h.setForwarding("0")
	engines := crowd(h, 2)
	lost := engines[0].network(engine.NetworkSpec{Name: "lost"})
	n := engines[1].network(engine.NetworkSpec{Name: "n"})
	if err := engines[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(engines[0].root); err != nil {
		t.Fatal(err)
	}
	if err := h.removeLinks(lost.Bridge); err != nil {
		t.Fatal(err)
	}
	if err := engines[1].Remove(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if got := h.forwards(); got != "0" {
		t.Errorf("forwarding after the last network: got %s, want 0", got)
	}
}
