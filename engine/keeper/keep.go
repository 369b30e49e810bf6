package keeper

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// kept are descriptors that are kept for the engines to come.
type kept struct {
	used bool
	owes bool // the engine is to be told, in the answer to its Hello
	// listens says that the first file is a listening socket, on which engines are called.
	listens bool
	id      ID
	files   [MaxFiles]file
	count   int
}

// store is all that is kept. Entries from high on are free.
type store struct {
	entries [MaxKept]kept
	high    int
}

// find is the entry of that name.
func (s *store) find(id *ID) *kept {
	for i := range s.high {
		if e := &s.entries[i]; e.used && e.id == *id {
			return e
		}
	}
	return nil
}

// free is an entry that is not in use, nil if there is none.
func (s *store) free() *kept {
	for i := range s.high {
		if !s.entries[i].used {
			return &s.entries[i]
		}
	}
	if s.high == MaxKept {
		return nil
	}
	s.high++
	return &s.entries[s.high-1]
}

func (e *kept) closeFiles() {
	for i := range e.count {
		e.files[i].close()
	}
	e.count = 0
}

// forget frees an entry and closes what it keeps.
func (s *store) forget(e *kept) {
	e.closeFiles()
	e.used, e.owes, e.listens = false, false, false
	for s.high > 0 && !s.entries[s.high-1].used {
		s.high--
	}
}

// keep takes the descriptors that came with a message, in place of those it has.
func (k *keeper) keep(id *ID, listens bool) {
	e := k.keepFiles(id)
	if there := k.kept.find(id); there != nil {
		if there.listens = listens && there.count > 0; e != 0 {
			k.kept.forget(there)
		}
	}
	k.settle(id, e)
}

func (k *keeper) keepFiles(id *ID) syscall.Errno {
	there := k.kept.find(id)
	if there != nil { // whatever comes, what was there is not wanted any more
		there.closeFiles()
	}
	switch {
	case k.wire.truncated:
		return unix.EMFILE
	case !id.valid() || k.wire.count > MaxFiles:
		return unix.EINVAL
	case there == nil:
		if there = k.kept.free(); there == nil {
			return unix.ENOSPC
		}
	}
	there.used, there.id = true, *id
	for i := range k.wire.count {
		there.files[i] = k.wire.take(i)
	}
	there.count = k.wire.count
	return 0
}

// forget lets go of what is kept under a name.
func (k *keeper) forget(id *ID) {
	if there := k.kept.find(id); there != nil {
		k.kept.forget(there)
	}
	k.settle(id, 0)
}

func (k *keeper) settle(id *ID, e syscall.Errno) {
	k.settled = Settled{ID: *id, Errno: uint32(e)}
	k.owesSettled = true
}

// tellKept tells what is kept, as part of the answer to a Hello.
func (k *keeper) tellKept() syscall.Errno {
	for i := range k.kept.high {
		s := &k.kept.entries[i]
		if !s.owes {
			continue
		}
		m := Kept{ID: s.id, Files: uint8(s.count)}
		if e := k.send(put(&k.wire.out, &m), s.files[:s.count]); e != 0 {
			return e
		}
		s.owes = false
	}
	return 0
}
