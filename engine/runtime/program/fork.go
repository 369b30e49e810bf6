//nolint:gosec // G103: this file deals in addresses.
package program

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NamespaceFlags are the clone flags that [Start.Flags] may hold.
const NamespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME

// Start says what to fork.
type Start struct {
	Code   *Code
	Files  []int32 // the program's descriptors, close-on-exec
	Flags  uint64  // of NamespaceFlags: the namespaces that the child begins in
	Cgroup int32   // directory of the v2 cgroup that the child begins in; 0 is the caller's own
}

// Child is a process that has been forked and interprets its program.
type Child struct {
	Pid    int32
	Pidfd  int32 // close-on-exec
	Report int32 // read end of the pipe for [Report]s: close-on-exec, non-blocking
}

// Fork starts a child. The errors are of type [syscall.Errno]; EINVAL also says that
// s asks for what it must not. It does not allocate. The caller sees to it that
// the descriptors of s stay open until Fork returns.
func Fork(s *Start) (Child, error) {
	if s.Flags&^NamespaceFlags != 0 || len(s.Files) != s.Code.inputs {
		return Child{}, unix.EINVAL
	}
	var pipe [2]int32
	if _, _, e := syscall.RawSyscall(unix.SYS_PIPE2, uintptr(unsafe.Pointer(&pipe)), unix.O_CLOEXEC|unix.O_NONBLOCK, 0); e != 0 {
		return Child{}, e
	}
	child := Child{Report: pipe[0], Pidfd: -1}
	args := cloneArgs{
		flags:      s.Flags | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		exitSignal: uint64(unix.SIGCHLD),
	}
	if s.Cgroup > 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup = uint64(s.Cgroup)
	}
	in := setup{code: s.Code, inputs: s.Files, report: uintptr(pipe[1])}
	in.keep()
	pid, e := fork(&args, &child.Pidfd, &in)
	closeFile(pipe[1])
	if e != 0 {
		closeFile(pipe[0])
		return Child{}, e
	}
	child.Pid = int32(pid)
	return child, nil
}

func closeFile(fd int32) {
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// cloneArgs is struct clone_args of linux/sched.h, as of Linux 5.7.
type cloneArgs struct {
	flags      uint64
	pidfd      uintptr
	childTid   uintptr
	parentTid  uintptr
	exitSignal uint64
	stack      uintptr
	stackSize  uint64
	tls        uintptr
	setTid     uintptr
	setTidSize uint64
	cgroup     uint64
}

// setup is what the child finds prepared.
type setup struct {
	code   *Code
	inputs []int32
	report uintptr
	kept   [MaxInputs + 1]int32 // the child's descriptors above 2, in order
	count  int
}

// keep sorts the descriptors that the child keeps, so that it can close what lies
// between them. They come in order for the most part, so sorting is one pass.
func (in *setup) keep() {
	in.insert(int32(in.report))
	for _, fd := range in.inputs {
		in.insert(fd)
	}
}

func (in *setup) insert(fd int32) {
	if fd <= 2 {
		return
	}
	i := in.count
	for ; i > 0 && in.kept[i-1] > fd; i-- {
		in.kept[i] = in.kept[i-1]
	}
	in.kept[i] = fd
	in.count++
}

// fork makes the child; it returns in the parent only.
//
// The stack of the child is a copy of the parent's, on which nothing may grow: from
// here on everything is nosplit, so that addresses on it stay what they are. Signals are blocked across the clone and, by the
// runtime's hooks, again what they were in the parent.
//
//go:nosplit
//go:noinline
//go:norace
func fork(args *cloneArgs, pidfd *int32, in *setup) (pid uintptr, e syscall.Errno) {
	args.pidfd = uintptr(unsafe.Pointer(pidfd))
	runtimeBeforeFork()
	pid, _, e = syscall.RawSyscall6(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0, 0, 0, 0)
	if e != 0 || pid != 0 {
		runtimeAfterFork()
		return pid, e
	}
	in.run()
	return 0, 0 // not reached
}

// The hooks that package syscall has for the same purpose; they block and restore
// signals, and make a stack that grows in the child a crash instead of a riddle. The
// child needs no hook: CLONE_CLEAR_SIGHAND has removed the runtime's handlers.
//
//go:linkname runtimeBeforeFork syscall.runtime_BeforeFork
func runtimeBeforeFork()

//go:linkname runtimeAfterFork syscall.runtime_AfterFork
func runtimeAfterFork()
