package dns

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// open gives sockets on a loopback port, UDP and TCP.
func open(t *testing.T) Sockets {
	t.Helper()
	tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Addr().(*net.TCPAddr).Port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = udp.Close(), tcp.Close() })
	return Sockets{UDP: udp, TCP: tcp}
}

// serve runs a server until the test ends or stop is called.
func serve(t *testing.T, sockets Sockets, v *View) (s *Server, stop func()) {
	t.Helper()
	s = New(sockets, v, NewForwarder(1024))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serve: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("serve does not end")
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func dial(t *testing.T, network string, sockets Sockets) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, sockets.UDP.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func exchangeUDP(t *testing.T, conn net.Conn, m []byte) string {
	t.Helper()
	if _, err := conn.Write(m); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, maxTCP)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf[:2], m[:2]) {
		t.Fatalf("id %x, want %x", buf[:2], m[:2])
	}
	return describe(t, buf[:n])
}

func exchangeTCP(t *testing.T, conn net.Conn, m []byte) string {
	t.Helper()
	if err := writeTCP(conn, m); err != nil {
		t.Fatal(err)
	}
	response, err := readTCP(conn, make([]byte, maxTCP))
	if err != nil {
		t.Fatal(err)
	}
	return describe(t, response)
}

func TestServeBothTransports(t *testing.T) {
	sockets := open(t)
	v := demo()
	v.Upstreams = []Upstream{saying(noError).resolver("upstream")}
	s, _ := serve(t, sockets, v)
	udp, tcp := dial(t, "udp", sockets), dial(t, "tcp", sockets)
	for _, test := range []struct {
		name string
		want string
	}{
		{"db", "Success aa db.? 10.1.0.3"},
		{"wbe", "NameError wbe.?"},
		{"example.com", "Success example.com.? 192.0.2.99"},
	} {
		if got := exchangeUDP(t, udp, question(test.name, typeA)); got != test.want {
			t.Errorf("over UDP: %s, want %s", got, test.want)
		}
		if got := exchangeTCP(t, tcp, question(test.name, typeA)); got != test.want {
			t.Errorf("over TCP: %s, want %s", got, test.want)
		}
	}
	s.SetView(&View{Zones: []*Zone{NewZone(Records{Names: map[string][]netip.Addr{"db": addrs("10.9.9.9")}})}})
	for _, got := range []string{
		exchangeUDP(t, udp, question("db", typeA)),
		exchangeTCP(t, tcp, question("db", typeA)),
	} {
		if want := "Success aa db.? 10.9.9.9"; got != want {
			t.Errorf("with the new view: %s, want %s", got, want)
		}
	}
}

func TestRubbishDoesNotStopTheServer(t *testing.T) {
	sockets := open(t)
	serve(t, sockets, demo())
	udp := dial(t, "udp", sockets)
	for _, m := range [][]byte{{}, {1}, make([]byte, 5000), bytes.Repeat([]byte{0xff}, 100)} {
		if _, err := udp.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if got := exchangeUDP(t, udp, question("db", typeA)); got != "Success aa db.? 10.1.0.3" {
		t.Error(got)
	}
	tcp := dial(t, "tcp", sockets)
	if _, err := tcp.Write([]byte{0xff, 0xff, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if _, err := tcp.Read(make([]byte, 1)); err == nil {
		t.Error("a message of 64 KiB is read")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	sockets := open(t)
	serve(t, sockets, demo())
	for range maxConns {
		exchangeTCP(t, dial(t, "tcp", sockets), question("db", typeA))
	}
	surplus := dial(t, "tcp", sockets)
	if _, err := surplus.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one connection more: %v", err)
	}
}

// TestAnotherServerGoesOn: a socket outlives its server, and what was asked
// in between is answered by the next.
func TestAnotherServerGoesOn(t *testing.T) {
	sockets := open(t)
	_, stop := serve(t, sockets, demo())
	udp, tcp := dial(t, "udp", sockets), dial(t, "tcp", sockets)
	exchangeUDP(t, udp, question("db", typeA))
	exchangeTCP(t, tcp, question("db", typeA))
	stop()
	if _, err := udp.Write(question("db", typeA)); err != nil {
		t.Fatal(err)
	}
	queued := dial(t, "tcp", sockets)
	serve(t, sockets, demo())
	buf := make([]byte, maxUDP)
	n, err := udp.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(t, buf[:n]); got != "Success aa db.? 10.1.0.3" {
		t.Error(got)
	}
	if got := exchangeTCP(t, queued, question("db", typeA)); got != "Success aa db.? 10.1.0.3" {
		t.Error(got)
	}
}

func TestStopWithQueriesUnderWay(t *testing.T) {
	sockets := open(t)
	asked := make(chan struct{})
	v := demo()
	v.Upstreams = []Upstream{upstream(func(net.Conn, string, []byte) { close(asked) }).resolver("upstream")}
	_, stop := serve(t, sockets, v)
	if _, err := dial(t, "udp", sockets).Write(question("example.com", typeA)); err != nil {
		t.Fatal(err)
	}
	<-asked
	stop()
}

func TestServeReportsASocketThatIsGone(t *testing.T) {
	sockets := open(t)
	_ = sockets.TCP.Close()
	if err := New(sockets, demo(), NewForwarder(1)).Serve(t.Context()); err == nil {
		t.Error("no error")
	}
}
