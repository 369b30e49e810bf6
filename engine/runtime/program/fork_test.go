package program

import (
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const busybox = "/bin/busybox"

// requireRoot skips the test, or fails it where root is expected.
func requireRoot(tb testing.TB) {
	tb.Helper()
	_, err := os.Stat(busybox)
	if os.Geteuid() == 0 && err == nil {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatalf("root and %s are required", busybox)
	}
	tb.Skipf("needs root and %s", busybox)
}

// outcome is what became of a child.
type outcome struct {
	Label  string // of the step that failed
	Errno  syscall.Errno
	Status syscall.WaitStatus
	Output string
}

// container is a program that makes a root of its own on a tmpfs, with busybox and
// /proc in it, and leaves it to its caller to execute something there.
type container struct {
	Builder
	out Reg
}

func newContainer(dir string) *container {
	c := &container{}
	c.out = c.Input("stdout")
	root := c.Register("root")
	c.Call("make mounts private", unix.SYS_MOUNT, Imm(0), c.Str("/"), Imm(0), Imm(unix.MS_REC|unix.MS_PRIVATE), Imm(0))
	c.Call("mount the root", unix.SYS_MOUNT, c.Str("tmpfs"), c.Str(dir), c.Str("tmpfs"), Imm(0), c.Str("mode=755"))
	c.Call("open the root", unix.SYS_OPENAT, Imm(unix.AT_FDCWD), c.Str(dir), Imm(unix.O_PATH|unix.O_CLOEXEC), Imm(0)).Into(root)
	for _, d := range []string{"bin", "proc"} {
		c.Call("make /"+d, unix.SYS_MKDIRAT, root, c.Str(d), Imm(0o755))
	}
	file := c.Register("file")
	c.Call("make /bin/busybox", unix.SYS_OPENAT, root, c.Str("bin/busybox"), Imm(unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC), Imm(0o755)).Into(file)
	c.Call("bind /bin/busybox", unix.SYS_MOUNT, c.Str(busybox), c.Str(dir+"/bin/busybox"), Imm(0), Imm(unix.MS_BIND), Imm(0))
	c.Call("enter the root", unix.SYS_FCHDIR, root)
	c.Call("mount /proc", unix.SYS_MOUNT, c.Str("proc"), c.Str("proc"), c.Str("proc"), Imm(0), Imm(0))
	c.Call("change the root", unix.SYS_PIVOT_ROOT, c.Str("."), c.Str("."))
	c.Call("leave the host", unix.SYS_UMOUNT2, c.Str("."), Imm(unix.MNT_DETACH))
	return c
}

// exec ends the program with an applet of busybox that writes to the output.
func (c *container) exec(args ...string) {
	c.Call("set stdout", unix.SYS_DUP3, c.out, Imm(1), Imm(0))
	c.Call("run "+args[0], unix.SYS_EXECVE, c.Str("/bin/busybox"), c.Ptrs(args), c.Ptrs([]string{"PATH=/bin"}))
}

const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// start forks p with the write end of a pipe as its first input; the read end is
// returned.
func start(tb testing.TB, p *Program, flags uint64, more ...int32) (Child, *os.File) {
	tb.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	defer shut(w)
	code := &Code{}
	if err := code.Load(p.Encode()); err != nil {
		tb.Fatal(err)
	}
	child, err := Fork(&Start{Code: code, Files: append([]int32{int32(w.Fd())}, more...), Flags: flags})
	if err != nil {
		tb.Fatal(err)
	}
	return child, r
}

// finish waits for the child and closes what belongs to it.
func finish(tb testing.TB, p *Program, child Child, output *os.File) outcome {
	tb.Helper()
	defer shut(output)
	defer closeFile(child.Pidfd)
	var o outcome
	for _, r := range reports(tb, child) {
		o.Label, o.Errno = p.Label(r.Step), syscall.Errno(r.Value)
	}
	raw, err := io.ReadAll(output)
	if err != nil {
		tb.Fatal(err)
	}
	o.Output = string(raw)
	o.Status = wait(tb, int(child.Pid))
	return o
}

// reports reads what the child reports until it has called execve or ended.
func reports(tb testing.TB, child Child) []Report {
	tb.Helper()
	defer closeFile(child.Report)
	var list []Report
	for {
		fds := []unix.PollFd{{Fd: child.Report, Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			tb.Fatal(err)
		}
		var b [ReportSize]byte
		n, err := unix.Read(int(child.Report), b[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
		case n == 0:
			return list
		case n != ReportSize:
			tb.Fatalf("read %d bytes of a report: %v", n, err)
		default:
			list = append(list, ParseReport(&b))
		}
	}
}

func shut(f *os.File) { _ = f.Close() }

func wait(tb testing.TB, pid int) syscall.WaitStatus {
	tb.Helper()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		tb.Fatalf("wait for %d: %v", pid, err)
	}
	return status
}

func TestAContainerRunsInItsOwnWorld(t *testing.T) {
	requireRoot(t)
	c := newContainer(t.TempDir())
	c.Call("set the host name", unix.SYS_SETHOSTNAME, c.Str("tiffin"), Imm(6))
	c.exec("sh", "-c", "echo $$ $(busybox hostname) $(busybox ls /); busybox ls /proc/self/fd | busybox wc -l; exit 42")
	p := build(t, &c.Builder)
	child, output := start(t, p, namespaces)
	got := finish(t, p, child, output)
	// ls sees its three and the directory it reads.
	want := outcome{Status: 42 << 8, Output: "1 tiffin bin proc\n4\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheFirstStepThatCannotBeDoneIsReported(t *testing.T) {
	requireRoot(t)
	c := newContainer(t.TempDir())
	c.Call("mount /data", unix.SYS_MOUNT, c.Str("none"), c.Str("/data"), c.Str("tmpfs"), Imm(0), Imm(0))
	c.exec("true")
	p := build(t, &c.Builder)
	child, output := start(t, p, namespaces)
	got := finish(t, p, child, output)
	want := outcome{Label: "mount /data", Errno: unix.ENOENT, Status: exitCode << 8}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSeveralPathsAreTriedInOrder(t *testing.T) {
	requireRoot(t)
	c := newContainer(t.TempDir())
	c.Call("set stdout", unix.SYS_DUP3, c.out, Imm(1), Imm(0))
	argv, env := c.Ptrs([]string{"echo", "found"}), c.Ptrs(nil)
	for _, dir := range []string{"/sbin/", "/bin/busybox/", "/proc/", "/bin/"} {
		c.Call("run busybox", unix.SYS_EXECVE, c.Str(dir+"busybox"), argv, env).Tolerate(unix.ENOENT, unix.ENOTDIR, unix.EACCES)
	}
	c.Fail("run busybox", unix.ENOENT)
	p := build(t, &c.Builder)
	child, output := start(t, p, namespaces)
	if got := finish(t, p, child, output); got.Output != "found\n" {
		t.Errorf("got %+v", got)
	}
}

func TestAProcessJoinsAContainer(t *testing.T) {
	requireRoot(t)
	c := newContainer(t.TempDir())
	c.Call("set the host name", unix.SYS_SETHOSTNAME, c.Str("tiffin"), Imm(6))
	c.exec("sleep", "1000")
	p := build(t, &c.Builder)
	first, output := start(t, p, namespaces)
	if failed := reports(t, first); len(failed) > 0 {
		t.Fatalf("%s: %v", p.Label(failed[0].Step), syscall.Errno(failed[0].Value))
	}
	defer shut(output)
	defer wait(t, int(first.Pid))
	defer closeFile(first.Pidfd)
	defer func() { _ = unix.PidfdSendSignal(int(first.Pidfd), unix.SIGKILL, nil, 0) }()

	e := joining()
	e.exec("sh", "-c", "echo $(busybox hostname) $(busybox pidof sleep) $(busybox ls /); exit 7")
	q := build(t, &e.Builder)
	child, result := start(t, q, 0, first.Pidfd)
	defer closeFile(child.Pidfd)
	list := reports(t, child)
	if status := wait(t, int(child.Pid)); status != 0 || len(list) != 1 {
		t.Fatalf("the one between ended with %#x after the reports %v", status, list)
	}
	pid, ok := list[0].Pid()
	if !ok {
		t.Fatalf("%s: %v", q.Label(list[0].Step), syscall.Errno(list[0].Value))
	}
	raw, err := io.ReadAll(result)
	if err != nil {
		t.Fatal(err)
	}
	shut(result)
	if got, status := string(raw), wait(t, int(pid)); got != "tiffin 1 bin proc\n" || status.ExitStatus() != 7 {
		t.Errorf("got %q, exit status %d", got, status.ExitStatus())
	}
}

// joining is a program that enters the namespaces of the process whose pidfd
// is its second input.
func joining() *container {
	c := &container{}
	c.out = c.Input("stdout")
	target := c.Input("container")
	pid := c.Register("pid")
	inside := c.Target()
	c.Call("join the container", unix.SYS_SETNS, target, Imm(namespaces))
	c.Call("fork", unix.SYS_CLONE, Imm(unix.CLONE_PARENT|int64(unix.SIGCHLD))).Into(pid)
	c.JumpEqual(pid, 0, inside)
	c.ReportPid(pid)
	c.Exit(0)
	c.Place(inside)
	return c
}

func TestADescriptorIsHandedOut(t *testing.T) {
	requireRoot(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFile(int32(pair[0]))
	defer closeFile(int32(pair[1]))
	var b Builder
	b.Input("stdout")
	socket := b.Input("socket")
	null := b.Register("null")
	b.Call("open", unix.SYS_OPENAT, Imm(unix.AT_FDCWD), b.Str("/dev/null"), Imm(unix.O_RDWR|unix.O_CLOEXEC), Imm(0)).Into(null)
	b.SendDescriptor("send", socket, null)
	b.Exit(0)
	p := build(t, &b)
	child, output := start(t, p, 0, int32(pair[1]))
	if got := finish(t, p, child, output); got != (outcome{}) {
		t.Fatalf("got %+v", got)
	}
	var payload [8]byte
	control := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := unix.Recvmsg(pair[0], payload[:], control, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil || n != 1 || oobn == 0 {
		t.Fatalf("received %d bytes and %d of control: %v", n, oobn, err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		t.Fatal(err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		t.Fatal(err)
	}
	defer closeFile(int32(fds[0]))
	if name, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fds[0])); name != "/dev/null" {
		t.Errorf("received %s, %v", name, err)
	}
}

func TestTheChildHasOnlyItsOwnDescriptors(t *testing.T) {
	requireRoot(t)
	var open []*os.File // so that there are descriptors below, between and above the program's
	defer func() {
		for _, f := range open {
			shut(f)
		}
	}()
	file := func() int32 {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, f)
		return int32(f.Fd())
	}
	below := file()
	kept := []int32{file(), file()}
	file()
	kept[0], kept[1] = kept[1], kept[0]
	// The child must neither find the one below nor lose its own.
	var b Builder
	b.Input("stdout")
	for range kept {
		b.Call("use an own descriptor", unix.SYS_FCNTL, b.Input("file"), Imm(unix.F_GETFD))
	}
	found := b.Register("found")
	closed := b.Target()
	b.Call("use another one", unix.SYS_FCNTL, Imm(below), Imm(unix.F_GETFD)).Into(found).Tolerate(unix.EBADF).Else(closed)
	b.Fail("find another's descriptor", unix.EBUSY)
	b.Place(closed)
	b.Exit(0)
	p := build(t, &b)
	child, output := start(t, p, 0, kept...)
	if got := finish(t, p, child, output); got != (outcome{}) {
		t.Errorf("got %+v", got)
	}
}

func TestSignalsAreAsAFreshProcessHasThem(t *testing.T) {
	requireRoot(t)
	var b Builder
	out := b.Input("stdout")
	b.Call("set stdout", unix.SYS_DUP3, out, Imm(1), Imm(0))
	b.Call("run", unix.SYS_EXECVE, b.Str(busybox), b.Ptrs([]string{"grep", "^Sig[BIC]", "/proc/self/status"}), b.Ptrs(nil))
	p := build(t, &b)
	child, output := start(t, p, 0)
	got := finish(t, p, child, output).Output
	// What whoever started this test ignores stays ignored, see clone3(2) on CLONE_CLEAR_SIGHAND.
	want := "SigBlk:\t0000000000000000\n" + ignored(t) + "SigCgt:\t0000000000000000\n"
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// ignored is the line of /proc/self/status with the signals that this process ignores.
func ignored(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "SigIgn:") {
			return line
		}
	}
	t.Fatal("/proc/self/status has no SigIgn")
	return ""
}

func TestStepsMoveValuesAndJump(t *testing.T) {
	requireRoot(t)
	var b Builder
	b.Input("stdout")
	pipe := b.Scratch(8)
	r, w, got := b.Register("r"), b.Register("w"), b.Register("got")
	good, bad := b.Target(), b.Target()
	b.Call("make a pipe", unix.SYS_PIPE2, pipe, Imm(unix.O_CLOEXEC))
	b.Load32(r, pipe)
	b.Load32(w, pipe+4)
	number, place := b.Scratch(8), b.Scratch(8)
	b.Call("write", unix.SYS_WRITE, w, b.Bytes([]byte{5, 0, 0, 0}), Imm(4))
	b.Call("read", unix.SYS_READ, r, number, Imm(4))
	b.Load32(got, number)
	b.JumpUnequal(got, 5, bad)
	b.Store32(got, place+4)
	b.Load32(r, place+4)
	b.JumpEqual(r, 5, good)
	b.Place(bad)
	b.Fail("compare", unix.EDOM)
	b.Place(good)
	b.Exit(3)
	p := build(t, &b)
	child, output := start(t, p, 0)
	if got := finish(t, p, child, output); got != (outcome{Status: 3 << 8}) {
		t.Errorf("got %+v", got)
	}
}

func TestAProgramThatEndsWithoutExecveSaysSo(t *testing.T) {
	requireRoot(t)
	var b Builder
	b.Input("stdout")
	b.Call("get a pid", unix.SYS_GETPID)
	p := build(t, &b)
	child, output := start(t, p, 0)
	want := outcome{Label: "start the child", Errno: unix.ENOEXEC, Status: exitCode << 8}
	if got := finish(t, p, child, output); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestForkRefusesWhatItMustNotDo(t *testing.T) {
	var b Builder
	b.Exit(0)
	code := load(t, build(t, &b))
	for name, s := range map[string]Start{
		"shared memory":           {Code: code, Flags: unix.CLONE_VM},
		"one descriptor too many": {Code: code, Files: []int32{1}},
	} {
		if _, err := Fork(&s); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForkLeavesNothingOpen also starts many children at once, each of
// which ends at once.
func TestForkLeavesNothingOpen(t *testing.T) {
	requireRoot(t)
	var b Builder
	b.Input("stdout")
	b.Exit(0)
	p := build(t, &b)
	before := openFiles(t)
	for range 200 {
		child, output := start(t, p, 0)
		finish(t, p, child, output)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// BenchmarkContainer is the whole of a container that does nothing: its namespaces,
// root, /proc, execve, exit.
func BenchmarkContainer(b *testing.B) {
	requireRoot(b)
	for name, flags := range map[string]uint64{"with a network": namespaces, "on the host's network": namespaces &^ unix.CLONE_NEWNET} {
		b.Run(name, func(b *testing.B) {
			c := newContainer(b.TempDir())
			c.exec("true")
			p, err := c.Program()
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				child, output := start(b, p, flags)
				if got := finish(b, p, child, output); got != (outcome{}) {
					b.Fatalf("got %+v", got)
				}
			}
		})
	}
}

// BenchmarkFork is the fork alone: a child that ends at its first step.
func BenchmarkFork(b *testing.B) {
	requireRoot(b)
	var c Builder
	c.Input("stdout")
	c.Exit(0)
	p, err := c.Program()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		child, output := start(b, p, 0)
		finish(b, p, child, output)
	}
}
