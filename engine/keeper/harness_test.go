package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine/logs/frame"
	"tiffin/engine/runtime/program"
)

const busybox = "/bin/busybox"

// patience is how long a test waits for what is to happen, on a machine that has much else to do.
const patience = 2 * time.Minute

func requireBusybox(tb testing.TB) {
	tb.Helper()
	if _, err := os.Stat(busybox); err == nil {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatalf("%s is required", busybox)
	}
	tb.Skipf("needs %s", busybox)
}

func requireRoot(tb testing.TB) {
	tb.Helper()
	requireBusybox(tb)
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal("root is required")
	}
	tb.Skip("needs root")
}

// buildDir is removed after the last test.
var buildDir string

// builtKeeper is the real program, built once.
var builtKeeper = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "tiffin-keeper")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "tiffin/cmd/tiffin-keeper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the keeper: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tiffin-keeper-test")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// engine is the other end of a keeper's socket.
type engine struct {
	tb      testing.TB
	socket  int
	dir     string // with the listener's socket and the exit records
	keeper  int    // pid
	started int    // processes, for their IDs
}

// startKeeper starts the real program; it is ended with the test.
func startKeeper(tb testing.TB) *engine {
	tb.Helper()
	requireBusybox(tb)
	path, err := builtKeeper()
	if err != nil {
		tb.Fatal(err)
	}
	e := &engine{tb: tb, dir: tb.TempDir()}
	if err := os.Mkdir(e.records(), 0o700); err != nil {
		tb.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	e.socket = pair[0]
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: e.address(), Net: "unixpacket"})
	if err != nil {
		tb.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // the keeper has it
	listener.SetUnlinkOnClose(false)
	listening, err := listener.File()
	if err != nil {
		tb.Fatal(err)
	}
	defer listening.Close() //nolint:errcheck // the keeper has it
	records, err := os.Open(e.records())
	if err != nil {
		tb.Fatal(err)
	}
	defer records.Close() //nolint:errcheck // the keeper has it
	own := os.NewFile(uintptr(pair[1]), "keeper")
	defer own.Close() //nolint:errcheck // the keeper has it

	cmd := exec.Command(path)
	cmd.Env = []string{"GOMAXPROCS=1", "GOGC=off"}
	cmd.ExtraFiles = []*os.File{own, listening, records}
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil { // the process that detaches
		tb.Fatal(err)
	}
	e.send(Marshal(Hello{}))
	ready, files := expect[Ready](e)
	if len(files) != 1 || ready.Pid == 0 {
		tb.Fatalf("%+v came with %d descriptors", ready, len(files))
	}
	e.keeper = int(ready.Pid)
	tb.Cleanup(func() { e.stop(files[0]) })
	if _, files := expect[StateEnd](e); len(files) != 0 {
		tb.Fatal("StateEnd came with descriptors")
	}
	return e
}

func (e *engine) records() string { return filepath.Join(e.dir, "exits") }
func (e *engine) address() string { return filepath.Join(e.dir, "socket") }

// stop kills the keeper and waits for its end.
func (e *engine) stop(pidfd int) {
	_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
	e.awaitEnd(pidfd)
	_ = unix.Close(pidfd)
	_ = unix.Close(e.socket)
}

// awaitEnd waits for the end of the process of a pidfd.
func (e *engine) awaitEnd(pidfd int) {
	e.tb.Helper()
	if !readable(pidfd, patience) {
		e.tb.Errorf("a process has not ended after %s", patience)
	}
}

func readable(fd int, wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(deadline).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n == 1
		}
	}
}

func (e *engine) send(b []byte, files ...int) {
	e.tb.Helper()
	var control []byte
	if len(files) > 0 {
		control = unix.UnixRights(files...)
	}
	if err := unix.Sendmsg(e.socket, b, control, nil, unix.MSG_NOSIGNAL); err != nil {
		e.tb.Fatalf("send: %v", err)
	}
}

// receive waits for the next message.
func (e *engine) receive() ([]byte, []int) {
	e.tb.Helper()
	if !readable(e.socket, patience) {
		e.tb.Fatalf("no message after %s", patience)
	}
	b, control := make([]byte, 4096), make([]byte, 4096)
	n, oobn, _, _, err := unix.Recvmsg(e.socket, b, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		e.tb.Fatalf("receive: %v", err)
	}
	if n == 0 {
		e.tb.Fatal("the keeper has gone")
	}
	var files []int
	messages, err := unix.ParseSocketControlMessage(control[:oobn])
	if err != nil {
		e.tb.Fatal(err)
	}
	for _, m := range messages {
		list, err := unix.ParseUnixRights(&m)
		if err != nil {
			e.tb.Fatal(err)
		}
		files = append(files, list...)
	}
	return b[:n], files
}

// expect waits for the next message, which is to be an M.
func expect[M message](e *engine) (M, []int) {
	e.tb.Helper()
	b, files := e.receive()
	m, err := Unmarshal[M](b)
	if err != nil {
		kind, _ := KindOf(b)
		failed, _ := Unmarshal[Failed](b)
		e.tb.Fatalf("received kind %d (%+v), want a %T", kind, failed, m)
	}
	return m, files
}

// job is a process to be run.
type job struct {
	Run
	program *program.Program
	cgroup  []int
	logDir  string
	pumps   []int
	hold    []int
	inputs  []int
}

// newJob is a job with an ID of its own.
func (e *engine) newJob() *job {
	e.started++
	return &job{Run: Run{ID: mustID(e.tb, "job"+strconv.Itoa(e.started)), Process: Init}}
}

// shell is a job that runs a script, with its output going to a log.
func (e *engine) shell(script string) *job {
	j := e.newJob()
	j.logDir = e.tb.TempDir()
	var b program.Builder
	for target := range 2 {
		r, w := e.pipe()
		j.pumps = append(j.pumps, r)
		j.inputs = append(j.inputs, w)
		b.Call("set an output", unix.SYS_DUP3, b.Input("output"), program.Imm(target+1), program.Imm(0))
	}
	execute(&b, "sh", "-c", script)
	j.program = e.build(&b)
	return j
}

func execute(b *program.Builder, args ...string) {
	b.Call("run "+args[0], unix.SYS_EXECVE, b.Str(busybox), b.Ptrs(args), b.Ptrs([]string{"PATH=/bin:/usr/bin"}))
}

func (e *engine) build(b *program.Builder) *program.Program {
	e.tb.Helper()
	p, err := b.Program()
	if err != nil {
		e.tb.Fatal(err)
	}
	return p
}

func (e *engine) pipe() (r, w int) {
	e.tb.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		e.tb.Fatal(err)
	}
	return p[0], p[1]
}

// run sends a job off. The descriptors are the keeper's from then on.
func (e *engine) run(j *job) {
	e.tb.Helper()
	files := append([]int{memory(e.tb, j.program.Encode())}, j.cgroup...)
	j.Cgroup = uint8(len(j.cgroup))
	if j.logDir != "" {
		fd, err := unix.Open(j.logDir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			e.tb.Fatal(err)
		}
		files = append(files, fd)
		j.Log = 1
	}
	j.Pumps, j.Hold = uint8(len(j.pumps)), uint8(len(j.hold))
	files = append(append(append(files, j.pumps...), j.hold...), j.inputs...)
	e.send(Marshal(j.Run), files...)
	closeAll(files)
}

func closeAll(files []int) {
	for _, fd := range files {
		_ = unix.Close(fd)
	}
}

// memory is a file with the given content.
func memory(tb testing.TB, content []byte) int {
	tb.Helper()
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := unix.Write(fd, content); err != nil {
		tb.Fatal(err)
	}
	return fd
}

// finish runs a job to its end and returns its wait status.
func (e *engine) finish(j *job) uint32 {
	e.tb.Helper()
	e.run(j)
	started, files := expect[Started](e)
	closeAll(files)
	exited, _ := expect[Exited](e)
	if started.ID != j.ID || exited.ID != j.ID {
		e.tb.Fatalf("heard of %s and %s, not of %s", started.ID, exited.ID, j.ID)
	}
	return exited.Status
}

func (e *engine) drop(id ID) { e.send(Marshal(Drop{ID: id})) }

// record reads an exit record.
func (e *engine) record(id ID) (Record, error) {
	text, err := os.ReadFile(filepath.Join(e.records(), id.String()))
	if err != nil {
		return Record{}, err
	}
	return ParseRecord(string(text))
}

// sync returns when the keeper has done all that was asked of it.
func (e *engine) sync() []State {
	e.tb.Helper()
	e.send(Marshal(Hello{}))
	_, files := expect[Ready](e)
	closeAll(files)
	var list []State
	for {
		b, files := e.receive()
		closeAll(files)
		state, err := Unmarshal[State](b)
		if err != nil {
			return list
		}
		list = append(list, state)
	}
}

// reconnect leaves the keeper, as an engine that is killed does, and comes
// back as another one.
func (e *engine) reconnect() {
	e.tb.Helper()
	_ = unix.Close(e.socket)
	e.connect()
}

func (e *engine) connect() {
	e.tb.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		e.tb.Fatal(err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: e.address()}); err != nil {
		e.tb.Fatal(err)
	}
	e.socket = fd
}

// piece is a frame of a log file.
type piece struct {
	Stream frame.Stream
	Flags  frame.Flags
	Text   string
}

// readLog reads the frames of a log file that is not being written.
func readLog(tb testing.TB, path string) []piece {
	tb.Helper()
	list, rest := frames(tb, path)
	if rest > 0 {
		tb.Fatalf("%s: %d bytes after %d frames are none", path, rest, len(list))
	}
	return list
}

// frames reads the whole frames of a log file; the rest may be on its way.
func frames(tb testing.TB, path string) (list []piece, rest int) {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	for {
		h, err := frame.ParseHeader(b)
		if err != nil || len(b) < h.Size() {
			return list, len(b)
		}
		payload := b[frame.HeaderSize:][:h.Length]
		if n, err := frame.ParseTrailer(b[frame.HeaderSize+h.Length:]); n != h.Length || err != nil {
			tb.Fatalf("%s: a frame of %d bytes ends with %d, %v", path, h.Length, n, err)
		}
		list = append(list, piece{h.Stream, h.Flags, string(payload)})
		b = b[h.Size():]
	}
}

// output is what a log file holds of one stream.
func output(tb testing.TB, path string, stream frame.Stream) string {
	tb.Helper()
	return text(readLog(tb, path), stream)
}

func text(list []piece, stream frame.Stream) string {
	var s strings.Builder
	for _, p := range list {
		if p.Stream == stream && p.Flags == 0 {
			s.WriteString(p.Text)
		}
	}
	return s.String()
}

// awaitOutput waits until what a log holds of stdout is as it should be.
func awaitOutput(tb testing.TB, path string, ok func(stdout string) bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for {
		list, _ := frames(tb, path)
		if ok(text(list, frame.Stdout)) {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the log still holds %+v", list)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
