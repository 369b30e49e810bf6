package network

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/network/shortcut"
)

// What must not close while no engine runs is given to somebody who lives on, as copies
// of descriptors, and comes back to the next engine: queries and connections that arrive
// in between wait in the sockets.

// NameSockets returns copies of the sockets on which the name queries of a sandbox
// arrive, for Former.NameSockets. They are the caller's to close.
func (s *Sandbox) NameSockets() ([]*os.File, error) {
	s.change.Lock()
	defer s.change.Unlock()
	if s.names == nil {
		return nil, nil
	}
	return copies(s.names.udp, s.names.tcp)
}

// PortFiles returns copies of what a container's ports need: the sockets that hold them,
// for Resume, and what holds the programs that shorten the way to those on loopback, which
// go on working as long as that is open. They are the caller's to close.
func (m *Manager) PortFiles(r *Reservation) ([]*os.File, error) {
	conns := make([]syscall.Conn, 0, len(r.sockets))
	short := false
	for _, s := range r.sockets {
		if s.tcp != nil {
			conns = append(conns, s.tcp)
		} else {
			conns = append(conns, s.udp)
		}
		short = short || shortcut.Serves(s.PublishedPort)
	}
	var files []*os.File
	err := m.shortcut.Links(func(links []*os.File) (err error) {
		if short {
			for _, l := range links {
				conns = append(conns, l)
			}
		}
		files, err = copies(conns...)
		return err
	})
	return files, err
}

func copies(of ...syscall.Conn) ([]*os.File, error) {
	files := make([]*os.File, 0, len(of))
	for _, c := range of {
		f, err := duplicate(c)
		if err != nil {
			closeFiles(files)
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// duplicate copies a descriptor and leaves the original as it is: File() of package net
// and Fd() of os would make it blocking.
func duplicate(c syscall.Conn) (*os.File, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("copy a socket: %w", err)
	}
	fd, failure := 0, error(nil)
	err = raw.Control(func(original uintptr) {
		fd, failure = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = failure
	}
	if err != nil {
		return nil, fmt.Errorf("copy a socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "kept"), nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // nothing was written through a copy
	}
}

// socketsOf makes sockets of files that an earlier engine left; those that are of
// another kind are left out.
func socketsOf(files []*os.File) []*socket {
	var sockets []*socket
	for _, f := range files {
		if s := socketOf(f); s != nil {
			sockets = append(sockets, s)
		}
	}
	return sockets
}

func socketOf(f *os.File) *socket {
	if l, err := net.FileListener(f); err == nil {
		if tcp, ok := l.(*net.TCPListener); ok {
			return &socket{tcp: tcp}
		}
		_ = l.Close()
		return nil
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return nil
	}
	if udp, ok := c.(*net.UDPConn); ok {
		return &socket{udp: udp}
	}
	_ = c.Close()
	return nil
}

// inheritedNames are the sockets of a sandbox that an earlier engine left, nil if they are
// not complete.
func inheritedNames(files []*os.File) *nameSockets {
	n := nameSockets{inherited: true}
	for _, s := range socketsOf(files) {
		switch {
		case s.tcp != nil && n.tcp == nil:
			n.tcp = s.tcp
		case s.udp != nil && n.udp == nil:
			n.udp = s.udp
		default:
			_ = s.close()
		}
	}
	if n.udp == nil || n.tcp == nil {
		_ = n.close()
		return nil
	}
	return &n
}

// take takes the socket of a published port out of those that an earlier engine left.
func take(sockets *[]*socket, p engine.PublishedPort) *socket {
	for i, s := range *sockets {
		if s.holds(p) {
			*sockets = append((*sockets)[:i:i], (*sockets)[i+1:]...)
			return s
		}
	}
	return nil
}

func (s *socket) holds(p engine.PublishedPort) bool {
	var local net.Addr
	if s.tcp != nil {
		local = s.tcp.Addr()
	} else {
		local = s.udp.LocalAddr()
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && (s.tcp != nil) == (p.Protocol == "tcp") && at == netip.AddrPortFrom(p.HostIP, p.HostPort)
}
