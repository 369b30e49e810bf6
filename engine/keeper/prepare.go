//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// crashSignals are left to the Go runtime, for a last word on standard error. All
// others are blocked: a keeper ends when it has nothing to keep, or by SIGKILL.
const crashSignals = 1<<(unix.SIGSEGV-1) | 1<<(unix.SIGBUS-1) | 1<<(unix.SIGFPE-1) |
	1<<(unix.SIGILL-1) | 1<<(unix.SIGTRAP-1) | 1<<(unix.SIGABRT-1)

// prepare makes the process what a keeper has to be. What it cannot do is
// returned by name.
func prepare() (what string, e syscall.Errno) {
	if _, _, e := syscall.RawSyscall(unix.SYS_SETSID, 0, 0, 0); e != 0 {
		return "begin a session", e
	}
	blocked := ^uint64(crashSignals)
	if _, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&blocked)), 0, 8, 0, 0); e != 0 {
		return "block signals", e
	}
	if e := unignore(); e != 0 {
		return "set signals to their default", e
	}
	if e := prctl(unix.PR_SET_CHILD_SUBREAPER, 1); e != 0 {
		return "become the reaper", e
	}
	if e := prctl(unix.PR_SET_DUMPABLE, 0); e != 0 {
		return "become undumpable", e
	}
	title := [...]byte{'t', 'i', 'f', 'f', 'i', 'n', '-', 'k', 'e', 'e', 'p', 'e', 'r', 0}
	_ = prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&title)))
	root := [...]byte{'/', 0}
	if _, _, e := syscall.RawSyscall(unix.SYS_CHDIR, uintptr(unsafe.Pointer(&root)), 0, 0); e != 0 {
		return "change to /", e
	}
	if e := raiseFiles(); e != 0 {
		return "raise the limit of descriptors", e
	}
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, RecordsFD+1, ^uintptr(0)>>32, 0)
	_, _, e = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, EngineFD, RecordsFD, unix.CLOSE_RANGE_CLOEXEC)
	return "make the descriptors close-on-exec", e
}

func prctl(option int, value uintptr) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_PRCTL, uintptr(option), value, 0, 0, 0, 0)
	return e
}

// sigaction is the kernel's struct sigaction, as far as all machines have it alike.
type sigaction struct {
	handler uintptr
	_       [3]uint64
}

// unignore sets to the default what our starter ignores, as nohup does with SIGHUP:
// execve would hand it down to the containers.
func unignore() syscall.Errno {
	const last = 64
	for signal := uintptr(1); signal <= last; signal++ {
		var old, byDefault sigaction
		_, _, e := syscall.RawSyscall6(unix.SYS_RT_SIGACTION, signal, 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
		if e != 0 {
			return e
		}
		if old.handler != 1 { // SIG_IGN
			continue
		}
		_, _, e = syscall.RawSyscall6(unix.SYS_RT_SIGACTION, signal, uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
		if e != 0 {
			return e
		}
	}
	return 0
}

// raiseFiles allows as many descriptors as we may have. The containers get their own
// limit from their programs.
func raiseFiles() syscall.Errno {
	var limit unix.Rlimit
	_, _, e := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&limit)), 0, 0)
	if e != 0 {
		return e
	}
	limit.Cur = limit.Max
	_, _, e = syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	return e
}

// fail says on standard error what could not be done, and returns the exit code.
func fail(what string, e syscall.Errno) int {
	print("tiffin-keeper: ", what)
	if e != 0 {
		print(": ", e.Error())
	}
	print("\n")
	return 1
}
