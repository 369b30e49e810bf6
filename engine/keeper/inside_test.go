package keeper

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"tiffin/engine/runtime/program"
)

// newInside is a keeper in the process of the test, for what cannot be seen from
// outside. It has no signals: the test calls reap.
func newInside(tb testing.TB) (*keeper, *engine) {
	tb.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := unix.Open(tb.TempDir(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	k := &keeper{engine: file(pair[1]), listener: file(listener)}
	k.records.dir = file(dir)
	if e := k.open(); e != 0 {
		tb.Fatal(e)
	}
	e := &engine{tb: tb, socket: pair[0]}
	tb.Cleanup(func() {
		for i := range k.high {
			if k.slots[i].phase != 0 {
				k.release(i)
			}
		}
		for _, f := range []*file{&k.engine, &k.listener, &k.records.dir, &k.epoll, &k.signals, &k.spare} {
			f.close()
		}
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(k.memory)), uintptr(len(k.memory)))
		_ = unix.Close(pair[0])
	})
	return k, e
}

func TestNothingIsAllocatedAfterTheStart(t *testing.T) {
	requireBusybox(t)
	k, e := newInside(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const n = 20
	jobs := make([]*job, 0, n)
	for i := range n {
		if i == n/2 {
			e.send(Marshal(Hello{}))
			bad := e.shell("true")
			bad.ID = jobs[0].ID
			e.run(bad)
		}
		j := e.shell("echo out; echo err >&2; exit 1")
		j.LogMaxSize, j.LogMaxFiles = 1, 2 // rotate, too
		jobs = append(jobs, j)
		e.run(j)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	deadline := time.Now().Add(patience)
	for ended := 0; ended < n && time.Now().Before(deadline); {
		k.turn(1)
		k.reap()
		k.flush()
		ended = 0
		for i := range k.high {
			if k.slots[i].phase == Ended {
				ended++
			}
		}
	}
	runtime.ReadMemStats(&after)
	if allocated := after.Mallocs - before.Mallocs; allocated != 0 {
		t.Errorf("%d allocations", allocated)
	}
	seen := map[Kind]int{}
	for readable(e.socket, 0) {
		b, files := e.receive()
		closeAll(files)
		kind, _ := KindOf(b)
		seen[kind]++
	}
	if seen[KindReady] != 1 || seen[KindStateEnd] != 1 || seen[KindState] == 0 || seen[KindFailed] != 1 || seen[KindExited] != n {
		t.Errorf("heard %v", seen)
	}
	for _, j := range jobs {
		e.drop(j.ID)
	}
	k.turn(0)
	k.turn(0)
	if k.used != 0 {
		t.Errorf("%d slots are in use", k.used)
	}
}

func FuzzHandle(f *testing.F) {
	id, _ := ParseID("abc")
	for _, b := range [][]byte{
		Marshal(Hello{}), Marshal(Drop{ID: id}), Marshal(Close{}), Marshal(Exited{}),
		Marshal(Run{ID: id, Process: Init, Log: 1, Pumps: 2, Hold: 1}),
		Marshal(Run{ID: id, Process: Exec, Flags: TTY, Pumps: 1, Cgroup: 1}),
		Marshal(KeepListener{ID: id}), Marshal(Leave{}),
	} {
		f.Add(b, uint8(5), []byte("PG\x01\x00"))
	}
	k, _ := newInside(f)
	f.Fuzz(func(t *testing.T, message []byte, files uint8, code []byte) {
		if len(message) > maxMessage {
			return
		}
		if len(code) > 0 {
			code[0] = 'X' // not a program: the fuzzer is not to run what it makes up
		}
		fd := memory(t, code)
		k.wire.files[0], k.wire.count = int32(fd), 1
		for range min(int(files), MaxDescriptors-1) {
			null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			k.wire.files[k.wire.count] = int32(null)
			k.wire.count++
		}
		k.handle(message)
		k.wire.closeFiles()
		k.owesReady, k.owesEnd, k.owesRefuse, k.closing = false, false, false, false
		if k.used != 0 {
			t.Fatalf("a program was run: %x", code)
		}
	})
}

func TestRubbishDoesNoHarm(t *testing.T) {
	e := startKeeper(t)
	j := e.shell("while true; do echo x; usleep 1000; done")
	e.run(j)
	_, running := expect[Started](e)
	defer e.kill(running[0])
	before := descriptors(t, e.keeper)
	random := rand.New(rand.NewPCG(1, 2))
	kinds := []Kind{KindHello, KindRun, KindDrop, 0, 99, KindState}
	for range 3000 {
		b := make([]byte, 1+random.IntN(maxMessage+50))
		for i := range b {
			b[i] = byte(random.Uint32() & random.Uint32() & random.Uint32())
		}
		if len(b) > 1 && random.IntN(8) > 0 {
			b[0], b[1] = Version, byte(kinds[random.IntN(len(kinds))])
		}
		files := make([]int, random.IntN(4))
		for i := range files {
			files[i] = int(os.Stdin.Fd())
		}
		e.send(b, files...)
		for readable(e.socket, 0) {
			_, got := e.receive()
			closeAll(got)
		}
	}
	for readable(e.socket, time.Second) {
		_, got := e.receive()
		closeAll(got)
	}
	if left := e.sync(); len(left) != 1 {
		t.Errorf("there is %+v", left)
	}
	if after := descriptors(t, e.keeper); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestAnEmptyMessageIsTheEndOfTheEngine(t *testing.T) {
	e := startKeeper(t)
	j := e.shell("exec sleep 1000")
	e.run(j)
	_, files := expect[Started](e)
	if err := unix.Sendmsg(e.socket, nil, unix.UnixRights(files...), nil, 0); err != nil {
		t.Fatal(err)
	}
	e.reconnect()
	if left := e.sync(); len(left) != 1 {
		t.Errorf("there is %+v", left)
	}
	e.kill(files[0])
}

func TestTheKeeperStartsOnlyInItsOwnEnvironment(t *testing.T) {
	requireBusybox(t)
	path, err := builtKeeper()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	cmd.Env = []string{"GOMAXPROCS=2"}
	out, err := cmd.CombinedOutput()
	if err == nil || string(out) != "tiffin-keeper: GOMAXPROCS is to be 1\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestAnIdleKeeperSleeps(t *testing.T) {
	e := startKeeper(t)
	e.sync()
	before := switches(t, e.keeper)
	for deadline := time.Now().Add(patience); ; { // it may still be on its way to sleep
		time.Sleep(300 * time.Millisecond)
		after := switches(t, e.keeper)
		if after == before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it is woken again and again: %s, then %s", before, after)
		}
		before = after
	}
}

func switches(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile("/proc/" + itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nvoluntary_ctxt_switches:")
	return rest
}

func TestTheKeeperIsSmall(t *testing.T) {
	e := startKeeper(t)
	path, err := builtKeeper()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	const size, memory = 1600 << 10, 1400 // bytes, kB
	pss := smaps(t, e.keeper, "Pss")
	t.Logf("%d bytes, %d kB PSS", info.Size(), pss)
	if info.Size() > size || pss > memory {
		t.Errorf("%d bytes (at most %d), %d kB PSS (at most %d)", info.Size(), size, pss, memory)
	}
}

func BenchmarkRun(b *testing.B) {
	e := startKeeper(b)
	dir := b.TempDir()
	for b.Loop() {
		j := e.newJob()
		j.logDir = dir
		r, w := e.pipe()
		j.pumps, j.inputs = []int{r}, []int{w}
		var p program.Builder
		p.Call("set stdout", unix.SYS_DUP3, p.Input("stdout"), program.Imm(1), program.Imm(0))
		execute(&p, "true")
		j.program = e.build(&p)
		if status := e.finish(j); status != 0 {
			b.Fatalf("got %#x", status)
		}
		e.drop(j.ID)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		startKeeper(b)
	}
}
