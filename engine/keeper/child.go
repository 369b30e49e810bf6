package keeper

import (
	"syscall"

	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// readsAtEnd bounds what is moved into the log before an exit is told: what was in the
// pipe is there, what other processes still print comes later.
const readsAtEnd = 64

// signalled is told that children have ended.
func (k *keeper) signalled() {
	var info [4 * 128]byte // struct signalfd_siginfo
	_, _ = k.signals.read(info[:])
	k.reap()
}

// reap takes note of all children that have ended: our processes, and orphans of theirs
// that have become ours because nobody between is left.
func (k *keeper) reap() {
	for {
		d, ok := peek(0)
		if !ok {
			k.orphans = false
			return
		}
		i, ours := k.pids.find(d.pid, k.high)
		switch {
		case ours:
			k.ended(i, d)
		case k.middles():
			// It may be a process whose middle has not reported it yet. It stays
			// until that is known, and is in the way of the others meanwhile.
			k.orphans = true
			k.reapKnown()
			return
		default:
			bury(d.pid)
		}
	}
}

// middles reports whether there is a process whose pid is yet to be reported.
func (k *keeper) middles() bool {
	for i := range k.high {
		if s := &k.slots[i]; s.phase == Starting && s.pid == 0 && s.report > 0 {
			return true
		}
	}
	return false
}

// reapKnown takes note of those of our processes that have ended.
func (k *keeper) reapKnown() {
	for i := range k.high {
		for _, pid := range [...]int32{k.pids.middle[i], k.pids.main[i]} {
			if pid == 0 {
				continue
			}
			if d, ok := peek(pid); ok {
				k.ended(i, d)
			}
		}
	}
}

// ended takes note that a child of slot i has ended. It is forgotten by the kernel
// last, after its exit record is on disk.
func (k *keeper) ended(i int, d dead) {
	s := &k.slots[i]
	if d.pid == k.pids.middle[i] {
		k.pids.middle[i] = 0
	} else {
		k.pids.main[i] = 0
		s.exited, s.status, s.endedAt = true, d.status, now()
	}
	k.readReports(i)
	k.advance(i)
	bury(d.pid)
}

// hearChild is told that there is a report, or the end of them.
func (k *keeper) hearChild(i int) {
	k.readReports(i)
	k.advance(i)
	if k.orphans {
		k.reap()
	}
}

// readReports reads what the child has to say, and closes the pipe at its end.
func (k *keeper) readReports(i int) {
	s := &k.slots[i]
	for s.report > 0 {
		var b [program.ReportSize]byte
		n, e := s.report.read(b[:])
		if e == unix.EAGAIN {
			return
		}
		if e != 0 || n != len(b) {
			s.report.close()
			return
		}
		r := program.ParseReport(&b)
		if pid, ok := r.Pid(); ok {
			k.adopt(i, pid)
		} else if !s.failing {
			k.fail(s, r.Step, syscall.Errno(r.Value))
		}
	}
}

// adopt takes the process that a middle has reported for the one in slot i.
func (k *keeper) adopt(i int, pid int32) {
	s := &k.slots[i]
	if s.process != Exec || s.pid != 0 {
		return
	}
	s.pid, k.pids.main[i] = pid, pid
	f, e := pidfdOpen(pid)
	if e != 0 {
		k.fail(s, NoStep, e)
	} else {
		s.pidfd = f
	}
	if s.failing {
		kill(pid)
	}
}

// cancel gives up a process that has not begun. A middle is left to do its work: who
// kills it between its fork and its report leaves a process that nobody knows of.
func (k *keeper) cancel(i int) {
	s := &k.slots[i]
	if !s.failing {
		k.fail(s, NoStep, unix.ECANCELED)
	}
	if pid := k.pids.main[i]; pid != 0 {
		kill(pid)
	}
}

func (k *keeper) fail(s *slot, step uint32, e syscall.Errno) {
	s.failing = true
	s.failure = Failed{ID: s.id, Step: step, Errno: uint32(e)}
}

// advance moves slot i on in its life, as far as it has come.
func (k *keeper) advance(i int) {
	s := &k.slots[i]
	if s.phase == Starting && s.report == 0 {
		k.begun(i)
	}
	if s.phase == Running && s.exited {
		k.finish(i)
	}
}

// begun decides what has become of a child that has no more to report.
func (k *keeper) begun(i int) {
	s := &k.slots[i]
	if s.pid == 0 && !s.failing {
		k.fail(s, NoStep, unix.ECHILD)
	}
	if s.failing {
		if k.pids.main[i] == 0 && k.pids.middle[i] == 0 {
			k.failed(i)
		}
		return
	}
	s.phase = Running
	s.startedAt = now()
	if s.flags&TTY != 0 {
		k.receiveConsole(s)
	}
	k.listen(i)
	k.owe(s, owesStarted)
}

// failed ends a slot whose process has never begun. Without an engine there is nobody
// to tell: a later one does not ask for what it has not been told of.
func (k *keeper) failed(i int) {
	if k.engine == 0 {
		k.release(i)
		return
	}
	k.owe(&k.slots[i], owesFailed)
}

// owe notes that the engine is to be told. Nobody is owed while there is no engine,
// and what is in a State that has not been sent yet is told with that.
func (k *keeper) owe(s *slot, o owed) {
	if k.engine > 0 && (s.owes&owesState == 0 || o == owesFailed) {
		s.owes |= o
		k.news = true
	}
}

// receiveConsole takes the master of the terminal from the socket, where the child
// has put it before it executed.
func (k *keeper) receiveConsole(s *slot) {
	socket := s.console
	s.console = 0
	_, e := k.wire.receive(socket)
	if e == 0 && k.wire.count > 0 {
		s.console = k.wire.take(0)
		s.console.set()
		k.wire.closeFiles()
	}
	socket.close()
}

// finish ends the life of a process: its last words into the log, its exit record
// to disk, the news to the engine.
func (k *keeper) finish(i int) {
	s := &k.slots[i]
	for j := range s.pumps {
		for range readsAtEnd {
			if !k.pump(s, j) {
				break
			}
		}
	}
	s.phase = Ended
	k.records.write(&s.id, &Record{
		Process:   s.process,
		Pid:       s.pid,
		Status:    s.status,
		StartedAt: s.startedAt,
		EndedAt:   s.endedAt,
		Lost:      s.log.lost,
	})
	k.owe(s, owesExited)
}
