//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// How often an engine is started that does not come, or does not stay: at once, then
// after 100 ms, and each time after twice as long, up to 30 s.
const (
	firstPause = 100
	lastPause  = 30_000
	// stays is how long an engine has to live to be a good one, in milliseconds, unless it
	// has left of its own will.
	stays = 10_000
)

// revival is how an engine is started in place of one that was lost.
type revival struct {
	program file
	inputs  [MaxFiles]file
	count   int // of inputs
	delay   int64

	left   bool  // the engine has ended of its own will
	called bool  // and somebody has connected since
	came   int64 // when it connected; this and the next in milliseconds, see clock
	next   int64 // when to try, while there is none
	tries  int
}

func (r *revival) close() {
	r.program.close()
	for i := range r.count {
		r.inputs[i].close()
	}
	r.count = 0
}

// set takes a Revive and its descriptors; without a program there is nothing to do.
func (r *revival) set(m *Revive, w *wire) {
	r.close()
	if w.truncated || int(m.Inputs) > MaxFiles || w.count != 1+int(m.Inputs) {
		return
	}
	r.program, r.delay = w.take(0), int64(m.Delay)
	for i := range int(m.Inputs) {
		r.inputs[i] = w.take(1 + i)
	}
	r.count = int(m.Inputs)
}

// lost notes that the engine is gone.
func (r *revival) lost(now int64) {
	if r.left || now-r.came >= stays {
		r.tries = 0
	}
	r.next = now + r.delay
	if r.tries > 0 {
		r.next = now + pauseAfter(r.tries)
	}
}

// tried notes that an engine was started.
func (r *revival) tried(now int64) {
	r.tries++
	r.next = now + pauseAfter(r.tries)
}

// pauseAfter is how long to wait after so many tries.
func pauseAfter(tries int) int64 {
	pause := int64(firstPause)
	for range tries - 1 {
		if pause *= 2; pause >= lastPause {
			return lastPause
		}
	}
	return pause
}

// call notes that somebody wants an engine who has none to start. Other keepers may hear
// him, too, so each waits as long as after a death.
func (r *revival) call(now int64) {
	r.called = true
	r.next = max(r.next, now+r.delay)
}

// answerCalls begins or ends waiting for connections to the sockets of engines. It is
// waited for only while there is none.
func (k *keeper) answerCalls(op uintptr) {
	for i := range k.kept.high {
		if e := &k.kept.entries[i]; e.listens {
			k.control(op, e.files[0], unix.EPOLLIN, token{what: onCall})
		}
	}
}

// call is somebody who has connected. He stays in the socket until an engine takes him.
func (k *keeper) call() {
	if k.engine > 0 || k.revival.called {
		return // the event is of the same turn
	}
	k.answerCalls(unix.EPOLL_CTL_DEL) // one is enough; the event would come at every turn
	k.revival.call(clock())
}

// mourns reports whether an engine is missed: there was one, which has not left or is called
// back, and there is a process that somebody has to look after.
func (k *keeper) mourns() bool {
	if k.engine > 0 || k.revival.left && !k.revival.called || k.revival.program == 0 {
		return false
	}
	for i := range k.high {
		if s := &k.slots[i]; s.phase != 0 && s.flags&Tethered == 0 {
			return true
		}
	}
	return false
}

// patience is how long there may be nothing to do, in milliseconds, -1 for ever.
func (k *keeper) patience() int {
	if !k.mourns() {
		return -1
	}
	return int(max(k.revival.next-clock(), 0))
}

// revive starts an engine when it is time to.
func (k *keeper) revive() {
	now := clock()
	if !k.mourns() || now < k.revival.next {
		return
	}
	k.revival.tried(now)
	r := &k.revival
	size, e := r.program.pread(k.memory, 0)
	if e != 0 || k.code.Load(k.memory[:size]) != nil {
		return
	}
	var inputs [MaxFiles]int32
	for i := range r.count {
		inputs[i] = int32(r.inputs[i])
	}
	child, err := program.Fork(&program.Start{Code: &k.code, Files: inputs[:r.count]})
	k.forgetProgram(size)
	if err != nil {
		return
	}
	// It is nobody's process: its end is an orphan's, and what it has to report
	// nobody could be told.
	pidfd, report := file(child.Pidfd), file(child.Report)
	pidfd.close()
	report.close()
}

// clock is the time in milliseconds since some moment; it is never set.
func clock() int64 {
	var ts unix.Timespec
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano() / 1e6
}
