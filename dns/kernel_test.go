package dns

import (
	"context"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestInsideANetworkNamespace serves on 127.0.0.11:53 of a namespace, from outside
// of it, and asks there with glibc's resolver and with Go's. The upstream
// lives in a second namespace, reached by a Dial that goes there.
func TestInsideANetworkNamespace(t *testing.T) {
	requireRoot(t)
	container, outside := newNamespace(t), newNamespace(t)

	var sockets, upstreamSockets Sockets
	container.do(func() { sockets = listen(t, ServerAddr().String()) })
	outside.do(func() { upstreamSockets = listen(t, "127.0.0.1:53") })
	serve(t, upstreamSockets, &View{Zones: []*Zone{NewZone(Records{
		Names: map[string][]netip.Addr{"www.example.com": addrs("192.0.2.80")},
	})}})
	v := demo()
	v.Upstreams = []Upstream{{Addr: netip.MustParseAddrPort("127.0.0.1:53"), Dial: outside.dial}}
	serve(t, sockets, v)

	file := filepath.Join(t.TempDir(), "resolv.conf")
	content := ResolvConf{Search: []string{"corp.example"}}.ForContainer(Wishes{}).String()
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"db":              "10.1.0.3",
		"DB.":             "10.1.0.3",
		"web":             "10.1.0.2 fd00::2",
		"web.demo_front":  "10.1.0.2 fd00::2",
		"worker":          "10.1.0.4 10.1.0.5 10.1.0.6",
		"www.example.com": "192.0.2.80",
		"wbe":             "",
	} {
		if got := container.getent(t, file, name); got != want {
			t.Errorf("getent %s: %q, want %q", name, got, want)
		}
		if got := container.lookup(t, name); got != want && !strings.HasSuffix(name, ".") {
			t.Errorf("Go's lookup of %s: %q, want %q", name, got, want)
		}
	}
}

func listen(t *testing.T, address string) Sockets {
	t.Helper()
	udp, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = udp.Close(), tcp.Close() })
	return Sockets{UDP: udp.(*net.UDPConn), TCP: tcp.(*net.TCPListener)}
}

func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		t.Fatal("needs root")
	}
	t.Skip("needs root")
}

// namespace is a thread that lives in a network namespace of its own, and does
// there what it is told.
type namespace struct{ work chan func() }

func newNamespace(t *testing.T) namespace {
	t.Helper()
	n := namespace{make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = loopbackUp()
		}
		ready <- err
		for f := range n.work {
			f()
		}
	}()
	t.Cleanup(func() { close(n.work) })
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	return n
}

// do has the thread call f; sockets and processes made by it are in the namespace.
func (n namespace) do(f func()) {
	done := make(chan struct{})
	n.work <- func() { f(); close(done) }
	<-done
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

func (n namespace) dial(ctx context.Context, network string, addr netip.AddrPort) (conn net.Conn, err error) {
	n.do(func() { conn, err = dialHere(ctx, network, addr) })
	return conn, err
}

// getent asks glibc, in a mount namespace that has the file as /etc/resolv.conf.
func (n namespace) getent(t *testing.T, file, name string) string {
	t.Helper()
	cmd := exec.Command("sh", "-c",
		`mount --make-rprivate / && mount --bind "$1" /etc/resolv.conf && exec getent -s dns ahosts "$2"`, "sh", file, name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	var out []byte
	n.do(func() { out, _ = cmd.Output() })
	found := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		found[strings.Fields(line)[0]] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), " ")
}

// lookup asks Go's own resolver, which only gets to know the server's address.
func (n namespace) lookup(t *testing.T, name string) string {
	t.Helper()
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return n.dial(ctx, network, ServerAddr())
	}}
	found := map[string]bool{}
	list, _ := r.LookupNetIP(t.Context(), "ip", strings.TrimSuffix(name, ".")+".")
	for _, addr := range list {
		found[addr.Unmap().String()] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(found)), " ")
}
