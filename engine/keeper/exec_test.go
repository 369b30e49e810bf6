package keeper

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine/logs/frame"
	"tiffin/engine/runtime/program"
)

const namespaces = unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

// container starts a process in namespaces of its own that waits to be killed.
func (e *engine) container() (pidfd int) {
	e.tb.Helper()
	j := e.newJob()
	j.CloneFlags = namespaces
	var b program.Builder
	b.Call("set the host name", unix.SYS_SETHOSTNAME, b.Str("inside"), program.Imm(6))
	execute(&b, "sleep", "1000")
	j.program = e.build(&b)
	e.run(j)
	_, files := expect[Started](e)
	return files[0]
}

// exec is a job in the namespaces of a container. Its program is composed by inside,
// for the process itself, after outside, for the one in the middle.
func (e *engine) exec(container int, outside, inside func(b *program.Builder)) *job {
	e.tb.Helper()
	j := e.newJob()
	j.Process = Exec
	var b program.Builder
	target := b.Input("container")
	pid := b.Register("pid")
	child := b.Target()
	b.Call("join the container", unix.SYS_SETNS, target, program.Imm(namespaces))
	b.Call("fork", unix.SYS_CLONE, program.Imm(unix.CLONE_PARENT|int64(unix.SIGCHLD))).Into(pid)
	b.JumpEqual(pid, 0, child)
	outside(&b)
	b.ReportPid(pid)
	b.Exit(0)
	b.Place(child)
	inside(&b)
	j.program = e.build(&b)
	own, err := unix.FcntlInt(uintptr(container), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		e.tb.Fatal(err)
	}
	j.inputs = []int{own}
	return j
}

func nothing(*program.Builder) {}

// pause is a step that takes some time.
func pause(b *program.Builder) {
	spec := make([]byte, 16)
	binary.LittleEndian.PutUint64(spec[8:], uint64(100*time.Millisecond))
	b.Call("wait", unix.SYS_NANOSLEEP, b.Bytes(spec), program.Imm(0))
}

func TestAnExecRunsInItsContainer(t *testing.T) {
	requireRoot(t)
	e := startKeeper(t)
	container := e.container()
	defer e.kill(container)
	j := e.exec(container, nothing, func(b *program.Builder) {
		execute(b, "sh", "-c", `test "$(hostname)" = inside && test "$(pidof sleep | wc -w)" -ge 1 && test $$ -lt 100 && exit 7`)
	})
	e.run(j)
	started, files := expect[Started](e)
	defer closeAll(files)
	if started.ID != j.ID || started.Pid == 0 || len(files) != 1 {
		t.Errorf("got %+v", started)
	}
	exited, _ := expect[Exited](e)
	if exited.ID != j.ID || exited.Status != 7<<8 {
		t.Errorf("got %+v", exited)
	}
	if record, err := e.record(j.ID); err != nil || record.Process != Exec || record.Pid != started.Pid {
		t.Errorf("the record is %+v, %v", record, err)
	}
	if n := e.childrenBecomeOne(); n != 1 {
		t.Errorf("the keeper has %d children", n)
	}
}

func TestAnExecThatFailsIsTold(t *testing.T) {
	requireRoot(t)
	e := startKeeper(t)
	container := e.container()
	defer e.kill(container)
	cases := map[string]struct {
		outside, inside func(b *program.Builder)
		label           string
		want            syscall.Errno
	}{
		"before it is forked": {func(b *program.Builder) {
			b.Call("be refused", unix.SYS_CHDIR, b.Str("/nowhere"))
		}, pause, "be refused", unix.ENOENT},
		"in the container": {nothing, func(b *program.Builder) {
			b.Call("be refused", unix.SYS_EXECVE, b.Str("/proc"), program.Imm(0), program.Imm(0))
		}, "be refused", unix.EACCES},
		"because it is killed before it is reported": {func(b *program.Builder) {
			pid := b.Register("self")
			b.Call("get the pid", unix.SYS_GETPID).Into(pid)
			b.Call("kill itself", unix.SYS_KILL, pid, program.Imm(unix.SIGKILL))
		}, func(b *program.Builder) { b.Exit(0) }, "start the child", unix.ECHILD},
	}
	for name, c := range cases {
		j := e.exec(container, c.outside, c.inside)
		e.run(j)
		failed, _ := expect[Failed](e)
		if label := j.program.Label(failed.Step); failed.ID != j.ID || label != c.label || syscall.Errno(failed.Errno) != c.want {
			t.Errorf("%s: got %s: %v", name, label, syscall.Errno(failed.Errno))
		}
	}
	if left := e.sync(); len(left) != 1 {
		t.Errorf("there is %+v", left)
	}
	if n := e.childrenBecomeOne(); n != 1 {
		t.Errorf("the keeper has %d children", n)
	}
}

func TestAnExecThatEndsBeforeItIsReportedKeepsItsStatus(t *testing.T) {
	requireRoot(t)
	e := startKeeper(t)
	container := e.container()
	defer e.kill(container)
	late := e.exec(container, pause, func(b *program.Builder) { b.Exit(7) })
	e.run(late)
	// Meanwhile the others are not held up.
	quick := e.shell("exit 3")
	if status := e.finish(quick); status != 3<<8 {
		t.Errorf("got %#x", status)
	}
	started, files := expect[Started](e)
	closeAll(files)
	exited, _ := expect[Exited](e)
	if started.ID != late.ID || exited.ID != late.ID || exited.Status != 7<<8 {
		t.Errorf("got %+v, %+v", started, exited)
	}
	if n := e.childrenBecomeOne(); n != 1 {
		t.Errorf("the keeper has %d children", n)
	}
}

func TestAProcessThatHasNotBegunCanBeGivenUp(t *testing.T) {
	requireRoot(t)
	e := startKeeper(t)
	container := e.container()
	defer e.kill(container)
	stuck := func(b *program.Builder) {
		pipe := b.Scratch(8)
		end := b.Register("pipe")
		b.Call("make a pipe", unix.SYS_PIPE2, pipe, program.Imm(unix.O_CLOEXEC))
		b.Load32(end, pipe)
		b.Call("wait for ever", unix.SYS_READ, end, b.Scratch(8), program.Imm(1))
	}
	first := e.newJob()
	var b program.Builder
	stuck(&b)
	first.program = e.build(&b)
	for name, j := range map[string]*job{"a container": first, "an exec": e.exec(container, pause, stuck)} {
		e.run(j)
		e.drop(j.ID)
		failed, _ := expect[Failed](e)
		if failed.ID != j.ID || syscall.Errno(failed.Errno) != unix.ECANCELED || failed.Step != NoStep {
			t.Errorf("%s: got %+v", name, failed)
		}
	}
	if left := e.sync(); len(left) != 1 || e.childrenBecomeOne() != 1 {
		t.Errorf("there are %d children and %+v", children(t, e.keeper), left)
	}
}

func TestAProcessIsBornInItsCgroup(t *testing.T) {
	requireRoot(t)
	var root string
	for _, dir := range []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			root = dir
			break
		}
	}
	if root == "" {
		t.Skip("there is no v2 cgroup tree")
	}
	group := filepath.Join(root, "tiffin-keeper-test-"+itoa(os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(group) //nolint:errcheck // best effort
	e := startKeeper(t)
	j := e.shell("cat /proc/self/cgroup")
	fd, err := unix.Open(group, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	j.cgroup = []int{fd}
	e.finish(j)
	var found bool
	for line := range strings.SplitSeq(output(t, filepath.Join(j.logDir, "log"), frame.Stdout), "\n") {
		found = found || line == "0::/"+filepath.Base(group)
	}
	if !found {
		t.Errorf("got %s", output(t, filepath.Join(j.logDir, "log"), frame.Stdout))
	}
}
