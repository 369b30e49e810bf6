package keeper

import (
	"runtime"
	"syscall"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"
)

// single reports whether the Go runtime may use one thread at a time only.
func single() bool { return runtime.GOMAXPROCS(0) == 1 }

// grow makes the stack as large as it will ever have to be. It could grow later, too;
// but the less is asked of the runtime after detach, the better.
//
//go:noinline
func grow() {
	var room [16 << 10]byte
	use(room[:])
}

//go:noinline
func use([]byte) {}

// detach forks the process as it is. The child has one thread, this one: what the
// Go runtime believes to be its other threads is asleep for good.
//
//go:nosplit
//go:norace
func detach() (pid uintptr, e syscall.Errno) {
	runtimeBeforeFork()
	pid, _, e = syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	runtimeAfterFork()
	return pid, e
}

//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()
