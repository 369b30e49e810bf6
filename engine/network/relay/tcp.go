package relay

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

// Dial opens a connection to a container.
type Dial func(ctx context.Context, network string, to netip.AddrPort) (net.Conn, error)

// Relay is one socket that is served.
type Relay struct {
	dial Dial
	to   netip.AddrPort

	end  context.CancelFunc
	wake func(time.Time) error // the socket's deadline
	work sync.WaitGroup
}

// TCP begins to serve what connects to the socket.
func TCP(l *net.TCPListener, dial Dial, to netip.AddrPort) *Relay {
	r, ctx := begin(dial, to)
	r.wake = l.SetDeadline
	r.work.Go(func() { r.accept(ctx, l) })
	return r
}

func begin(dial Dial, to netip.AddrPort) (*Relay, context.Context) {
	ctx, end := context.WithCancel(context.Background())
	return &Relay{dial: dial, to: to, end: end}, ctx
}

// Stop ends all connections and waits until they have ended. The socket stays open.
func (r *Relay) Stop() {
	r.end()
	_ = r.wake(time.Unix(1, 0)) // a closed socket has nobody waiting
	r.work.Wait()
	_ = r.wake(time.Time{})
}

// accept serves connections until the listener's deadline passes or it is closed.
func (r *Relay) accept(ctx context.Context, l *net.TCPListener) {
	for {
		client, err := l.AcceptTCP()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				abort(client)
			}
			return
		case err == nil:
			r.work.Go(func() { r.join(ctx, client) })
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
func (r *Relay) join(ctx context.Context, client *net.TCPConn) {
	c, err := r.dial(ctx, "tcp", r.to)
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
