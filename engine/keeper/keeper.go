//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// The descriptors that a keeper is started with. 0, 1 and 2 are to be open; an error
// at the start is written to 2.
const (
	EngineFD   = 3 // SOCK_SEQPACKET socket to the engine
	ListenerFD = 4 // listening SOCK_SEQPACKET unix socket for later engines
	RecordsFD  = 5 // directory of the exit records
)

// keeper is the whole state of the process.
type keeper struct {
	epoll    file
	signals  file // for SIGCHLD
	listener file
	spare    file // given up to accept an engine when there are no more descriptors

	engine     file
	generation uint32 // of engine
	waiting    bool   // for room to send to the engine; meanwhile nothing is received
	owesReady  bool
	owesEnd    bool
	news       bool   // there are slots that owe something else than their State
	refusal    Failed // an answer to a Run that has no slot
	owesRefuse bool
	closing    bool

	kept        store
	settled     Settled // an answer to a Keep or a Forget
	owesSettled bool
	revival     revival

	slots   [MaxProcesses]slot
	pids    pids
	high    int  // slots from here on are free
	used    int  // slots that are not
	orphans bool // there may be some that were not reaped yet

	wire    wire
	records records
	buffer  buffer
	memory  []byte // for the program of the process being started
	code    program.Code
	events  [64]unix.EpollEvent
}

// theKeeper is in the BSS: pages that are never used are never there.
var theKeeper keeper

// Main is the life of a keeper; it returns the exit code. It forks at once and
// the first process ends, so that the keeper is nobody's child.
//
// The keeper that remains has one thread, and with it none of the Go runtime but
// what its own code calls: no collector, no sysmon. GOMAXPROCS=1 in the environment
// makes that safe, since then the runtime never hands work to a thread that is not
// there; GOGC=off keeps it from wanting to.
func Main() int {
	if !single() {
		return fail("GOMAXPROCS is to be 1", 0)
	}
	grow()
	switch pid, e := detach(); {
	case e != 0:
		return fail("fork", e)
	case pid != 0:
		return 0
	}
	if what, e := prepare(); e != 0 {
		return fail(what, e)
	}
	k := &theKeeper
	k.engine, k.listener, k.records.dir = EngineFD, ListenerFD, RecordsFD
	if e := k.open(); e != 0 {
		return fail("open the loop", e)
	}
	for !k.finished() {
		k.turn(k.patience())
		k.revive()
	}
	return 0
}

// open makes what the loop needs beside its sockets.
func (k *keeper) open() syscall.Errno {
	memory, _, e := syscall.RawSyscall6(unix.SYS_MMAP, 0, program.MaxSize, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, ^uintptr(0), 0)
	if e != 0 {
		return e
	}
	k.memory = unsafe.Slice(*(**byte)(unsafe.Pointer(&memory)), program.MaxSize)

	epoll, _, e := syscall.RawSyscall(unix.SYS_EPOLL_CREATE1, unix.EPOLL_CLOEXEC, 0, 0)
	if e != 0 {
		return e
	}
	k.epoll = file(epoll)
	child := uint64(1) << (unix.SIGCHLD - 1)
	signals, _, e := syscall.RawSyscall6(unix.SYS_SIGNALFD4, ^uintptr(0), uintptr(unsafe.Pointer(&child)), 8,
		unix.SFD_CLOEXEC|unix.SFD_NONBLOCK, 0, 0)
	if e != 0 {
		return e
	}
	k.signals = file(signals)
	k.revival.came = clock()
	k.engine.set()
	k.listener.set()
	k.reserve()
	k.watch(k.signals, token{what: onSignal})
	k.watch(k.listener, token{what: onListener})
	k.watch(k.engine, k.engineToken())
	return 0
}

// finished reports whether there is nothing left to keep and nobody to ask for more.
func (k *keeper) finished() bool {
	return k.used == 0 && (k.closing || k.engine == 0)
}
