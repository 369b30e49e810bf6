//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// messagesAtOnce bounds what is done for the engine before others have their turn.
const messagesAtOnce = 16

func (k *keeper) engineToken() token { return token{what: onEngine, generation: k.generation} }

// accept takes in an engine in place of the one there was.
func (k *keeper) accept() {
	fd, e := k.acceptOne()
	if e == unix.EMFILE || e == unix.ENFILE {
		k.spare.close()
		fd, e = k.acceptOne()
	}
	if e != 0 {
		k.reserve()
		return
	}
	if !trusted(fd) {
		fd.close()
		k.reserve()
		return
	}
	k.lose()
	k.reserve()
	k.engine = fd
	k.revival.came, k.revival.left, k.revival.called = clock(), false, false
	k.answerCalls(unix.EPOLL_CTL_DEL) // that is the engine's
	k.watch(k.engine, k.engineToken())
}

func (k *keeper) acceptOne() (file, syscall.Errno) {
	fd, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(k.listener), 0, 0, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0, 0)
	return file(fd), e
}

// reserve opens the spare descriptor again.
func (k *keeper) reserve() {
	if k.spare > 0 {
		return
	}
	if fd, _, e := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(k.epoll), unix.F_DUPFD_CLOEXEC, 0); e == 0 {
		k.spare = file(fd)
	}
}

// trusted reports whether the peer runs as the user that we run as.
func trusted(peer file) bool {
	var cred unix.Ucred
	size := uint32(unsafe.Sizeof(cred))
	_, _, e := syscall.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(peer), unix.SOL_SOCKET, unix.SO_PEERCRED,
		uintptr(unsafe.Pointer(&cred)), uintptr(unsafe.Pointer(&size)), 0)
	uid, _, _ := syscall.RawSyscall(unix.SYS_GETEUID, 0, 0, 0)
	return e == 0 && uintptr(cred.Uid) == uid
}

// lose gives up the engine. All that it has not been told is in the answer to the
// next one's Hello, except what is left of processes that never began. What was only of
// use to it is killed.
func (k *keeper) lose() {
	k.engine.close()
	k.generation++
	k.waiting, k.owesReady, k.owesEnd, k.owesRefuse, k.owesSettled, k.closing = false, false, false, false, false, false
	k.revival.lost(clock())
	if k.revival.left {
		k.answerCalls(unix.EPOLL_CTL_ADD)
	}
	for i := range k.high {
		s := &k.slots[i]
		if s.owes&owesFailed != 0 {
			k.release(i)
		}
		s.owes = 0
		if pid := k.pids.main[i]; s.flags&Tethered != 0 && pid != 0 {
			kill(pid)
		}
	}
}

// hear receives messages of the engine.
func (k *keeper) hear(events uint32) {
	if k.waiting {
		if events&(unix.EPOLLHUP|unix.EPOLLERR) != 0 {
			k.lose()
		}
		return // flush goes on
	}
	for range messagesAtOnce {
		b, e := k.wire.receive(k.engine)
		switch {
		case e == unix.EAGAIN:
			return
		case e != 0 || len(b) == 0:
			k.wire.closeFiles()
			k.lose()
			return
		}
		k.handle(b)
		k.wire.closeFiles()
		if k.owesRefuse || k.owesSettled {
			return // one at a time
		}
	}
}

// handle does what a message asks for.
func (k *keeper) handle(b []byte) {
	kind, err := KindOf(b)
	if err != nil {
		return
	}
	switch kind {
	case KindHello:
		k.greet()
	case KindRun:
		if m, err := Unmarshal[Run](b); err == nil {
			k.run(&m)
		}
	case KindDrop:
		if m, err := Unmarshal[Drop](b); err == nil {
			k.drop(&m.ID)
		}
	case KindKeep:
		if m, err := Unmarshal[Keep](b); err == nil {
			k.keep(&m.ID, false)
		}
	case KindKeepListener:
		if m, err := Unmarshal[KeepListener](b); err == nil {
			k.keep(&m.ID, true)
		}
	case KindForget:
		if m, err := Unmarshal[Forget](b); err == nil {
			k.forget(&m.ID)
		}
	case KindRevive:
		if m, err := Unmarshal[Revive](b); err == nil {
			k.revival.set(&m, &k.wire)
		}
	case KindLeave:
		k.revival.left = true
	case KindClose:
		k.closing = true
	default: // of a newer engine
	}
}

// greet owes the engine all there is to tell.
func (k *keeper) greet() {
	k.owesReady, k.owesEnd = true, true
	for i := range k.high {
		if s := &k.slots[i]; s.phase != 0 && !s.failing {
			s.owes = owesState // what was owed of it is told with that
		}
	}
	for i := range k.kept.high {
		k.kept.entries[i].owes = k.kept.entries[i].used
	}
}

// drop forgets a process that has ended, or gives up one that has not begun.
func (k *keeper) drop(id *ID) {
	i, ok := k.find(id)
	if !ok {
		if id.valid() {
			k.records.remove(id) // of an earlier keeper
		}
		return
	}
	switch k.slots[i].phase {
	case Starting:
		k.cancel(i)
	case Ended:
		k.records.remove(id)
		k.release(i)
	default: // the engine has the pidfd, and hears of the end
	}
}

// flush tells the engine what it is owed, as far as it takes it.
func (k *keeper) flush() {
	if k.engine == 0 {
		return
	}
	e := k.tell()
	switch {
	case e == unix.EAGAIN && !k.waiting:
		k.control(unix.EPOLL_CTL_MOD, k.engine, unix.EPOLLOUT, k.engineToken())
		k.waiting = true
	case e == unix.EAGAIN:
	case e != 0:
		k.lose()
	case k.waiting:
		k.control(unix.EPOLL_CTL_MOD, k.engine, unix.EPOLLIN, k.engineToken())
		k.waiting = false
	}
}

// tell sends what the engine is owed, until it takes no more.
func (k *keeper) tell() syscall.Errno {
	if e := k.answerHello(); e != 0 {
		return e
	}
	if k.owesRefuse {
		if e := k.send(put(&k.wire.out, &k.refusal), nil); e != 0 {
			return e
		}
		k.owesRefuse = false
	}
	if k.owesSettled {
		if e := k.send(put(&k.wire.out, &k.settled), nil); e != 0 {
			return e
		}
		k.owesSettled = false
	}
	for i := 0; k.news && i < k.high; i++ {
		if e := k.tellNews(i); e != 0 {
			return e
		}
	}
	k.news = false
	return 0
}

// answerHello sends what there is, as one piece: nothing else comes in between.
func (k *keeper) answerHello() syscall.Errno {
	if k.owesReady {
		if e := k.tellReady(); e != 0 {
			return e
		}
		k.owesReady = false
	}
	if !k.owesEnd {
		return 0
	}
	for i := range k.high {
		if s := &k.slots[i]; s.owes&owesState != 0 {
			if e := k.tellState(s); e != 0 {
				return e
			}
		}
	}
	if e := k.tellKept(); e != 0 {
		return e
	}
	if e := k.send(put(&k.wire.out, &StateEnd{}), nil); e != 0 {
		return e
	}
	k.owesEnd = false
	return 0
}

func (k *keeper) send(b []byte, files []file) syscall.Errno { return k.wire.send(k.engine, b, files) }

func (k *keeper) tellReady() syscall.Errno {
	pid, _, _ := syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
	self, e := pidfdOpen(int32(pid))
	files := [...]file{self}
	if e != 0 {
		return k.send(put(&k.wire.out, &Ready{Pid: int32(pid), Revision: Revision}), nil)
	}
	e = k.send(put(&k.wire.out, &Ready{Pid: int32(pid), Revision: Revision}), files[:])
	self.close()
	return e
}

// tellState tells all about one process.
func (k *keeper) tellState(s *slot) syscall.Errno {
	m := State{
		ID:        s.id,
		StartedAt: s.startedAt,
		EndedAt:   s.endedAt,
		Lost:      s.log.lost,
		Pid:       s.pid,
		Status:    s.status,
		Process:   s.process,
		Phase:     s.phase,
		Hold:      uint8(s.holds),
	}
	var list [2 + MaxHold]file
	files := list[:0]
	if s.pidfd > 0 {
		files = append(files, s.pidfd)
		m.Pidfd = 1
	}
	if s.phase != Starting && s.console > 0 {
		files = append(files, s.console)
		m.Console = 1
	}
	files = append(files, s.hold[:s.holds]...)
	e := k.send(put(&k.wire.out, &m), files)
	if e == 0 {
		s.owes &^= owesState
	}
	return e
}

// tellNews tells what has become of the process in slot i.
func (k *keeper) tellNews(i int) syscall.Errno {
	s := &k.slots[i]
	if s.owes&owesStarted != 0 {
		m := Started{ID: s.id, StartedAt: s.startedAt, Pid: s.pid}
		list := [...]file{s.pidfd, s.console}
		files := list[:1]
		if s.console > 0 {
			files = list[:]
			m.Console = 1
		}
		if e := k.send(put(&k.wire.out, &m), files); e != 0 {
			return e
		}
		s.owes &^= owesStarted
	}
	if s.owes&owesExited != 0 {
		m := Exited{ID: s.id, EndedAt: s.endedAt, Status: s.status}
		if e := k.send(put(&k.wire.out, &m), nil); e != 0 {
			return e
		}
		s.owes &^= owesExited
	}
	if s.owes&owesFailed != 0 {
		if e := k.send(put(&k.wire.out, &s.failure), nil); e != 0 {
			return e
		}
		k.release(i)
	}
	return 0
}
