//nolint:gosec // G103: this file deals in addresses.
package program

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// registers are the child's. The parent never touches them, so they are zero in
// each child, which has a copy of its own.
var registers [NumRegisters]uintptr

// noSignals is an empty signal mask, as the kernel wants it.
var noSignals uint64

// run is the life of the child up to execve. It does not return.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (in *setup) run() {
	in.closeOthers()
	_, _, _ = syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&noSignals)), 0, 8, 0, 0)
	for i, fd := range in.inputs {
		registers[i] = uintptr(fd)
	}
	registers[ReportReg] = in.report
	step := 0
	for step < len(in.code.ops) {
		step = in.code.step(step)
	}
	die(step, unix.ENOEXEC)
}

// closeOthers closes every descriptor above 2 that is not the program's. They would
// be closed by execve; but until then the child may be in a container's namespaces,
// whose processes must not find descriptors of other containers in it.
//
//go:nosplit
//go:norace
func (in *setup) closeOthers() {
	next := uintptr(3)
	for _, fd := range in.kept[:in.count] {
		if uintptr(fd) > next {
			_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, next, uintptr(fd)-1, 0)
		}
		next = uintptr(fd) + 1
	}
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE_RANGE, next, ^uintptr(0)>>32, 0)
}

// step does one op and returns the number of the next.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (c *Code) step(i int) (next int) {
	o := &c.ops[i]
	a, b := c.value(o, 0), c.value(o, 1)
	taken := true
	switch o.kind {
	case opCall:
		r, _, e := syscall.RawSyscall6(uintptr(o.nr), a, b, c.value(o, 2), c.value(o, 3), c.value(o, 4), c.value(o, 5))
		if e != 0 {
			if !o.tolerates(e) {
				die(i, e)
			}
			r = -uintptr(e)
		}
		o.result(r)
		taken = e != 0
	case opJump:
	case opJumpEqual:
		taken = a == b
	case opJumpUnequal:
		taken = a != b
	case opStore32:
		*(*uint32)(unsafe.Pointer(&c.data[o.args[1]])) = uint32(a)
	case opLoad32:
		o.result(uintptr(*(*int32)(unsafe.Pointer(&c.data[o.args[0]]))))
	case opExit:
		exit(a)
	case opFail:
		die(i, syscall.Errno(a))
	case opReportPid:
		report(stepPid, uint32(a))
	}
	if taken {
		i += int(o.skip)
	}
	return i + 1
}

// value is the operand at i as the kernel gets it.
//
//go:nosplit
//go:norace
func (c *Code) value(o *op, i int) uintptr {
	v := uintptr(o.args[i])
	switch o.modes[i] {
	case modeReg:
		return registers[v]
	case modeData:
		return c.base() + v
	default:
		return v
	}
}

//go:nosplit
//go:norace
func (o *op) result(v uintptr) {
	if o.out != noRegister {
		registers[o.out] = v
	}
}

//go:nosplit
//go:norace
func (o *op) tolerates(e syscall.Errno) bool {
	for _, t := range o.tolerated {
		if t != 0 && syscall.Errno(t) == e {
			return true
		}
	}
	return false
}

// die reports that a step gave e, and ends the child.
//
//go:nosplit
//go:norace
func die(step int, e syscall.Errno) {
	report(uint32(step), uint32(e))
	exit(exitCode)
}

// exitCode is what a child ends with after a report of failure, as a shell does
// that cannot run a command. Nobody needs it: there is the report.
const exitCode = 127

//go:nosplit
//go:norace
func report(step, value uint32) {
	r := Report{step, value}
	_, _, _ = syscall.RawSyscall(unix.SYS_WRITE, registers[ReportReg], uintptr(unsafe.Pointer(&r)), ReportSize)
}

//go:nosplit
//go:norace
func exit(code uintptr) {
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_EXIT_GROUP, code, 0, 0)
	}
}
