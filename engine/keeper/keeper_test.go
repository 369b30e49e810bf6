package keeper

import (
	"errors"
	"io/fs"
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

func TestAProcessRunsAndItsEndIsKept(t *testing.T) {
	e := startKeeper(t)
	j := e.shell("echo out; echo err >&2; exit 42")
	before := time.Now().UnixNano()
	e.run(j)
	started, files := expect[Started](e)
	defer closeAll(files)
	if started.ID != j.ID || started.Pid == 0 || started.StartedAt < before || len(files) != 1 {
		t.Errorf("got %+v and %d descriptors", started, len(files))
	}
	exited, _ := expect[Exited](e)
	if status := syscall.WaitStatus(exited.Status); exited.ID != j.ID || status.ExitStatus() != 42 {
		t.Errorf("got %+v", exited)
	}
	e.awaitEnd(files[0])

	log := filepath.Join(j.logDir, "log")
	if got := output(t, log, frame.Stdout); got != "out\n" {
		t.Errorf("stdout is %q", got)
	}
	if got := output(t, log, frame.Stderr); got != "err\n" {
		t.Errorf("stderr is %q", got)
	}
	record, err := e.record(j.ID)
	want := Record{Process: Init, Pid: started.Pid, Status: 42 << 8, StartedAt: started.StartedAt, EndedAt: exited.EndedAt}
	if err != nil || record != want {
		t.Errorf("the record is %+v, %v; want %+v", record, err, want)
	}

	e.drop(j.ID)
	if left := e.sync(); len(left) != 0 {
		t.Errorf("after the drop there is %+v", left)
	}
	if list, err := os.ReadDir(e.records()); len(list) != 0 {
		t.Errorf("after the drop there are the records %v, %v", list, err)
	}
}

func TestASignalThatEndsAProcessIsItsStatus(t *testing.T) {
	e := startKeeper(t)
	if got := syscall.WaitStatus(e.finish(e.shell("kill -9 $$"))); !got.Signaled() || got.Signal() != syscall.SIGKILL {
		t.Errorf("got %#x", got)
	}
}

func TestAStepThatCannotBeDoneIsTold(t *testing.T) {
	e := startKeeper(t)
	j := e.newJob()
	var b program.Builder
	b.Call("get a pid", unix.SYS_GETPID)
	b.Call("change to /nowhere", unix.SYS_CHDIR, b.Str("/nowhere"))
	j.program = e.build(&b)
	e.run(j)
	failed, _ := expect[Failed](e)
	if failed.ID != j.ID || failed.Step != 1 || syscall.Errno(failed.Errno) != unix.ENOENT {
		t.Errorf("got %+v", failed)
	}
	if left := e.sync(); len(left) != 0 {
		t.Errorf("there is %+v", left)
	}
	if _, err := e.record(j.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a record: %v", err)
	}
	e.run(j) // the ID is free
	expect[Failed](e)
}

func TestWhatCannotBeRunIsRefused(t *testing.T) {
	e := startKeeper(t)
	running := e.shell("exec sleep 1000")
	e.run(running)
	_, files := expect[Started](e)
	defer e.kill(files[0])

	cases := map[string]struct {
		change func(j *job)
		want   syscall.Errno
	}{
		"an ID that is taken":            {func(j *job) { j.ID = running.ID }, unix.EEXIST},
		"an ID that is a path":           {func(j *job) { j.ID = ID{'.', '.', '/'} }, unix.EINVAL},
		"no ID":                          {func(j *job) { j.ID = ID{} }, unix.EINVAL},
		"an unknown kind of process":     {func(j *job) { j.Process = 3 }, unix.EINVAL},
		"an exec with namespaces":        {func(j *job) { j.Process, j.CloneFlags = Exec, unix.CLONE_NEWNS }, unix.EINVAL},
		"shared memory":                  {func(j *job) { j.CloneFlags = unix.CLONE_VM }, unix.EINVAL},
		"an unknown flag":                {func(j *job) { j.Flags = 1 << 7 }, unix.EINVAL},
		"output without a log":           {func(j *job) { j.logDir = "" }, unix.EINVAL},
		"a terminal with two pumps":      {func(j *job) { j.Flags = TTY }, unix.EINVAL},
		"a descriptor too few":           {func(j *job) { j.inputs = j.inputs[:1] }, unix.EINVAL},
		"a descriptor too many":          {func(j *job) { j.inputs = append(j.inputs, j.inputs[0]) }, unix.EINVAL},
		"a cgroup that is none":          {func(j *job) { j.cgroup = j.inputs[:1] }, unix.EBADF},
		"more to hold than there may be": {func(j *job) { j.hold = make([]int, MaxHold+1) }, unix.EINVAL},
	}
	for name, c := range cases {
		j := e.shell("true")
		c.change(j)
		e.run(j)
		failed, _ := expect[Failed](e)
		if failed.Step != NoStep || syscall.Errno(failed.Errno) != c.want {
			t.Errorf("%s: got step %d, %v; want %v", name, failed.Step, syscall.Errno(failed.Errno), c.want)
		}
	}
	if left := e.sync(); len(left) != 1 {
		t.Errorf("there is %+v", left)
	}
}

// kill ends the process of a pidfd, and closes it.
func (e *engine) kill(pidfd int) {
	_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	e.awaitEnd(pidfd)
	_ = unix.Close(pidfd)
}

func TestAKeeperWithNothingToKeepEnds(t *testing.T) {
	for name, leave := range map[string]func(e *engine){
		"when asked to":           func(e *engine) { e.send(Marshal(Close{})) },
		"when its engine is gone": func(e *engine) { _ = unix.Shutdown(e.socket, unix.SHUT_RDWR) },
	} {
		t.Run(name, func(t *testing.T) {
			e := startKeeper(t)
			pidfd, err := unix.PidfdOpen(e.keeper, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer closeAll([]int{pidfd})
			j := e.shell("exec sleep 1000")
			e.run(j)
			_, files := expect[Started](e)
			leave(e)
			if readable(pidfd, 100*time.Millisecond) {
				t.Error("it has left a process alone")
			}
			again := name == "when its engine is gone"
			if again {
				e.connect()
			}
			e.kill(files[0])
			expect[Exited](e)
			e.drop(j.ID)
			if again {
				leave(e)
			}
			e.awaitEnd(pidfd)
		})
	}
}

func TestTheKeeperIsAProcessOfItsOwn(t *testing.T) {
	e := startKeeper(t)
	status, err := os.ReadFile("/proc/" + itoa(e.keeper) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		fields[key] = value
	}
	for key, want := range map[string]string{"Name": "tiffin-keeper", "Threads": "1"} {
		if fields[key] != want {
			t.Errorf("%s is %q, want %q", key, fields[key], want)
		}
	}
	if fields["PPid"] == itoa(os.Getpid()) {
		t.Error("it is our child")
	}
	sid, err := unix.Getsid(e.keeper)
	if err != nil || sid != e.keeper {
		t.Errorf("its session is %d, %v", sid, err)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	e := startKeeper(t)
	// The grandchild outlives its parent and dies later, as our child.
	if status := e.finish(e.shell("(sleep 0.05; exit 3) & exit 0")); status != 0 {
		t.Fatalf("got %#x", status)
	}
	deadline := time.Now().Add(patience)
	for children(t, e.keeper) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("there is an orphan left")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// children counts the children of a process, ended ones too.
func children(tb testing.TB, pid int) int {
	tb.Helper()
	list, err := os.ReadFile("/proc/" + itoa(pid) + "/task/" + itoa(pid) + "/children")
	if err != nil {
		tb.Fatal(err)
	}
	return len(strings.Fields(string(list)))
}

// childrenBecomeOne waits until the keeper has one child, and returns how many it has in the end: one that was killed
// is forgotten a moment after that was told.
func (e *engine) childrenBecomeOne() int {
	e.tb.Helper()
	deadline := time.Now().Add(patience)
	for {
		n := children(e.tb, e.keeper)
		if n == 1 || time.Now().After(deadline) {
			return n
		}
		e.sync()
	}
}

func TestThousandsOfRunsLeaveNothing(t *testing.T) {
	e := startKeeper(t)
	run := func(n int) {
		for range n {
			j := e.shell("true")
			_ = os.Remove(j.logDir)
			j.logDir = e.dir
			if status := e.finish(j); status != 0 {
				t.Fatalf("got %#x", status)
			}
			e.drop(j.ID)
		}
		e.sync()
	}
	run(10)
	before, memory := descriptors(t, e.keeper), rss(t, e.keeper)
	n := 2000
	if testing.Short() {
		n = 100
	}
	start := time.Now()
	run(n)
	t.Logf("%v a run", time.Since(start)/time.Duration(n))
	if after := descriptors(t, e.keeper); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if after := rss(t, e.keeper); after > memory+64 {
		t.Errorf("%d kB before, %d kB after", memory, after)
	}
	if left := children(t, e.keeper); left != 0 {
		t.Errorf("%d children left", left)
	}
}

func descriptors(tb testing.TB, pid int) int {
	tb.Helper()
	list, err := os.ReadDir("/proc/" + itoa(pid) + "/fd")
	if err != nil {
		tb.Fatal(err)
	}
	return len(list)
}
