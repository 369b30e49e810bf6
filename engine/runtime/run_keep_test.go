package runtime

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listening is a listener and its descriptor.
func listening(t *testing.T) (port string, file *os.File) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	port = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return port, file
}

func bindable(address string) bool {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", address)
	return err == nil && l.Close() == nil
}

// waits starts a container that runs until the test has ended.
func (b *bench) waits(t *testing.T) {
	t.Helper()
	x := b.box("echo up; read line")
	in, input, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(in, input) })
	x.Stdio.Stdin = in
	x.start()
}

// What is kept stays open over the end of an engine, and the next one gets it; what is forgotten is closed at once.
func TestKeeperKeepsWhatItIsGiven(t *testing.T) {
	b := newBench(t)
	b.waits(t)
	port, socket := listening(t)
	other, otherSocket := listening(t)
	for name, files := range map[string][]*os.File{"one": {socket, socket}, "two": {otherSocket}, "none": nil} {
		if err := b.keeper.Keep(t.Context(), name, files); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(socket, otherSocket)
	if err := b.keeper.Keep(t.Context(), "many", make([]*os.File, MaxKeptFiles+1)); err == nil {
		t.Error("too many descriptors are kept")
	}
	if err := b.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	if bindable(port) || bindable(other) {
		t.Fatal("the sockets were closed with the engine")
	}

	var err error
	b.keeper, err = DialKeeper(t.Context(), b.files.Socket)
	if err != nil {
		t.Fatal(err)
	}
	taken := b.keeper.TakeKept("one")
	if len(taken) != 2 {
		t.Fatalf("kept %d descriptors, want 2", len(taken))
	}
	l, err := net.FileListener(taken[0])
	if err != nil || l.Addr().String() != port {
		t.Fatalf("kept a listener %v: %v", l, err)
	}
	closeAll(append(taken, fileOf(t, l))...)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := len(b.keeper.Untaken()); got != 2 {
		t.Errorf("%d names are left, want 2", got)
	}
	for _, name := range []string{"one", "two", "unknown"} {
		if err := b.keeper.Forget(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	closeAll(b.keeper.TakeKept("two")...)
	if !bindable(port) || !bindable(other) {
		t.Error("a socket that was forgotten is still open")
	}
}

func fileOf(t *testing.T, l net.Listener) *os.File {
	t.Helper()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// revivable tells a keeper to start a shell in place of an engine, which says who it is and waits.
func (b *bench) revivable(t *testing.T) (said *bufio.Reader) {
	t.Helper()
	shell, err := os.Open("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(read, write, shell) })
	err = b.keeper.Revive(&Revival{
		Program: shell, Args: []string{"sh", "-c", `echo $WHO $(ls /proc/self/fd | wc -l); kill -STOP $$`}, Env: []string{"WHO=revived", "PATH=/bin"}, Log: write,
	})
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(read)
}

// children are the processes whose parent is the keeper.
func (b *bench) children(t *testing.T) []string {
	t.Helper()
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", b.keeper.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(list))
}

func TestKeeperRevivesAnEngineThatWasLost(t *testing.T) {
	b := newBench(t)
	b.waits(t)
	said := b.revivable(t)
	if err := b.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	line, err := said.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "revived 4") { // 0 to 2, and that of ls
		t.Errorf("the new engine says %q: %v", line, err)
	}
	pid := b.keeper.Pid()
	b.keeper, err = DialKeeper(t.Context(), b.files.Socket)
	if err != nil || b.keeper.Pid() != pid {
		t.Fatal(err)
	}
	killChildrenBut(t, b, b.keeper.Processes()[0].Pid())
}

func TestKeeperLetsAnEngineLeave(t *testing.T) {
	b := newBench(t)
	b.waits(t)
	b.revivable(t)
	b.keeper.Leave()
	if err := b.keeper.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	// The keeper answers after it has seen the engine end, which is when it would have started another.
	b.keeper, err = DialKeeper(t.Context(), b.files.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.children(t); len(got) != 1 {
		t.Errorf("children of the keeper: %v, want one", got)
	}
}

// killChildrenBut ends what the keeper has started of itself.
func killChildrenBut(t *testing.T, b *bench, pid int) {
	t.Helper()
	for _, child := range b.children(t) {
		if child == strconv.Itoa(pid) {
			continue
		}
		number, err := strconv.Atoi(child)
		if err == nil {
			err = unix.Kill(number, unix.SIGKILL)
		}
		if err != nil {
			t.Error(err)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for len(b.children(t)) > 1 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
}

// mountable is a socket as containers have it mounted.
func mountable(t *testing.T) (path string, file *os.File) {
	t.Helper()
	dir, err := os.MkdirTemp("", "s") //nolint:usetesting // t.TempDir's path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if file, err = l.File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(file) })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "s"), file
}

// Who connects to a socket that is kept gets an engine, whether the one before was there still when he did.
func TestKeeperIsCalledForAnEngineThatLeft(t *testing.T) {
	for name, early := range map[string]bool{"after it has left": false, "before": true} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.waits(t)
			said := b.revivable(t)
			path, socket := mountable(t)
			for range 2 { // the second takes the place of the first
				if err := b.keeper.KeepListener(t.Context(), "socket", []*os.File{socket}); err != nil {
					t.Fatal(err)
				}
			}
			call := func() {
				c, err := net.Dial("unix", path)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = c.Close() })
			}
			if early {
				call()
			}
			b.leaves(t)
			if !early {
				call()
				call()
			}
			line, err := said.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, "revived 4") { // 0 to 2, and that of ls
				t.Errorf("the new engine says %q: %v", line, err)
			}
			b.adopts(t)
			if files := b.keeper.TakeKept("socket"); len(files) != 1 {
				t.Errorf("the next engine gets %d files", len(files))
			} else {
				closeAll(files...)
			}
			if got := b.children(t); len(got) != 2 {
				t.Errorf("children of the keeper: %v, want the process and one engine", got)
			}
			killChildrenBut(t, b, b.keeper.Processes()[0].Pid())
		})
	}
}

// leaves is an engine that ends of its own will.
func (b *bench) leaves(t *testing.T) {
	t.Helper()
	b.keeper.Leave()
	if err := b.keeper.Close(); err != nil {
		t.Fatal(err)
	}
}

// adopts is another engine.
func (b *bench) adopts(t *testing.T) {
	t.Helper()
	var err error
	if b.keeper, err = DialKeeper(t.Context(), b.files.Socket); err != nil {
		t.Fatal(err)
	}
}
