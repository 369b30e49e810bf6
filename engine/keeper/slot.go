package keeper

// slot is all that is kept of one process.
//
//	free ──Run──▶ Starting ──execve──▶ Running ──exit──▶ Ended ──Drop──▶ free
//	                  └──a step fails──▶ failing ──told──▶ free
type slot struct {
	phase      Phase // 0 is free
	process    Process
	flags      RunFlags
	owes       owed
	failing    bool
	exited     bool
	generation uint32 // tells events of this use of the slot from those of the last
	failure    Failed

	id        ID
	pid       int32 // of the process itself, 0 when not known yet
	status    uint32
	startedAt int64
	endedAt   int64

	pidfd   file
	report  file // the pipe of the child's reports, until execve
	console file // with TTY: first the socket that the master will come by, then that
	log     logFile
	pumps   [2]file
	hold    [MaxHold]file
	holds   int
}

// owed are messages that the engine is still to get about a process.
type owed uint8

const (
	owesState owed = 1 << iota
	owesStarted
	owesFailed
	owesExited
)

// pids finds slots by the processes that have not been waited for. A process that is
// started as an [Exec] is forked by another one, the middle, which ends soon.
type pids struct {
	main   [MaxProcesses]int32
	middle [MaxProcesses]int32
}

// find returns the slot that pid belongs to.
func (p *pids) find(pid int32, slots int) (i int, ok bool) {
	for i := range slots {
		if p.main[i] == pid || p.middle[i] == pid {
			return i, true
		}
	}
	return 0, false
}

// free is a slot that is not in use, if there is one.
func (k *keeper) free() (i int, ok bool) {
	for i := range k.high {
		if k.slots[i].phase == 0 {
			return i, true
		}
	}
	return k.high, k.high < MaxProcesses
}

// find is the slot of the process that is named id.
func (k *keeper) find(id *ID) (i int, ok bool) {
	for i := range k.high {
		if k.slots[i].phase != 0 && k.slots[i].id == *id {
			return i, true
		}
	}
	return 0, false
}

// claim makes a free slot one of a new process.
func (k *keeper) claim(i int, m *Run) *slot {
	s := &k.slots[i]
	*s = slot{
		phase:      Starting,
		process:    m.Process,
		flags:      m.Flags,
		generation: s.generation + 1,
		id:         m.ID,
	}
	k.high = max(k.high, i+1)
	k.used++
	return s
}

// release frees a slot and closes all that it holds.
func (k *keeper) release(i int) {
	s := &k.slots[i]
	s.pidfd.close()
	s.report.close()
	s.console.close()
	s.log.close()
	for j := range s.pumps {
		s.pumps[j].close()
	}
	for j := range s.holds {
		s.hold[j].close()
	}
	s.phase = 0
	s.owes = 0
	k.pids.main[i], k.pids.middle[i] = 0, 0
	k.used--
	for k.high > 0 && k.slots[k.high-1].phase == 0 {
		k.high--
	}
}
