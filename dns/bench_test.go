package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
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
	for _, server := range []struct {
		name  string
		start func(ctx context.Context, conn *net.UDPConn)
	}{
		{"server", serveBench},
		{"echo", echo},
	} {
		for _, clients := range []int{1, 32} {
			b.Run(server.name+map[int]string{1: "/one at a time", 32: "/32 in flight"}[clients], func(b *testing.B) {
				conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				done := make(chan struct{})
				go func() { server.start(ctx, conn); close(done) }()
				askMany(b, conn.LocalAddr().(*net.UDPAddr).AddrPort(), clients)
				cancel()
				_ = conn.Close()
				<-done
			})
		}
	}
}

func serveBench(ctx context.Context, conn *net.UDPConn) {
	view := &View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{"web": {netip.MustParseAddr("10.0.0.2")}}})}}
	server := New(Sockets{UDP: conn}, view, NewForwarder(1))
	_ = server.serveUDP(ctx)
}

func echo(_ context.Context, conn *net.UDPConn) {
	buf := make([]byte, maxUDP)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteToUDPAddrPort(buf[:n], from)
	}
}

// askMany has a process of its own send b.N queries, so many at a time: one thread,
// a socket for each, the next query when the answer to the last has come.
func askMany(b *testing.B, server netip.AddrPort, inFlight int) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestClient$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%v %d %d", clientVariable, server, inFlight, b.N))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	var took, p50, p99 time.Duration
	if _, err := fmt.Sscanf(string(out), "%d %d %d", &took, &p50, &p99); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	b.ReportMetric(float64(b.N)/took.Seconds(), "q/s")
	b.ReportMetric(float64(p50)/1e3, "p50-µs")
	b.ReportMetric(float64(p99)/1e3, "p99-µs")
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
	fmt.Println(int64(took), int64(c.times[len(c.times)/2]), int64(c.times[len(c.times)*99/100]))
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
