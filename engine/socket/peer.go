package socket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// Peer is who has connected, as the kernel noted it then.
type Peer struct {
	UID    uint32
	Groups []uint32
}

// Admit says whether who is at the other end of a connection may use the engine: root, the
// engine's own user, and members of the group of the settings.
//
// Errors: engine.ErrDenied.
func (d *Door) Admit(conn net.Conn) error {
	p, err := PeerOf(conn)
	if err != nil {
		return engine.Problem(engine.ErrDenied, fmt.Errorf("see who connects: %w", err))
	}
	return d.people.admit(p, uint32(os.Geteuid()))
}

func (p people) admit(who Peer, own uint32) error {
	if who.UID == 0 || who.UID == own || p.any && slices.Contains(who.Groups, uint32(p.group)) {
		return nil
	}
	return engine.Hint(engine.Problem(engine.ErrDenied, fmt.Errorf("permission denied: user %d may not use the engine", who.UID)),
		`run it as root, or say with "socket-group" in engine.json whose members may`)
}

// PeerOf reads the credentials of the other end of a connection.
func PeerOf(conn net.Conn) (Peer, error) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return Peer{}, errors.New("it is no socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var p Peer
	var failed error
	err = raw.Control(func(fd uintptr) { p, failed = peer(int(fd)) })
	return p, errors.Join(err, failed)
}

func peer(fd int) (Peer, error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Peer{}, fmt.Errorf("SO_PEERCRED: %w", err)
	}
	more, err := peerGroups(fd)
	return Peer{UID: cred.Uid, Groups: append(more, cred.Gid)}, err
}

// peerGroups are the groups beside the first, which SO_PEERCRED does not have. x/sys/unix
// has no call for a list of numbers.
func peerGroups(fd int) ([]uint32, error) {
	const size = 4
	for room := 32; ; {
		groups := make([]uint32, room)
		n := uint32(room * size)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&n)), 0) //nolint:gosec // see above: there is no other way
		switch {
		case errno == unix.ERANGE && int(n) > room*size:
			room = int(n) / size
		case errno == unix.ENODATA: // a socket pair: nobody has connected
			return nil, nil
		case errno != 0:
			return nil, fmt.Errorf("SO_PEERGROUPS: %w", errno)
		default:
			return groups[:n/size], nil
		}
	}
}
