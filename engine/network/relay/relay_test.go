package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func dial(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, to.String())
}

func listenTCP(t *testing.T) (*net.TCPListener, netip.AddrPort) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, netip.MustParseAddrPort(l.Addr().String())
}

// connect gives both ends of a connection that is relayed.
func connect(t *testing.T) (r *Relay, client, server *net.TCPConn) {
	t.Helper()
	outer, at := listenTCP(t)
	inner, to := listenTCP(t)
	r = TCP(outer, dial, to)
	client, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(at))
	if err == nil {
		server, err = inner.AcceptTCP()
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.TCPConn{client, server} {
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return r, client, server
}

// A client that has said all still hears the answer.
func TestOneDirectionEndsBeforeTheOther(t *testing.T) {
	r, client, server := connect(t)
	defer r.Stop()
	question, answer := bytes.Repeat([]byte("?"), 1<<20), bytes.Repeat([]byte("!"), 1<<20)
	go func() {
		_, _ = client.Write(question)
		_ = client.CloseWrite()
	}()
	if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, question) {
		t.Fatalf("the server got %d bytes, %v", len(got), err)
	}
	go func() {
		_, _ = server.Write(answer)
		_ = server.Close()
	}()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, answer) {
		t.Errorf("the client got %d bytes, %v", len(got), err)
	}
}

// Connections do not end as if all had been said.
func TestStopResetsBothEnds(t *testing.T) {
	r, client, server := connect(t)
	if _, err := client.Write([]byte("?")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	for name, c := range map[string]net.Conn{"client": client, "server": server} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the %s: got %v, want a reset", name, err)
		}
	}
}

// Two clients have a socket each to the server, and the largest datagram gets through.
func TestEachClientGetsItsAnswers(t *testing.T) {
	outer, err := ListenUDP(t.Context(), "udp4", netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(outer.Close(), inner.Close()) })
	go func() {
		buf := make([]byte, maxUDP)
		for {
			n, peer, err := inner.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = inner.WriteTo(buf[:n], peer)
		}
	}()
	r := UDP(outer, dial, netip.MustParseAddrPort(inner.LocalAddr().String()))
	defer r.Stop()
	var clients []net.Conn
	for i := range 2 {
		c, err := net.Dial("udp4", outer.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
		if err := errors.Join(c.SetDeadline(time.Now().Add(20*time.Second)), second(c.Write(word(i)))); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range clients {
		got := make([]byte, maxUDP)
		if n, err := c.Read(got); err != nil || !bytes.Equal(got[:n], word(i)) {
			t.Errorf("client %d got %d bytes, %v", i, n, err)
		}
	}
}

func word(i int) []byte { return bytes.Repeat([]byte{byte('a' + i)}, 65507) }

func second(_ int, err error) error { return err }
