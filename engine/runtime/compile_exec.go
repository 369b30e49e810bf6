package runtime

import (
	"os"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// Exec is what another process in a running container is started from.
type Exec struct {
	ID        string // of the new process: 1 to 64 letters, digits, '-' and '_'
	Container string // the container's id
	Pidfd     *os.File
	Process   *specs.Process
	Seccomp   *specs.LinuxSeccomp // the container's
	Cgroup    *Cgroup             // the container's
	Stdio     Stdio
	Output    Output
}

// openedExec is an Exec with everything that has a path opened.
type openedExec struct {
	*Exec
	entry   *cgroupEntry
	filter  *filter
	console *os.File
}

func (o *openedExec) Close() { o.entry.Close() }

func (h *Host) openExec(e *Exec) (*openedExec, error) {
	if err := checkProcess(e.Process); err != nil {
		return nil, err
	}
	o := &openedExec{Exec: e, entry: &cgroupEntry{}}
	var err error
	if o.filter, err = h.filters.compile(e.Seccomp); err != nil {
		return nil, err
	}
	if e.Cgroup != nil {
		if o.entry, err = e.Cgroup.entry(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// compileExec makes the program that starts a process in a running container. The container's files are reached
// only after the last of the host's has been used; and nothing in them is trusted more than by compile.
func (h *Host) compileExec(o *openedExec) (*compiled, error) {
	c := &compiler{host: h}
	pidfd := c.input("container", o.Pidfd)
	tasks := c.claimTasks(o.entry)
	stdio := c.claimStdio(o.Stdio)
	console := c.optional("console", o.console)
	c.claimScratch()

	// A PID or time namespace is entered by the next process that is made.
	born, now := uint64(unix.CLONE_NEWPID), uint64(unix.CLONE_NEWNS|unix.CLONE_NEWNET|unix.CLONE_NEWIPC|unix.CLONE_NEWUTS|unix.CLONE_NEWCGROUP)
	if h.TimeNS {
		born |= unix.CLONE_NEWTIME
	}
	c.Call("join the container", unix.SYS_SETNS, pidfd, program.Imm(born))
	c.cloneInto(0)
	c.Call("begin a session", unix.SYS_SETSID)
	c.joinTasks(tasks)
	c.attributes(o.Process)
	c.Call("join the container", unix.SYS_SETNS, pidfd, program.Imm(now))
	c.root = c.Register("root")
	c.Call("open the container's root", unix.SYS_OPENAT, program.Imm(unix.AT_FDCWD), c.Str("/"),
		program.Imm(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).Into(c.root)
	terminal := c.terminal(o.Process, console)
	err := c.process(processSpec{
		Process: o.Process, id: o.Container, stdio: stdio, terminal: terminal, filter: o.filter, reaper: none,
	})
	if err != nil {
		return nil, err
	}
	return c.finish(&compiled{indirect: true, command: o.Process.Args[0]})
}
