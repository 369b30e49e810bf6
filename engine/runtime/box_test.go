package runtime

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// keeperProgram builds the keeper once for all tests, as it is built for the product.
var keeperProgram = sync.OnceValues(func() (*os.File, error) {
	dir, err := os.MkdirTemp("", "keeper")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "tiffin-keeper")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "tiffin/cmd/tiffin-keeper")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, &os.PathError{Op: string(out), Path: path, Err: err}
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return SealProgram("tiffin-keeper", code)
})

// bench is a host, a keeper and a root filesystem with busybox in it: what a test needs to run containers.
type bench struct {
	testing.TB
	host   *Host
	keeper *Keeper
	files  KeeperFiles
	lower  string
	count  int
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	requireRoot(tb)
	host, err := ReadHost()
	if err != nil {
		tb.Fatal(err)
	}
	program, err := keeperProgram()
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	b := &bench{
		TB: tb, host: host, lower: busyboxRoot(tb),
		files: KeeperFiles{Socket: filepath.Join(dir, "k.sock"), Records: filepath.Join(dir, "exits")},
	}
	b.keeper, err = StartKeeper(tb.Context(), program, b.files)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.stop)
	return b
}

// stop kills what still runs and waits for the keeper to end.
func (b *bench) stop() {
	if b.keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for _, p := range b.keeper.Processes() {
		_ = p.Signal(unix.SIGKILL)
		if _, err := p.Wait(ctx); err != nil {
			b.Error(err)
		}
		p.Drop()
	}
	if err := b.keeper.Shutdown(ctx); err != nil {
		b.Error(err)
	}
	b.keeper = nil
}

// busyboxRoot is a directory with busybox under all of its names.
func busyboxRoot(tb testing.TB) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, name := range []string{"bin", "etc", "tmp", "proc", "sys", "dev"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	code, err := os.ReadFile("/bin/busybox")
	if err != nil {
		tb.Skipf("needs busybox-static: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), code, 0o755); err != nil {
		tb.Fatal(err)
	}
	list, err := exec.Command("/bin/busybox", "--list").Output()
	if err != nil {
		tb.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(list)) {
		if name != "busybox" {
			if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return dir
}

// box is one container of a test.
type box struct {
	*bench
	Container
	upper   string
	process *Process
	output  *output
}

// box makes a container with the default profile that runs a shell script.
func (b *bench) box(script string) *box {
	b.Helper()
	return b.boxOf(testSpec(b, "sh", "-c", script))
}

func (b *bench) boxOf(s *specs.Spec) *box {
	b.Helper()
	b.count++
	writable := layers(b, "upper", "work")
	for _, name := range []string{"upper", "who"} {
		if err := os.Remove(filepath.Join(writable[0], name)); err != nil {
			b.Fatal(err)
		}
	}
	root, err := MountOverlay([]string{b.lower}, writable[0], writable[1])
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { closeAll(root) })
	cgroup, warnings, err := b.host.Cgroups.Create(testCgroupPath(b, b.host.Cgroups)+itoa(b.count), s.Linux.Resources)
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range warnings {
		b.Log(w)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := cgroup.Destroy(ctx); err != nil {
			b.Error(err)
		}
	})
	out := newOutput(b)
	return &box{bench: b, upper: writable[0], output: out, Container: Container{
		ID: fmt.Sprintf("%08x%056x", os.Getpid(), b.count), Spec: s, Rootfs: root, Cgroup: cgroup,
		Stdio: Stdio{Stdout: out.write, Stderr: out.write},
	}}
}

// start starts the container.
func (x *box) start() *Process {
	x.Helper()
	p, err := x.try()
	if err != nil {
		x.Fatal(err)
	}
	return p
}

func (x *box) try() (*Process, error) {
	x.Helper()
	p, warnings, err := x.host.Start(x.Context(), x.keeper, &x.Container)
	for _, w := range warnings {
		x.Log(w)
	}
	x.process = p
	return p, err
}

// run starts the container, waits for its end, and returns what it said.
func (x *box) run() (said string, exit Exit) {
	x.Helper()
	p := x.start()
	exit = x.wait(p)
	p.Drop()
	return x.output.all(), exit
}

func (x *box) wait(p *Process) Exit {
	x.Helper()
	ctx, cancel := context.WithTimeout(x.Context(), 20*time.Second)
	defer cancel()
	exit, err := p.Wait(ctx)
	if err != nil {
		x.Fatal(err)
	}
	return exit
}

// exec runs another command in the container and returns what it said.
func (x *box) exec(change func(*specs.Process), args ...string) (said string, exit Exit, err error) {
	x.Helper()
	x.count++
	process := *x.Spec.Process
	process.Args, process.Terminal = args, false
	if change != nil {
		change(&process)
	}
	out := newOutput(x.bench)
	p, _, err := x.host.Exec(x.Context(), x.keeper, &Exec{
		ID: "exec-" + itoa(x.count), Container: x.ID, Pidfd: x.process.Pidfd(), Process: &process,
		Seccomp: x.Spec.Linux.Seccomp, Cgroup: x.Cgroup, Stdio: Stdio{Stdout: out.write, Stderr: out.write},
	})
	if err != nil {
		return "", Exit{}, err
	}
	exit = x.wait(p)
	p.Drop()
	return out.all(), exit, nil
}

// output collects what processes print.
type output struct {
	tb          testing.TB
	read, write *os.File
}

func newOutput(tb testing.TB) *output {
	tb.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { closeAll(r, w) })
	return &output{tb, r, w}
}

// line waits for one line.
func (o *output) line() string {
	o.tb.Helper()
	var line bytes.Buffer
	var b [1]byte
	if err := o.read.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		o.tb.Fatal(err)
	}
	for {
		if _, err := o.read.Read(b[:]); err != nil {
			o.tb.Fatalf("after %q: %v", line.String(), err)
		}
		if b[0] == '\n' {
			return line.String()
		}
		line.WriteByte(b[0])
	}
}

// all returns the rest, when nobody is left to write.
func (o *output) all() string {
	o.tb.Helper()
	closeAll(o.write)
	all, err := io.ReadAll(o.read)
	if err != nil {
		o.tb.Fatal(err)
	}
	return string(all)
}

// in is the same bench for a subtest.
func (b *bench) in(t *testing.T) *bench {
	t.Helper()
	return &bench{TB: t, host: b.host, keeper: b.keeper, files: b.files, lower: b.lower}
}

func itoa(n int) string { return strconv.Itoa(n) }

func contextThatIsOver() (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), time.Unix(1, 0))
}
