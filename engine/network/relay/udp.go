package relay

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// flowIdle is how long the container may answer a client that says nothing more.
	flowIdle = 90 * time.Second
	// maxFlows bounds the clients of one port at a time.
	maxFlows = 4096
	maxUDP   = 64 << 10
)

// flows are the clients of a UDP port, each with a socket of its own to the
// container, so that answers find their way back.
type flows struct {
	mu   sync.Mutex
	open map[flowKey]net.Conn
}

// flowKey is a client, and the address of ours that it wrote to: answers must come
// from that one. It is kept in the form in which the kernel gives and takes it.
type flowKey struct {
	client netip.AddrPort
	local  string // a control message with a struct in_pktinfo or in6_pktinfo
}

// UDP begins to serve clients of the socket.
func UDP(l *net.UDPConn, dial Dial, to netip.AddrPort) *Relay {
	r, ctx := begin(dial, to)
	r.wake = l.SetReadDeadline
	r.work.Go(func() { r.relay(ctx, l) })
	return r
}

// relay serves clients until the socket's deadline passes or it is closed.
func (r *Relay) relay(ctx context.Context, l *net.UDPConn) {
	all := flows{open: map[flowKey]net.Conn{}}
	control := make([]byte, unix.CmsgSpace(unix.SizeofInet6Pktinfo))
	for {
		err := withDatagram(l, func(buf []byte) error {
			n, cn, _, client, err := l.ReadMsgUDPAddrPort(buf, control)
			if err != nil {
				return err
			}
			if c := r.flow(ctx, &all, l, flowKey{client, string(control[:cn])}); c != nil {
				_, _ = c.Write(buf[:n]) // as with every datagram: it may be lost
			}
			return nil
		})
		if ctx.Err() != nil || err != nil && !temporary(err) {
			break
		}
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, c := range all.open {
		_ = c.Close()
	}
}

// flow finds or makes the socket for a client.
func (r *Relay) flow(ctx context.Context, all *flows, l *net.UDPConn, key flowKey) net.Conn {
	all.mu.Lock()
	defer all.mu.Unlock()
	if c := all.open[key]; c != nil || len(all.open) >= maxFlows {
		return c
	}
	c, err := r.dial(ctx, "udp", r.to)
	if err != nil {
		return nil
	}
	all.open[key] = c
	r.work.Go(func() {
		answers(l, c, key)
		all.mu.Lock()
		defer all.mu.Unlock()
		delete(all.open, key)
		_ = c.Close()
	})
	return c
}

// answers carries what the container says to a client, until it has been silent for
// long.
func answers(l *net.UDPConn, c net.Conn, key flowKey) {
	from := c.(*net.UDPConn) //nolint:forcetypeassert // "udp" was dialled
	for {
		if c.SetReadDeadline(time.Now().Add(flowIdle)) != nil {
			return
		}
		err := withDatagram(from, func(buf []byte) error {
			n, err := c.Read(buf)
			if err != nil {
				return err
			}
			_, _, err = l.WriteMsgUDPAddrPort(buf[:n], []byte(key.local), key.client)
			return err
		})
		if err != nil && !temporary(err) { // nobody listens in the container yet
			return
		}
	}
}

// buffers are for the datagrams under way. A port that waits has none: ranges of
// ports are published, and most of what is sent to them takes another way.
var buffers = sync.Pool{New: func() any { return new([maxUDP]byte) }}

// withDatagram waits for a datagram, and lends a buffer to whoever reads it.
func withDatagram(c *net.UDPConn, read func(buf []byte) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[maxUDP]byte) //nolint:forcetypeassert // the pool has nothing else
	defer buffers.Put(buf)
	return read(buf[:])
}

// ListenUDP binds in the calling thread's namespace, and asks to be told which of
// the host's addresses a datagram was sent to.
func ListenUDP(ctx context.Context, network string, addr netip.AddrPort) (*net.UDPConn, error) {
	config := net.ListenConfig{Control: func(network, _ string, c syscall.RawConn) error {
		var err error
		set := func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1) }
		if network == "udp6" {
			set = func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1) }
		}
		return errors.Join(c.Control(set), err)
	}}
	l, err := config.ListenPacket(ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.UDPConn), nil //nolint:forcetypeassert // the network is udp4 or udp6
}
