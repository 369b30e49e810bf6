package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkAnswer is the path from a received query to a response.
func BenchmarkAnswer(b *testing.B) {
	view := &View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{
		"web": {netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")},
	}})}}
	m, buf, q := question("web.", typeA), make([]byte, 0, maxUDP), new(query)
	b.ReportAllocs()
	for b.Loop() {
		if verdict, _ := view.decide(q, m, buf, udp); verdict != answer {
			b.Fatal(verdict)
		}
	}
}

// BenchmarkUDP measures queries through the kernel, as containers ask them, and
// beside it a bare echo: what the kernel and the runtime take by themselves.
func BenchmarkUDP(b *testing.B) {
	for name, start := range map[string]func(*net.UDPConn){"server": serveBench, "echo": echo} {
		for _, inFlight := range []int{1, 32} {
			b.Run(fmt.Sprintf("%s/%d in flight", name, inFlight), func(b *testing.B) {
				report(b, askMany(b, listenBench(b, start), inFlight, b.N))
			})
		}
	}
}

// BenchmarkBesideAFlood measures one client that asks one query at a time, while
// another endpoint's client asks as fast as it can.
func BenchmarkBesideAFlood(b *testing.B) {
	flooded, quiet := listenBench(b, serveBench), listenBench(b, serveBench)
	flood := clientCommand(flooded, 256, 1<<40)
	if err := flood.Start(); err != nil {
		b.Fatal(err)
	}
	report(b, askMany(b, quiet, 1, b.N))
	_ = flood.Process.Kill()
	_ = flood.Wait()
}

// BenchmarkIdleServers tells what a container that asks nothing costs.
func BenchmarkIdleServers(b *testing.B) {
	const count = 200
	before := memory()
	for range count {
		listenBench(b, serveBench)
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(memory()-before)/count, "B/server")
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// listenBench starts a server on a loopback port, until the benchmark ends.
func listenBench(b *testing.B, start func(*net.UDPConn)) netip.AddrPort {
	b.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { start(conn); close(done) }()
	b.Cleanup(func() { _ = conn.Close(); <-done })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func serveBench(conn *net.UDPConn) {
	view := &View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{"web": {netip.MustParseAddr("10.0.0.2")}}})}}
	_ = New(Sockets{UDP: conn}, view, NewForwarder(1)).serveUDP(context.Background())
}

func echo(conn *net.UDPConn) {
	buf := make([]byte, maxUDP)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
	}
}

// figures are what a client has measured.
type figures struct{ perSecond, p50, p99 float64 }

func report(b *testing.B, f figures) {
	b.Helper()
	b.ReportMetric(f.perSecond, "q/s")
	b.ReportMetric(f.p50, "p50-µs")
	b.ReportMetric(f.p99, "p99-µs")
}

// askMany has a process of its own send queries, so many at a time: one thread,
// a socket for each, the next query when the answer to the last has come.
func askMany(b *testing.B, server netip.AddrPort, inFlight, total int) (f figures) {
	b.Helper()
	out, err := clientCommand(server, inFlight, total).Output()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	if _, err := fmt.Sscan(string(out), &f.perSecond, &f.p50, &f.p99); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return f
}

func clientCommand(server netip.AddrPort, inFlight, total int) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestClient$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%v %d %d", clientVariable, server, inFlight, total))
	cmd.Stderr = os.Stderr
	return cmd
}

const clientVariable = "TIFFIN_DNS_BENCH"

// TestClient is the process that askMany starts.
func TestClient(t *testing.T) {
	var address string
	var inFlight, total int
	if n, _ := fmt.Sscan(os.Getenv(clientVariable), &address, &inFlight, &total); n != 3 {
		t.Skip("runs only as a client of the benchmark")
	}
	c := client{message: question("web.", typeA)}
	if err := c.open(netip.MustParseAddrPort(address), inFlight); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := c.run(total); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	slices.Sort(c.times)
	micros := func(percent int) float64 { return float64(c.times[len(c.times)*percent/100]) / 1e3 }
	fmt.Println(float64(total)/took.Seconds(), micros(50), micros(99))
	os.Exit(0)
}

type client struct {
	epoll   int
	sockets []int
	sent    map[int]time.Time
	times   []time.Duration
	message []byte
}

func (c *client) open(server netip.AddrPort, count int) (err error) {
	c.sent = map[int]time.Time{}
	if c.epoll, err = unix.EpollCreate1(0); err != nil {
		return err
	}
	for range count {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()}); err != nil {
			return err
		}
		if err := unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
		c.sockets = append(c.sockets, fd)
	}
	return nil
}

func (c *client) run(total int) error {
	begun := 0
	for _, fd := range c.sockets[:min(total, len(c.sockets))] {
		begun++
		if err := c.send(fd); err != nil {
			return err
		}
	}
	events, buf := make([]unix.EpollEvent, len(c.sockets)), make([]byte, maxUDP)
	for len(c.times) < total {
		n, err := unix.EpollWait(c.epoll, events, 5000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("no answer: %w", err)
		}
		for _, e := range events[:n] {
			fd := int(e.Fd)
			if n, err := unix.Read(fd, buf); err != nil || n < headerLen {
				return fmt.Errorf("%d bytes: %w", n, err)
			}
			c.times = append(c.times, time.Since(c.sent[fd]))
			if begun < total {
				begun++
				if err := c.send(fd); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *client) send(fd int) error {
	c.sent[fd] = time.Now()
	_, err := unix.Write(fd, c.message)
	return err
}
