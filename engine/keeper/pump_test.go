package keeper

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine/logs/frame"
	"tiffin/engine/runtime/program"
)

func itoa(i int) string { return strconv.Itoa(i) }

// smaps reads a figure of a process's memory, in kB.
func smaps(tb testing.TB, pid int, key string) int {
	tb.Helper()
	text, err := os.ReadFile("/proc/" + itoa(pid) + "/smaps_rollup")
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				tb.Fatal(err)
			}
			return n
		}
	}
	tb.Fatalf("no %s of %d", key, pid)
	return 0
}

func rss(tb testing.TB, pid int) int {
	tb.Helper()
	return smaps(tb, pid, "Rss")
}

func TestMuchOutputTakesNoMemory(t *testing.T) {
	e := startKeeper(t)
	const mib = 192 // four times what is kept of it
	j := e.shell("yes 'a line of output, of some ninety characters, as programs write that have a lot to tell, and more' | head -c " + itoa(mib) + "m")
	j.LogMaxSize, j.LogMaxFiles = 16<<20, 3
	start := time.Now()
	if status := e.finish(j); status != 0 {
		t.Fatalf("got %#x", status)
	}
	took := time.Since(start)
	t.Logf("%d MiB in %v, %d kB RSS, %d kB PSS", mib, took, rss(t, e.keeper), smaps(t, e.keeper, "Pss"))
	if got := rss(t, e.keeper); got > 4096 {
		t.Errorf("RSS is %d kB", got)
	}
	for name, want := range map[string]bool{"log": true, "log.1": true, "log.2": true, "log.3": false} {
		info, err := os.Stat(filepath.Join(j.logDir, name))
		if (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && info.Size() > 16<<20 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
	// What is left is the end of the output, whole and in order.
	var kept []string
	for _, name := range []string{"log.2", "log.1", "log"} {
		kept = append(kept, output(t, filepath.Join(j.logDir, name), frame.Stdout))
	}
	end := strings.Join(kept, "")
	all := strings.Repeat("a line of output, of some ninety characters, as programs write that have a lot to tell, and more\n", mib<<20/97+1)[:mib<<20]
	if !strings.HasSuffix(all, end) || len(end) < 32<<20 {
		t.Errorf("the log's %d bytes are not the end of the output", len(end))
	}
}

func TestOneFileIsKeptWhenOneIsWanted(t *testing.T) {
	e := startKeeper(t)
	j := e.shell("for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 0.01; done")
	j.LogMaxSize, j.LogMaxFiles = 3*(frame.Overhead+2), 1
	e.finish(j)
	list, err := os.ReadDir(j.logDir)
	if err != nil || len(list) != 1 {
		t.Errorf("there are %v, %v", list, err)
	}
	if got := output(t, filepath.Join(j.logDir, "log"), frame.Stdout); !strings.HasSuffix("1\n2\n3\n4\n5\n6\n7\n8\n9\n", got) || got == "" {
		t.Errorf("got %q", got)
	}
}

func TestATornFrameIsTheEndOfItsFile(t *testing.T) {
	e := startKeeper(t)
	j := e.shell("echo second")
	whole := make([]byte, frame.HeaderSize, 100)
	frame.PutHeader(whole, frame.Header{Length: 6, Stream: frame.Stdout})
	whole = append(whole, "first\n\x06\x00\x00\x00"...)
	torn := append(whole, whole[:20]...)
	if err := os.WriteFile(filepath.Join(j.logDir, "log"), torn, 0o600); err != nil {
		t.Fatal(err)
	}
	j.LogMaxFiles = 1
	e.finish(j)
	if got := output(t, filepath.Join(j.logDir, "log"), frame.Stdout); got != "second\n" {
		t.Errorf("the log holds %q", got)
	}
	if got, err := os.ReadFile(filepath.Join(j.logDir, "log.1")); string(got) != string(torn) {
		t.Errorf("log.1 holds %q, %v", got, err)
	}

	again := e.shell("echo third")
	again.logDir = j.logDir
	e.finish(again)
	if got := output(t, filepath.Join(j.logDir, "log"), frame.Stdout); got != "second\nthird\n" {
		t.Errorf("the log holds %q", got)
	}
}

func TestAFullDiskLosesOutputAndSaysHowMuch(t *testing.T) {
	requireRoot(t)
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(disk, unix.MNT_DETACH) //nolint:errcheck // best effort
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 60<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	e := startKeeper(t)
	j := e.shell("head -c 100000 /dev/zero; read x; echo done")
	j.logDir = disk
	stdin, own := e.pipe()
	j.hold = []int{own}
	j.inputs = append(j.inputs, stdin)
	var b program.Builder
	for target := range 2 {
		b.Call("set an output", unix.SYS_DUP3, b.Input("output"), program.Imm(target+1), program.Imm(0))
	}
	b.Call("set the input", unix.SYS_DUP3, b.Input("input"), program.Imm(0), program.Imm(0))
	execute(&b, "sh", "-c", "head -c 100000 /dev/zero; read x; echo done")
	j.program = e.build(&b)
	line, err := unix.Dup(own)
	if err != nil {
		t.Fatal(err)
	}
	e.run(j)
	_, files := expect[Started](e)
	defer closeAll(files)
	for e.sync()[0].Lost < 90000 {
		time.Sleep(time.Millisecond)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(line, []byte("\n")); err != nil {
		t.Fatal(err)
	}
	closeAll([]int{line})
	expect[Exited](e)
	record, err := e.record(j.ID)
	if err != nil {
		t.Fatal(err)
	}
	var written, missing uint64
	list := readLog(t, filepath.Join(disk, "log"))
	for _, p := range list {
		if p.Flags == frame.Lost {
			n, err := frame.LostBytes([]byte(p.Text))
			if err != nil {
				t.Fatal(err)
			}
			missing += n
		} else {
			written += uint64(len(p.Text))
		}
	}
	if written+missing != 100005 || missing != record.Lost || list[len(list)-1].Text != "done\n" {
		t.Errorf("%d bytes are written, %d missing, and the record says %d", written, missing, record.Lost)
	}
}

func TestATerminalIsPumpedAndHandedOut(t *testing.T) {
	e := startKeeper(t)
	j := e.newJob()
	j.logDir = t.TempDir()
	j.Flags = TTY
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	j.pumps = pair[:1]
	j.inputs = pair[1:]
	var b program.Builder
	socket := b.Input("socket")
	master, slave := b.Register("master"), b.Register("slave")
	zero := b.Scratch(4)
	b.Call("begin a session", unix.SYS_SETSID)
	b.Call("open a terminal", unix.SYS_OPENAT, program.Imm(unix.AT_FDCWD), b.Str("/dev/ptmx"), program.Imm(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC), program.Imm(0)).Into(master)
	b.Call("unlock it", unix.SYS_IOCTL, master, program.Imm(unix.TIOCSPTLCK), zero)
	b.Call("open its other side", unix.SYS_IOCTL, master, program.Imm(unix.TIOCGPTPEER), program.Imm(unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)).Into(slave)
	b.Call("make it the session's", unix.SYS_IOCTL, slave, program.Imm(unix.TIOCSCTTY), program.Imm(0))
	b.SendDescriptor("hand it out", socket, master)
	for target := range 3 {
		b.Call("set stdio", unix.SYS_DUP3, slave, program.Imm(target), program.Imm(0))
	}
	execute(&b, "sh", "-c", "tty >/dev/null && read line && echo got $line; exit 5")
	j.program = e.build(&b)
	e.run(j)
	started, files := expect[Started](e)
	defer closeAll(files)
	if started.Console != 1 || len(files) != 2 {
		t.Fatalf("got %+v and %d descriptors", started, len(files))
	}
	if _, err := unix.Write(files[1], []byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	if exited, _ := expect[Exited](e); exited.Status != 5<<8 {
		t.Errorf("got %+v", exited)
	}
	if got := output(t, filepath.Join(j.logDir, "log"), frame.Stdout); got != "hello\r\ngot hello\r\n" {
		t.Errorf("the log holds %q", got)
	}
}

func TestOutputGoesOnAfterTheEnd(t *testing.T) {
	e := startKeeper(t)
	r, w := e.pipe()
	j := e.shell("{ cat <&3; } & echo first")
	// Like shell, with a pipe that what stays behind reads from.
	var b program.Builder
	for target := range 2 {
		b.Call("set an output", unix.SYS_DUP3, b.Input("output"), program.Imm(target+1), program.Imm(0))
	}
	b.Call("set an input", unix.SYS_DUP3, b.Input("input"), program.Imm(0), program.Imm(0))
	execute(&b, "sh", "-c", "exec 3<&0; cat <&3 & echo first")
	j.program = e.build(&b)
	j.inputs = append(j.inputs, r)
	e.run(j)
	_, files := expect[Started](e)
	closeAll(files)
	expect[Exited](e)
	log := filepath.Join(j.logDir, "log")
	if got := output(t, log, frame.Stdout); got != "first\n" {
		t.Errorf("at the exit the log holds %q", got)
	}
	if _, err := unix.Write(w, []byte("second\n")); err != nil {
		t.Fatal(err)
	}
	closeAll([]int{w})
	awaitOutput(t, log, func(stdout string) bool { return stdout == "first\nsecond\n" })
}
