//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// event says what a descriptor in the epoll set is to the keeper.
type event uint8

const (
	onListener event = iota
	onEngine
	onSignal
	onReport
	onStdout
	onStderr
	onCall
)

// token travels with a descriptor through epoll and comes back with its events. The
// generation tells whether the event is about what is in the slot now, or about what
// was there when the event came.
type token struct {
	what       event
	slot       int
	generation uint32
}

const generationBits = 24

func (t token) event(interest uint32) unix.EpollEvent {
	return unix.EpollEvent{Events: interest, Fd: int32(t.slot), Pad: int32(uint32(t.what) | t.generation<<(32-generationBits))}
}

func tokenOf(e *unix.EpollEvent) token {
	return token{what: event(e.Pad), slot: int(e.Fd), generation: uint32(e.Pad) >> (32 - generationBits)}
}

// current reports whether t is of the given generation.
func (t token) current(generation uint32) bool {
	return t.generation == generation&(1<<generationBits-1)
}

// watch adds f to the descriptors that are waited for, to be read.
func (k *keeper) watch(f file, t token) { k.control(unix.EPOLL_CTL_ADD, f, unix.EPOLLIN, t) }

func (k *keeper) control(op uintptr, f file, interest uint32, t token) {
	e := t.event(interest)
	_, _, _ = syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(k.epoll), op, uintptr(f), uintptr(unsafe.Pointer(&e)), 0, 0)
}

// turn waits until something happens, at most so many milliseconds if not -1, and
// does what there is to do.
func (k *keeper) turn(milliseconds int) {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(k.epoll), uintptr(unsafe.Pointer(&k.events)),
		uintptr(len(k.events)), uintptr(milliseconds), 0, 8)
	if e != 0 {
		return // EINTR, after a SIGSTOP
	}
	for i := range k.events[:n] {
		k.dispatch(tokenOf(&k.events[i]), k.events[i].Events)
	}
	k.flush()
}

func (k *keeper) dispatch(t token, events uint32) {
	switch t.what {
	case onListener:
		k.accept()
	case onSignal:
		k.signalled()
	case onCall:
		k.call()
	case onEngine:
		if t.current(k.generation) {
			k.hear(events)
		}
	default:
		if s := &k.slots[t.slot]; s.phase != 0 && t.current(s.generation) {
			k.dispatchSlot(t, s)
		}
	}
}

func (k *keeper) dispatchSlot(t token, s *slot) {
	switch t.what {
	case onStdout:
		k.pump(s, 0)
	case onStderr:
		k.pump(s, 1)
	default:
		k.hearChild(t.slot)
	}
}
