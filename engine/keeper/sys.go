//nolint:gosec // G103: the kernel is given addresses.
package keeper

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls of the keeper, without what package unix does around them: no
// allocation for a name or an error, no word to Go's scheduler, which has nobody else
// to run and after detach no thread to do it with. There is no EINTR: all signals are
// blocked, and nothing here waits.

// file is a descriptor; 0 is none, because 0 is /dev/null from the start.
type file int32

// name is the name of a file, ended by NUL.
type name []byte

// close closes f, once.
func (f *file) close() {
	if *f > 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(*f), 0, 0)
	}
	*f = 0
}

func (f file) read(b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(unix.SYS_READ, uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

func (f file) pread(b []byte, at int64) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_PREAD64, uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), uintptr(at), 0, 0)
	return int(n), e
}

func (f file) write(b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(unix.SYS_WRITE, uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), e
}

func (f file) truncate(size int64) {
	_, _, _ = syscall.RawSyscall(unix.SYS_FTRUNCATE, uintptr(f), uintptr(size), 0)
}

// size is the size of the file, 0 when it is not known.
func (f file) size() int64 {
	var st unix.Stat_t
	if _, _, e := syscall.RawSyscall(unix.SYS_FSTAT, uintptr(f), uintptr(unsafe.Pointer(&st)), 0); e != 0 {
		return 0
	}
	return st.Size
}

// set makes f close-on-exec and non-blocking.
func (f file) set() {
	_, _, _ = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(f), unix.F_SETFD, unix.FD_CLOEXEC)
	flags, _, e := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(f), unix.F_GETFL, 0)
	if e == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_FCNTL, uintptr(f), unix.F_SETFL, flags|unix.O_NONBLOCK)
	}
}

func (f file) openAt(n name, flags, mode uintptr) (file, syscall.Errno) {
	fd, _, e := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(n))), flags|unix.O_CLOEXEC, mode, 0, 0)
	return file(fd), e
}

func (f file) renameAt(from, to name) syscall.Errno {
	_, _, e := syscall.RawSyscall6(unix.SYS_RENAMEAT2, uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(from))),
		uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(to))), 0, 0)
	return e
}

func (f file) unlinkAt(n name) {
	_, _, _ = syscall.RawSyscall(unix.SYS_UNLINKAT, uintptr(f), uintptr(unsafe.Pointer(unsafe.SliceData(n))), 0)
}

// now is the time in Unix nanoseconds.
func now() int64 {
	var ts unix.Timespec
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_REALTIME, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func pidfdOpen(pid int32) (file, syscall.Errno) {
	fd, _, e := syscall.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(pid), 0, 0)
	return file(fd), e
}

// kill ends a child that has not been waited for, so that the pid is still its own.
func kill(pid int32) {
	_, _, _ = syscall.RawSyscall(unix.SYS_KILL, uintptr(pid), uintptr(unix.SIGKILL), 0)
}

// dead is a child that has ended: what waitid(2) tells of it.
type dead struct {
	pid    int32
	status uint32 // wait status
}

// peek looks for a child that has ended and leaves it as it is: any one, or the one
// with the given pid.
func peek(pid int32) (dead, bool) { return waitid(pid, unix.WNOWAIT) }

// bury makes the kernel forget a child that has ended.
func bury(pid int32) { _, _ = waitid(pid, 0) }

func waitid(pid int32, option uintptr) (dead, bool) {
	// The part of siginfo_t that is about children, on 64-bit machines.
	var info struct {
		signo, errno, code, _ int32
		pid                   int32
		uid                   uint32
		status                int32
		_                     [100]byte
	}
	which := uintptr(unix.P_PID)
	if pid == 0 {
		which = unix.P_ALL
	}
	_, _, e := syscall.RawSyscall6(unix.SYS_WAITID, which, uintptr(pid), uintptr(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|option, 0, 0)
	if e != 0 || info.pid == 0 {
		return dead{}, false
	}
	d := dead{pid: info.pid, status: uint32(info.status)}
	const exited, dumped = 1, 3 // CLD_EXITED, CLD_DUMPED
	switch info.code {
	case exited:
		d.status <<= 8
	case dumped:
		d.status |= 0x80
	}
	return d, true
}
