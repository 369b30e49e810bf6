package network

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// testHost is a network namespace that plays the host, with a Manager in it.
type testHost struct {
	*Manager
	tb     testing.TB
	root   string
	shared string // see Config.HostRoot
}

func requireRoot(tb testing.TB) {
	tb.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal("needs root")
	}
	tb.Skip("needs root")
}

// newTestHost makes a host. The calling test's thread is in it, and dies with the test.
func newTestHost(tb testing.TB) *testHost {
	tb.Helper()
	requireRoot(tb)
	runtime.LockOSThread() // and never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		tb.Fatal(err)
	}
	if err := loopbackUp(); err != nil {
		tb.Fatal(err)
	}
	// Mounts of the test must not be seen by the machine; goroutines of the Manager
	// run on other threads, so the whole process needs the mount namespace. A tmpfs
	// with private propagation does as well.
	root := tb.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=1m"); err != nil {
		tb.Fatal(err)
	}
	if err := unix.Mount("", root, "", unix.MS_PRIVATE, ""); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := unix.Unmount(root, unix.MNT_DETACH); err != nil {
			tb.Error(err)
		}
	})
	h := &testHost{tb: tb, root: root}
	h.open(Config{})
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return h
}

func (h *testHost) open(cfg Config) {
	h.tb.Helper()
	cfg.RunRoot = h.root
	if cfg.HostRoot == "" {
		if h.shared == "" {
			h.shared = h.tb.TempDir()
		}
		cfg.HostRoot = h.shared
	}
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = filepath.Join(h.root, "absent")
	}
	cfg.Log = slog.New(slog.NewTextHandler(h.tb.Output(), nil))
	m, err := Open(h.tb.Context(), cfg)
	if err != nil {
		h.tb.Fatal(err)
	}
	h.Manager = m
}

// reopen ends the Manager, as the end of an engine does, and opens another.
func (h *testHost) reopen(cfg Config) {
	h.tb.Helper()
	if err := h.Close(); err != nil {
		h.tb.Fatal(err)
	}
	h.open(cfg)
}

func (h *testHost) network(spec engine.NetworkSpec) engine.Network {
	h.tb.Helper()
	n, err := h.Create(h.tb.Context(), spec, engine.NewID(), "p")
	if err != nil {
		h.tb.Fatal(err)
	}
	return n
}

func (h *testHost) sandbox(key string) *Sandbox {
	h.tb.Helper()
	s, err := h.EnsureSandbox(h.tb.Context(), key)
	if err != nil {
		h.tb.Fatal(err)
	}
	return s
}

func (h *testHost) attach(s *Sandbox, n engine.Network, names ...string) engine.Endpoint {
	h.tb.Helper()
	ep, err := h.Attach(h.tb.Context(), s, AttachRequest{ContainerID: s.Key(), Network: n, Names: names})
	if err != nil {
		h.tb.Fatal(err)
	}
	return ep
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func BenchmarkSandbox(b *testing.B) {
	h := newTestHost(b)
	i := 0
	for b.Loop() {
		i++
		h.sandbox(fmt.Sprint("s", i))
	}
}

func BenchmarkAttach(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n", Pools: []engine.Pool{{Subnet: prefix("10.1.0.0/16")}}})
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		s := h.sandbox(fmt.Sprint("s", i))
		b.StartTimer()
		h.attach(s, n, "x")
	}
}

func BenchmarkDetach(b *testing.B) {
	h := newTestHost(b)
	n := h.network(engine.NetworkSpec{Name: "n", Pools: []engine.Pool{{Subnet: prefix("10.1.0.0/16")}}})
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		s := h.sandbox(fmt.Sprint("s", i))
		ep := h.attach(s, n, "x")
		b.StartTimer()
		if err := h.Detach(b.Context(), s, ep); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateAndRemove(b *testing.B) {
	h := newTestHost(b)
	for b.Loop() {
		n := h.network(engine.NetworkSpec{Name: "n"})
		if err := h.Remove(b.Context(), n); err != nil {
			b.Fatal(err)
		}
	}
}

// Fifty containers at once, as up starts them, and their end.
func BenchmarkFiftyAtOnce(b *testing.B) {
	h := newTestHost(b)
	for b.Loop() {
		n := h.network(engine.NetworkSpec{Name: "n"})
		var group errgroup.Group
		for i := range 50 {
			group.Go(func() error {
				key := fmt.Sprint("s", i)
				s, err := h.EnsureSandbox(b.Context(), key)
				if err != nil {
					return err
				}
				_, err = h.Attach(b.Context(), s, AttachRequest{ContainerID: key, Network: n, Names: []string{key}})
				h.SetAnswering(key, Answering)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		for i := range 50 {
			if err := h.DropSandbox(b.Context(), fmt.Sprint("s", i)); err != nil {
				b.Fatal(err)
			}
		}
		if err := h.Remove(b.Context(), n); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func requireTool(tb testing.TB, name string) {
	tb.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatalf("needs the program %s", name)
	}
	tb.Skipf("needs the program %s", name)
}
