package router

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// LegacyWatch hears of changes by iptables-legacy. The kernel announces none; but each
// of the programs opens a lock, and closes it when it is through.
type LegacyWatch struct {
	file *os.File
	raw  syscall.RawConn
	lock string
	on   bool // the lock is there, and watched
	buf  [4096]byte
}

// legacyLock is the lock of all programs of iptables-legacy; see iptables(8).
func legacyLock() string {
	if path := os.Getenv("XTABLES_LOCKFILE"); path != "" {
		return path
	}
	return "/run/xtables.lock"
}

// WatchLegacy begins to watch.
func WatchLegacy() (*LegacyWatch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch iptables-legacy: %w", err)
	}
	w := &LegacyWatch{file: os.NewFile(uintptr(fd), "inotify"), lock: legacyLock()}
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.add(fd)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch iptables-legacy: %w", err), w.file.Close())
	}
	return w, nil
}

// add watches the lock, or waits for it to be made.
func (w *LegacyWatch) add(fd int) error {
	_, err := unix.InotifyAddWatch(fd, filepath.Dir(w.lock), unix.IN_CREATE|unix.IN_ONLYDIR)
	if err != nil {
		return err
	}
	return w.addLock(fd)
}

func (w *LegacyWatch) addLock(fd int) error {
	_, err := unix.InotifyAddWatch(fd, w.lock, unix.IN_CLOSE)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	w.on = err == nil
	return err
}

// Close ends the watch, and a Next that waits.
func (w *LegacyWatch) Close() error { return w.file.Close() }

// Next waits until one of the programs may have changed something. The error is
// os.ErrClosed after Close.
func (w *LegacyWatch) Next() error {
	var failure error
	err := w.raw.Read(func(fd uintptr) bool {
		changed := false
		for {
			n, err := unix.Read(int(fd), w.buf[:])
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.EAGAIN):
				return changed
			case err != nil:
				failure = os.NewSyscallError("read", err)
				return true
			}
			// Of the folder one hears whatever is made in it.
			if !w.on && strings.Contains(string(w.buf[:n]), filepath.Base(w.lock)) {
				if failure = w.addLock(int(fd)); failure != nil {
					return true
				}
				changed = true // its first user may have been through already
			}
			changed = changed || closes(w.buf[:n])
		}
	})
	if err != nil { // there is no other reason, and the runtime's word for it is not exported
		failure = os.ErrClosed
	}
	if failure != nil {
		return fmt.Errorf("watch iptables-legacy: %w", failure)
	}
	return nil
}

// closes says whether one of these events, each a struct inotify_event with a name of
// the length that it says, tells that somebody has closed the lock.
func closes(b []byte) bool {
	for len(b) >= unix.SizeofInotifyEvent {
		mask, size := binary.NativeEndian.Uint32(b[4:]), int(binary.NativeEndian.Uint32(b[12:]))
		if mask&(unix.IN_CLOSE|unix.IN_Q_OVERFLOW) != 0 {
			return true
		}
		b = b[min(unix.SizeofInotifyEvent+size, len(b)):]
	}
	return false
}
