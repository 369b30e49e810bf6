package socket

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// A container that mounts the socket has that one for ever, whatever is at its path later. So
// it has to outlive the engine: somebody keeps copies of what there is of it, and gives them
// to the next engine, which listens on it beside its own.

// The files of a socket that is kept.
const (
	listening = iota // the socket
	place            // its file in the file system, opened to be named only
	keptFiles
)

// Behind returns copies of the files of the socket that a path leads to, for Config.Kept of
// the next engine; nil when it is another's, or no socket. They are the caller's to close.
func (d *Door) Behind(path string) ([]*os.File, error) {
	if there, err := os.Stat(path); err != nil || !os.SameFile(there, d.its) {
		return nil, nil //nolint:nilerr // what is not there is no socket of ours
	}
	listener, ok := d.Listener.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("copy the socket: a %T", d.Listener)
	}
	raw, err := listener.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("copy the socket: %w", err)
	}
	at, err := os.OpenFile(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("copy the socket: %w", err)
	}
	fd, failed := 0, error(nil)
	err = raw.Control(func(original uintptr) { fd, failed = unix.FcntlInt(original, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = failed
	}
	if err != nil {
		_ = at.Close() // nothing can be written to it
		return nil, fmt.Errorf("copy the socket: %w", err)
	}
	return []*os.File{os.NewFile(uintptr(fd), d.cfg.Path), at}, nil
}

// Called says that somebody has connected to a socket that is kept and waits for an engine.
func Called(kept [][]*os.File) bool {
	polled := make([]unix.PollFd, 0, len(kept))
	for _, files := range kept {
		if fd, ok := number(files, listening); ok {
			polled = append(polled, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	n, err := unix.Poll(polled, 0)
	return n > 0 && err == nil
}

// reopen listens on the sockets that are kept, on each once however many containers have it.
// It is there for them as the settings say now.
func (d *Door) reopen() error {
	seen := map[uint64]bool{}
	for _, files := range d.cfg.Kept {
		fd, ok := number(files, listening)
		if !ok || len(files) != keptFiles {
			continue // of another version
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return fmt.Errorf("listen where an earlier engine did: %w", err)
		}
		if seen[st.Ino] {
			continue
		}
		seen[st.Ino] = true
		l, err := net.FileListener(files[listening])
		if err != nil {
			return fmt.Errorf("listen where an earlier engine did: %w", err)
		}
		d.former = append(d.former, l)
		at, ok := number(files, place)
		if !ok {
			continue
		}
		if err := d.people.share(fmt.Sprintf("/proc/self/fd/%d", at)); err != nil {
			return err
		}
	}
	return nil
}

// number is the descriptor of a file. Its Fd would make it blocking, and with it the socket
// that others have, too.
func number(files []*os.File, i int) (fd int, ok bool) {
	if len(files) <= i {
		return 0, false
	}
	raw, err := files[i].SyscallConn()
	if err != nil {
		return 0, false
	}
	err = raw.Control(func(n uintptr) { fd = int(n) })
	return fd, err == nil
}
