package network

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dialFunc opens a connection from the host.
type dialFunc func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

// forwarder carries what arrives on a reserved socket to a container. It is for what
// destination NAT must not touch, loopback addresses, and cannot do, IPv6 to a
// container that has only IPv4.
type forwarder struct {
	dial dialFunc
	to   netip.AddrPort

	end  context.CancelFunc
	work sync.WaitGroup
}

// dialTimeout bounds the wait for a container that is there but does not answer.
const dialTimeout = 10 * time.Second

// dialer dials from the Manager's network namespace.
func (m *Manager) dialer() dialFunc {
	return func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error) {
		var c net.Conn
		err := m.inHost(func() (err error) {
			d := net.Dialer{Timeout: dialTimeout}
			d.SetMultipathTCP(false)
			c, err = d.DialContext(ctx, network, to.String())
			return err
		})
		return c, err
	}
}

// forward begins to carry what arrives on the socket.
func (s *socket) forward(dial dialFunc, to netip.AddrPort) {
	ctx, end := context.WithCancel(context.Background())
	f := &forwarder{dial: dial, to: to, end: end}
	s.forwarder = f
	if s.tcp != nil {
		f.work.Go(func() { f.accept(ctx, s.tcp) })
		return
	}
	f.work.Go(func() { f.relay(ctx, s.udp) })
}

// stop ends all connections and waits until they have ended. The socket stays open.
func (s *socket) stop() {
	if s.forwarder == nil {
		return
	}
	s.forwarder.end()
	past := time.Unix(1, 0)
	if s.tcp != nil {
		_ = s.tcp.SetDeadline(past) // a closed socket has nobody waiting
	} else {
		_ = s.udp.SetReadDeadline(past)
	}
	s.forwarder.work.Wait()
	if s.tcp != nil {
		_ = s.tcp.SetDeadline(time.Time{})
	} else {
		_ = s.udp.SetReadDeadline(time.Time{})
	}
	s.forwarder = nil
}

// accept serves connections until the listener's deadline passes or it is closed.
func (f *forwarder) accept(ctx context.Context, l *net.TCPListener) {
	for {
		client, err := l.AcceptTCP()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				abort(client)
			}
			return
		case err == nil:
			f.work.Go(func() { f.join(ctx, client) })
		case !temporary(err):
			return
		default: // no descriptor left: wait for one
			if pause(ctx, 100*time.Millisecond) != nil {
				return
			}
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join connects a client with the container until both have nothing more to say.
func (f *forwarder) join(ctx context.Context, client *net.TCPConn) {
	c, err := f.dial(ctx, "tcp", f.to)
	if err != nil {
		abort(client)
		return
	}
	server := c.(*net.TCPConn) //nolint:forcetypeassert // "tcp" was dialled
	end := context.AfterFunc(ctx, func() {
		abort(client)
		abort(server)
	})
	var pair sync.WaitGroup
	pair.Go(func() { pump(server, client) })
	pump(client, server)
	pair.Wait()
	if end() {
		_ = client.Close()
		_ = server.Close()
	}
}

// pump copies one direction, inside the kernel (splice), and then passes on that it
// is finished.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		abort(to)
		abort(from)
		return
	}
	_ = to.CloseWrite()
}

// temporary says of an error that it concerns one connection or datagram, or the
// moment, and that the socket itself is good.
func temporary(err error) bool {
	for _, kind := range []error{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.ECONNREFUSED, unix.EPERM,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// abort closes a connection so that the other side sees a reset, not a regular end.
func abort(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
