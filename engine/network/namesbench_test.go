package network

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// BenchmarkNameQueries measures the way of a query as a container goes it: 127.0.0.11:53, the rule on lo, our socket, and
// back; from a process of its own, so many in flight. In turns with it, a bare echo behind the same rule: what the kernel
// and the runtime take by themselves. Each figure is the median of the rounds.
func BenchmarkNameQueries(b *testing.B) {
	const rounds, queries = 5, 30000
	h := newTestHost(b)
	s, _ := h.replica(h.network(engine.NetworkSpec{Name: "n"}), "web-1", "web")
	bare := bareEcho(b)
	for _, inFlight := range []int{1, 32} {
		b.Run(fmt.Sprintf("%d in flight", inFlight), func(b *testing.B) {
			var server, echo []figures
			for b.Loop() {
				for range rounds {
					server = append(server, askMany(b, s.File(), inFlight, queries))
					echo = append(echo, askMany(b, bare, inFlight, queries))
				}
			}
			ours, floor := medians(server), medians(echo)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.perSecond, "q/s")
			b.ReportMetric(ours.p50, "p50-µs")
			b.ReportMetric(ours.p99, "p99-µs")
			b.ReportMetric(floor.perSecond, "echo-q/s")
			b.ReportMetric(floor.p50, "echo-p50-µs")
			b.ReportMetric(floor.p99, "echo-p99-µs")
			b.ReportMetric(ours.perSecond/floor.perSecond, "×echo")
		})
	}
}

// bareEcho is a namespace in which what is sent to 127.0.0.11:53 comes back as it is.
func bareEcho(b *testing.B) *os.File {
	b.Helper()
	var sockets *nameSockets
	ns, err := newNamespace(func(*os.File) (err error) {
		if err = loopbackUp(); err == nil {
			sockets, err = listenForNames(b.Context())
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1232)
		for {
			n, from, err := sockets.udp.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = sockets.udp.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	b.Cleanup(func() {
		_ = sockets.close()
		<-done
		_ = ns.Close()
	})
	return ns
}

// figures are what a client has measured.
type figures struct{ perSecond, p50, p99 float64 }

func medians(all []figures) figures {
	median := func(of func(figures) float64) float64 {
		var list []float64
		for _, f := range all {
			list = append(list, of(f))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	return figures{
		median(func(f figures) float64 { return f.perSecond }),
		median(func(f figures) float64 { return f.p50 }),
		median(func(f figures) float64 { return f.p99 }),
	}
}

const askerVariable = "TIFFIN_NETWORK_BENCH"

// askMany has a process in a namespace send queries.
func askMany(b *testing.B, ns *os.File, inFlight, total int) (f figures) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestAsker$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d", askerVariable, inFlight, total))
	var out []byte
	err := within(ns, func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err == nil {
		_, err = fmt.Sscan(string(out), &f.perSecond, &f.p50, &f.p99)
	}
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	return f
}

// TestAsker is the process that askMany starts: one thread, a socket for each query in flight, the next query when the
// answer to the last has come.
func TestAsker(t *testing.T) {
	var inFlight, total int
	if n, _ := fmt.Sscan(os.Getenv(askerVariable), &inFlight, &total); n != 2 {
		t.Skip("runs only as a client of the benchmark")
	}
	message, err := (&dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName("web."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	a := asker{message: message, sent: map[int32]time.Time{}}
	if err := a.open(inFlight); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := a.run(total); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	slices.Sort(a.times)
	micros := func(percent int) float64 { return float64(a.times[len(a.times)*percent/100]) / 1e3 }
	fmt.Println(float64(total)/took.Seconds(), micros(50), micros(99))
	os.Exit(0) // what the testing package would say is not for askMany
}

type asker struct {
	message []byte
	epoll   int
	sent    map[int32]time.Time // by socket
	times   []time.Duration
}

func (a *asker) open(count int) (err error) {
	if a.epoll, err = unix.EpollCreate1(0); err != nil {
		return err
	}
	for range count {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		a.sent[event.Fd] = time.Time{}
		if err := errors.Join(
			unix.Connect(fd, &unix.SockaddrInet4{Port: 53, Addr: resolverAddr.As4()}), unix.EpollCtl(a.epoll, unix.EPOLL_CTL_ADD, fd, &event),
		); err != nil {
			return err
		}
	}
	return nil
}

func (a *asker) run(total int) error {
	for fd := range a.sent {
		if err := a.send(fd); err != nil {
			return err
		}
	}
	events, buf := make([]unix.EpollEvent, len(a.sent)), make([]byte, 1232)
	for len(a.times) < total {
		n, err := unix.EpollWait(a.epoll, events, 5000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return errors.Join(errors.New("no answer"), err)
		}
		for _, e := range events[:n] {
			if n, err := unix.Read(int(e.Fd), buf); err != nil || n < len(a.message) {
				return errors.Join(fmt.Errorf("%d bytes", n), err)
			}
			a.times = append(a.times, time.Since(a.sent[e.Fd]))
			if err := a.send(e.Fd); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *asker) send(fd int32) error {
	a.sent[fd] = time.Now()
	_, err := unix.Write(int(fd), a.message)
	return err
}
