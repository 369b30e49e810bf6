package keeper

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"tiffin/engine/logs/frame"
	"tiffin/engine/runtime/program"
)

// held says that a process comes with its descriptors, for comparing.
type held struct {
	ID     string
	Phase  Phase
	Status uint32
	Held   []string // what the descriptors lead to
}

// adopt connects as another engine does and hears what there is.
func (e *engine) adopt() []held {
	e.tb.Helper()
	e.reconnect()
	e.send(Marshal(Hello{}))
	_, files := expect[Ready](e)
	closeAll(files)
	var list []held
	for {
		b, files := e.receive()
		state, err := Unmarshal[State](b)
		if err != nil {
			return list
		}
		if len(files) != int(state.Pidfd+state.Console+state.Hold) {
			e.tb.Errorf("%+v came with %d descriptors", state, len(files))
		}
		h := held{ID: state.ID.String(), Phase: state.Phase, Status: state.Status}
		for _, fd := range files {
			name, err := os.Readlink("/proc/self/fd/" + itoa(fd))
			if err != nil {
				e.tb.Error(err)
			}
			h.Held = append(h.Held, name)
		}
		closeAll(files)
		list = append(list, h)
	}
}

func TestAnotherEngineFindsEverything(t *testing.T) {
	e := startKeeper(t)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	stays := e.shell("echo before; read x; echo $x; exit 1")
	stdin, line := e.pipe()
	stays.program = e.shellWithInput("echo before; read x; echo $x; exit 1")
	stays.inputs = append(stays.inputs, stdin)
	stays.hold = []int{null}
	e.run(stays)
	_, files := expect[Started](e)
	closeAll(files)

	ended := e.shell("exit 3")
	e.finish(ended)

	unheard := e.shell("read x; exit 4")
	in, out := e.pipe()
	unheard.program = e.shellWithInput("read x; exit 4")
	unheard.inputs = append(unheard.inputs, in)
	e.run(unheard)
	_, pidfd := expect[Started](e)

	// The engine is gone; meanwhile one more ends.
	_ = unix.Close(e.socket)
	closeAll([]int{out})
	e.awaitEnd(pidfd[0])
	closeAll(pidfd)
	e.socket = -1

	got := e.adopt()
	want := []held{
		{ID: stays.ID.String(), Phase: Running, Held: []string{"anon_inode:[pidfd]", "/dev/null"}},
		{ID: ended.ID.String(), Phase: Ended, Status: 3 << 8, Held: []string{"anon_inode:[pidfd]"}},
		{ID: unheard.ID.String(), Phase: Ended, Status: 4 << 8, Held: []string{"anon_inode:[pidfd]"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// Who has outlived the engine goes on as if nothing had happened.
	if _, err := unix.Write(line, []byte("after\n")); err != nil {
		t.Fatal(err)
	}
	exited, _ := expect[Exited](e)
	if exited.ID != stays.ID || exited.Status != 1<<8 {
		t.Errorf("got %+v", exited)
	}
	if got := output(t, filepath.Join(stays.logDir, "log"), frame.Stdout); got != "before\nafter\n" {
		t.Errorf("the log holds %q", got)
	}
	for _, id := range []ID{stays.ID, ended.ID, unheard.ID} {
		e.drop(id)
	}
	if left := e.sync(); len(left) != 0 {
		t.Errorf("there is %+v", left)
	}
}

func TestWhatIsTetheredEndsWithTheEngine(t *testing.T) {
	e := startKeeper(t)
	stays, goes := e.shell("exec sleep 1000"), e.shell("exec sleep 1000")
	goes.Flags = Tethered
	e.run(stays)
	_, files := expect[Started](e)
	defer e.kill(files[0])
	e.run(goes)
	_, pidfd := expect[Started](e)

	_ = unix.Close(e.socket)
	e.awaitEnd(pidfd[0])
	closeAll(pidfd)
	e.socket = -1

	got := e.adopt()
	want := []held{
		{ID: stays.ID.String(), Phase: Running, Held: []string{"anon_inode:[pidfd]"}},
		{ID: goes.ID.String(), Phase: Ended, Status: 9, Held: []string{"anon_inode:[pidfd]"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// shellWithInput is the program of shell, with a third input for stdin.
func (e *engine) shellWithInput(script string) *program.Program {
	e.tb.Helper()
	var b program.Builder
	for _, target := range []int{1, 2, 0} {
		b.Call("set stdio", unix.SYS_DUP3, b.Input("stdio "+itoa(target)), program.Imm(target), program.Imm(0))
	}
	execute(&b, "sh", "-c", script)
	return e.build(&b)
}

func TestALaterEngineReplacesTheOneThereIs(t *testing.T) {
	e := startKeeper(t)
	first := e.socket
	e.connect()
	if left := e.sync(); len(left) != 0 {
		t.Errorf("there is %+v", left)
	}
	if !readable(first, patience) {
		t.Fatal("the first one is not told")
	}
	if n, err := unix.Read(first, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the first one reads %d, %v", n, err)
	}
	closeAll([]int{first})
}

func TestAnEngineThatDoesNotListenStopsNothing(t *testing.T) {
	e := startKeeper(t)
	const processes = 40
	for range processes {
		e.finish(e.shell("exit 9"))
	}
	j := e.shell("while true; do echo x; usleep 1000; done")
	e.run(j)
	_, files := expect[Started](e)
	defer e.kill(files[0])

	// It asks for more than the socket holds and reads nothing of it.
	for e.trySend(Marshal(Hello{})) {
	}
	log := filepath.Join(j.logDir, "log")
	before, _ := frames(t, log)
	awaitOutput(t, log, func(stdout string) bool { return len(stdout) > 2*len(before)+20 })

	// It listens again, and all is as before.
	for readable(e.socket, time.Second) {
		_, files := e.receive()
		closeAll(files)
	}
	if left := e.sync(); len(left) != processes+1 {
		t.Errorf("heard of %d", len(left))
	}
}

// trySend sends a message if the socket has room for it.
func (e *engine) trySend(b []byte) bool {
	return unix.Sendmsg(e.socket, b, nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) == nil
}

func TestStdinIsHeldForTheNextEngine(t *testing.T) {
	e := startKeeper(t)
	j := e.shell("")
	j.program = e.shellWithInput("cat")
	r, w := e.pipe()
	j.inputs = append(j.inputs, r)
	j.hold = []int{w}
	e.run(j)
	_, files := expect[Started](e)
	closeAll(files)
	e.reconnect()
	e.send(Marshal(Hello{}))
	_, files = expect[Ready](e)
	closeAll(files)
	_, files = expect[State](e)
	expect[StateEnd](e)
	if len(files) != 2 {
		t.Fatalf("got %d descriptors", len(files))
	}
	if _, err := unix.Write(files[1], []byte("typed\n")); err != nil {
		t.Fatal(err)
	}
	awaitOutput(t, filepath.Join(j.logDir, "log"), func(stdout string) bool { return stdout == "typed\n" })
	closeAll(files)
}

func TestManyProcessesAreToldOf(t *testing.T) {
	e := startKeeper(t)
	const n = 300
	for range n {
		j := e.shell("exit 1")
		j.hold = []int{j.inputs[0]}
		if n, err := unix.Dup(j.inputs[0]); err == nil {
			j.hold = []int{n}
		}
		e.finish(j)
	}
	got := e.adopt()
	if len(got) != n {
		t.Fatalf("heard of %d", len(got))
	}
	for i, h := range got {
		if h.ID != "job"+strconv.Itoa(i+1) || len(h.Held) != 2 {
			t.Errorf("the %d. is %+v", i, h)
		}
	}
}
