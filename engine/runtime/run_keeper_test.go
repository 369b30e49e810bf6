package runtime

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestKeeperWritesTheLog(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	log, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(log)
	x := b.box("echo to stdout; echo to stderr >&2")
	x.Stdio, x.Output = Stdio{}, Output{Log: log, MaxSize: 1 << 20, MaxFiles: 2}
	_, exit := x.run()
	if exit.Code() != 0 {
		t.Errorf("exit %d", exit.Code())
	}
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"to stdout\n", "to stderr\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in the log %q", want, text)
		}
	}
}

func TestKeeperOutlivesTheEngine(t *testing.T) {
	b := newBench(t)
	held, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(held)
	x := b.box("echo up; read line; exit 4")
	in, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(in, input)
	x.Stdio.Stdin = in
	x.Output.Hold = []*os.File{held}
	before := x.start()
	if got := x.output.line(); got != "up" {
		t.Fatal(got)
	}
	if err := b.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := before.Wait(t.Context()); !errors.Is(err, ErrKeeperLost) {
		t.Errorf("wait without a connection: %v", err)
	}

	b.keeper, err = DialKeeper(t.Context(), b.files.Socket)
	if err != nil {
		t.Fatal(err)
	}
	list := b.keeper.Processes()
	if len(list) != 1 || list[0].ID != x.ID || list[0].Pid() != before.Pid() || !list[0].StartedAt().Equal(before.StartedAt()) {
		t.Fatalf("adopted %v", list)
	}
	p := list[0]
	if hold := p.Hold(); len(hold) != 1 || !sameFile(t, hold[0], held) {
		t.Errorf("held %v", hold)
	}
	x.process = p
	if said, _, err := x.exec(nil, "echo", "still here"); said != "still here\n" || err != nil {
		t.Errorf("exec: %q, %v", said, err)
	}
	if _, err := input.WriteString("end\n"); err != nil {
		t.Fatal(err)
	}
	if exit := x.wait(p); exit.Code() != 4 {
		t.Errorf("exit %d", exit.Code())
	}

	// An exit that nobody has recorded yet is told again, until it is dropped.
	if err := b.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	b.keeper, err = DialKeeper(t.Context(), b.files.Socket)
	if err != nil {
		t.Fatal(err)
	}
	list = b.keeper.Processes()
	if len(list) != 1 {
		t.Fatalf("adopted %v", list)
	}
	if exit := x.wait(list[0]); exit.Code() != 4 {
		t.Errorf("exit %d", exit.Code())
	}
	if !exists(filepath.Join(b.files.Records, x.ID)) {
		t.Error("there is no exit record")
	}
	list[0].Drop()
	if len(b.keeper.Processes()) != 0 {
		t.Error("it is still there")
	}
}

func sameFile(t *testing.T, a, b *os.File) bool {
	t.Helper()
	ai, aErr := a.Stat()
	bi, bErr := b.Stat()
	if err := errors.Join(aErr, bErr); err != nil {
		t.Fatal(err)
	}
	return os.SameFile(ai, bi)
}

func TestKeeperStartsFromAnyDescriptor(t *testing.T) {
	requireRoot(t)
	program, err := keeperProgram()
	if err != nil {
		t.Fatal(err)
	}
	for number := 3; number < 12; number++ {
		fd, err := unix.FcntlInt(program.Fd(), unix.F_DUPFD_CLOEXEC, number)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "program")
		dir := t.TempDir()
		k, err := StartKeeper(t.Context(), f, KeeperFiles{Socket: filepath.Join(dir, "sock"), Records: filepath.Join(dir, "exits")})
		if err != nil {
			t.Fatalf("from %d: %v", fd, err)
		}
		if err := k.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		closeAll(f)
	}
}

func TestKeeperThatIsReplacedIsLost(t *testing.T) {
	b := newBench(t)
	first := b.keeper
	second, err := DialKeeper(t.Context(), b.files.Socket)
	if err != nil {
		t.Fatal(err)
	}
	b.keeper = second
	select {
	case <-first.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("the first engine was not told")
	}
	if _, err := b.box("true").try(); err != nil {
		t.Error(err)
	}
	x := b.box("true")
	if _, _, err := b.host.Start(t.Context(), first, &x.Container); !errors.Is(err, ErrKeeperLost) {
		t.Errorf("start by the first: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
}

func TestKeeperThatDiesIsNotTheEndOfItsContainers(t *testing.T) {
	b := newBench(t)
	x := b.running()
	if err := unix.Kill(b.keeper.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-b.keeper.Lost()
	if err := x.process.Signal(unix.Signal(0)); err != nil {
		t.Errorf("the container is gone: %v", err)
	}
	if _, err := DialKeeper(t.Context(), b.files.Socket); !errors.Is(err, ErrKeeperLost) {
		t.Errorf("dial: %v", err)
	}
	if err := x.process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	exit, err := x.process.WaitOrphan(t.Context())
	if err != nil || exit.Code() != 137 && !exit.Unknown {
		t.Errorf("exit %v, %v", exit, err)
	}
	x.process.Drop()
	if err := b.keeper.Close(); err != nil {
		t.Error(err)
	}
	b.keeper = nil
}

func TestDialKeeperWhereThereIsNone(t *testing.T) {
	_, err := DialKeeper(t.Context(), filepath.Join(t.TempDir(), "none"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestStartRefusesTheSameIdTwice(t *testing.T) {
	b := newBench(t)
	x := b.running()
	again := b.box("true")
	again.ID = x.ID
	if _, err := again.try(); !errors.Is(err, ErrExists) {
		t.Errorf("got %v", err)
	}
}

func TestSealedProgramCannotBeChanged(t *testing.T) {
	f, err := SealProgram("test", []byte("code"))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(f)
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate: %v", err)
	}
}

func TestNoDescriptorIsLeftOpen(t *testing.T) {
	b := newBench(t)
	dir := t.TempDir()
	log, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(log)
	x := b.box("echo up; while :; do sleep 60; done")
	x.start()
	if got := x.output.line(); got != "up" {
		t.Fatal(got)
	}
	once := func(i int) {
		process := *x.Spec.Process
		process.Args, process.Terminal = []string{"true"}, i%2 == 0
		p, _, err := b.host.Exec(t.Context(), b.keeper, &Exec{
			ID: "leak" + itoa(i), Container: x.ID, Pidfd: x.process.Pidfd(), Process: &process, Cgroup: x.Cgroup, Output: Output{Log: log},
		})
		if err != nil {
			t.Fatal(err)
		}
		x.wait(p)
		p.Drop()
		process.Args = []string{"nothing"}
		if _, _, err := b.host.Exec(t.Context(), b.keeper, &Exec{
			ID: "leak" + itoa(i), Container: x.ID, Pidfd: x.process.Pidfd(), Process: &process, Cgroup: x.Cgroup,
		}); err == nil {
			t.Fatal("nothing was executed")
		}
		if _, _, err := b.host.Start(t.Context(), b.keeper, &Container{ID: "leak", Spec: bareOf(x), Rootfs: log, Cgroup: x.Cgroup}); err == nil {
			t.Fatal("a log directory was taken for a root")
		}
	}
	once(0)
	once(1)
	before := len(descriptors(t, "self"))
	keeperBefore := len(descriptors(t, itoa(b.keeper.Pid())))
	for i := range 20 {
		once(i)
	}
	if after := descriptors(t, "self"); len(after) > before {
		t.Errorf("%d descriptors here, %d before: %v", len(after), before, after)
	}
	// The keeper forgets a process after it has told us, so it may be a moment behind.
	after := descriptors(t, itoa(b.keeper.Pid()))
	for deadline := time.Now().Add(5 * time.Second); len(after) > keeperBefore && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
		after = descriptors(t, itoa(b.keeper.Pid()))
	}
	if len(after) > keeperBefore {
		t.Errorf("%d descriptors in the keeper, %d before: %v", len(after), keeperBefore, after)
	}
}

// bareOf is the box's spec with a bind that is opened before the start fails.
func bareOf(x *box) *specs.Spec {
	s := *x.Spec
	s.Mounts = append(slices.Clone(s.Mounts), bind("/", "/host", "ro"))
	return &s
}

func descriptors(t *testing.T, pid string) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		target, _ := os.Readlink("/proc/" + pid + "/fd/" + e.Name())
		list = append(list, e.Name()+" "+target)
	}
	return list
}
