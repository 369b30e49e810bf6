//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tiffin/engine/logs/frame"
	"tiffin/engine/runtime/program"
)

// run starts a process, or tells the engine why not.
func (k *keeper) run(m *Run) {
	i, e := k.admit(m)
	if e == 0 {
		e = k.start(i, m)
	}
	if e != 0 {
		k.refusal = Failed{ID: m.ID, Step: NoStep, Errno: uint32(e)}
		k.owesRefuse = true
	}
}

// admit checks a request and finds a slot for it.
func (k *keeper) admit(m *Run) (i int, e syscall.Errno) {
	if k.wire.truncated {
		return 0, unix.EMFILE
	}
	if !m.valid(k.wire.count) {
		return 0, unix.EINVAL
	}
	if _, taken := k.find(&m.ID); taken {
		return 0, unix.EEXIST
	}
	i, ok := k.free()
	if !ok {
		return 0, unix.ENOSPC
	}
	return i, 0
}

// inputs is the place of the program's inputs among the descriptors.
func (m *Run) inputs() int {
	return 1 + int(m.Cgroup) + int(m.Log) + int(m.Pumps) + int(m.Hold)
}

// valid reports whether the message makes sense and came with enough descriptors.
func (m *Run) valid(descriptors int) bool {
	known := m.Process == Init || m.Process == Exec && m.CloneFlags == 0
	counts := m.Cgroup <= 1 && m.Log <= 1 && m.Pumps <= 2 && m.Hold <= MaxHold
	pumps := m.Pumps == 0 || m.Log == 1
	if m.Flags&TTY != 0 {
		pumps = m.Pumps == 1
	}
	return known && counts && pumps && m.ID.valid() && m.Flags&^(TTY|Tethered) == 0 && m.inputs() <= descriptors
}

// start forks the child of a request and fills its slot.
func (k *keeper) start(i int, m *Run) syscall.Errno {
	w := &k.wire
	size, e := file(w.files[0]).pread(k.memory, 0)
	if e != 0 {
		return e
	}
	if k.code.Load(k.memory[:size]) != nil {
		return unix.EINVAL
	}
	start := program.Start{Code: &k.code, Files: w.files[m.inputs():w.count], Flags: m.CloneFlags}
	if m.Cgroup > 0 {
		start.Cgroup = w.files[1]
	}
	child, err := program.Fork(&start)
	k.forgetProgram(size)
	if err != nil {
		e, _ := err.(syscall.Errno) //nolint:errorlint // Fork gives nothing else, and errors.As allocates.
		return e
	}
	s := k.claim(i, m)
	s.report = file(child.Report)
	if m.Process == Exec {
		k.pids.middle[i] = child.Pid
		middle := file(child.Pidfd)
		middle.close()
	} else {
		k.pids.main[i], s.pid, s.pidfd = child.Pid, child.Pid, file(child.Pidfd)
	}
	k.equip(s, m)
	k.watch(s.report, token{onReport, i, s.generation})
	return 0
}

// forgetProgram gives back the memory of a large program.
func (k *keeper) forgetProgram(size int) {
	const keep = 64 << 10
	if size > keep {
		_, _, _ = syscall.RawSyscall(unix.SYS_MADVISE, uintptr(unsafe.Pointer(&k.memory[keep])), uintptr(len(k.memory)-keep), unix.MADV_DONTNEED)
	}
}

// equip gives a slot the descriptors that came for it.
func (k *keeper) equip(s *slot, m *Run) {
	next := 1 + int(m.Cgroup)
	if m.Log > 0 {
		s.log = logFile{
			dir:      k.wire.take(next),
			maxSize:  int64(min(m.LogMaxSize, 1<<62)),
			maxFiles: int(min(max(m.LogMaxFiles, 1), maxLogFiles)),
		}
		s.log.open()
		next++
	}
	for j := range int(m.Pumps) {
		f := k.wire.take(next + j)
		f.set()
		if m.Flags&TTY != 0 {
			s.console = f
		} else {
			s.pumps[j] = f
		}
	}
	next += int(m.Pumps)
	for j := range int(m.Hold) {
		s.hold[j] = k.wire.take(next + j)
	}
	s.holds = int(m.Hold)
}

// listen begins to move what the process in slot i prints.
func (k *keeper) listen(i int) {
	s := &k.slots[i]
	if s.flags&TTY != 0 && s.log.dir > 0 {
		s.pumps[0] = s.console
	}
	for j, what := range [...]event{onStdout, onStderr} {
		if s.pumps[j] > 0 {
			k.watch(s.pumps[j], token{what, i, s.generation})
		}
	}
}

// pump moves one piece of output into the log, and reports whether there may be more.
func (k *keeper) pump(s *slot, j int) bool {
	f := &s.pumps[j]
	if *f == 0 {
		return false
	}
	n, e := f.read(k.buffer.payload())
	switch {
	case e == unix.EAGAIN:
		return false
	case e != 0 || n == 0: // EIO: nobody has the other side of the terminal open
		k.unpump(s, j)
		return false
	}
	s.log.append(&k.buffer, frame.Header{Length: n, Time: now(), Stream: frame.Stream(j + 1)})
	return true
}

// unpump stops moving output. A console stays open, for the engine to come.
func (k *keeper) unpump(s *slot, j int) {
	if s.pumps[j] == s.console {
		k.control(unix.EPOLL_CTL_DEL, s.pumps[j], 0, token{})
		s.pumps[j] = 0
		return
	}
	s.pumps[j].close()
}
