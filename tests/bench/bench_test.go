package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// BenchmarkTable prints the table; `make bench` runs it once.
func BenchmarkTable(b *testing.B) {
	harness.RequireTool(b, "unshare", "chroot", "tar")
	e := harness.New(b)
	e.Mirror(b, harness.Registry(b))
	e.Write(b, "one/compose.yaml", "services:\n  box:\n    image: busybox\n")
	e.OK(b, "--project-directory", "one", "pull")

	rows := []row{floor(b)}
	rows = append(rows, oneOff(b, e)...)
	rows = append(rows, stockDocker(b, e)...)
	for _, s := range []size{
		{services: 1, times: 7, docker: stackTimes{300, 83, 73, 102, 290}},
		{services: 10, times: 5, docker: stackTimes{1458, 105, 76, 100, 909}},
		{
			services: 50, times: 3, docker: stackTimes{6533, 187, 133, 106, 4085},
			budget: stackTimes{400, 40, 25, 20, 250},
		},
	} {
		rows = append(rows, stack(b, e, s)...)
	}
	rows = append(rows, healthy(b, e))
	rows = append(rows, builds(b, e)...)
	if err := writeTable(os.Stdout, rows); err != nil {
		b.Fatal(err)
	}
}

func measure(times int, f func()) []time.Duration {
	var took []time.Duration
	for range times {
		begin := time.Now()
		f()
		took = append(took, time.Since(begin))
	}
	return took
}

// floor is what the kernel needs for a process in namespaces of its own on another root, and nothing else.
func floor(b *testing.B) row {
	b.Helper()
	root := b.TempDir()
	store := harness.Images(b).Store()
	images, err := store.Images()
	if err != nil {
		b.Fatal(err)
	}
	archive, err := os.Create(filepath.Join(b.TempDir(), "rootfs.tar"))
	if err != nil {
		b.Fatal(err)
	}
	if err := store.WriteRootfs(archive, images["docker.io/library/busybox:latest"]); err != nil {
		b.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archive.Name(), "-C", root).CombinedOutput(); err != nil {
		b.Fatalf("unpack busybox: %v\n%s", err, out)
	}
	took := measure(20, func() {
		if out, err := exec.Command("unshare", "-mpnuif", "--fork", "chroot", root, "true").CombinedOutput(); err != nil {
			b.Fatalf("unshare: %v\n%s", err, out)
		}
	})
	return row{what: "floor: unshare + chroot", took: took}
}

// oneOff are containers that run one command.
func oneOff(b *testing.B, e *harness.Tiffin) []row {
	b.Helper()
	run := func() { e.OK(b, "--project-directory", "one", "run", "--rm", "box", "true") }
	run() // the engine and the network are there from now on
	bridged := measure(15, run)
	e.OK(b, "--project-directory", "one", "down")
	e.Write(b, "none/compose.yaml", "services:\n  box:\n    image: busybox\n    network_mode: none\n")
	alone := measure(15, func() { e.OK(b, "--project-directory", "none", "run", "--rm", "box", "true") })
	e.OK(b, "--project-directory", "none", "down")
	return []row{
		{"run --rm", bridged, 228 * time.Millisecond, 20 * time.Millisecond},
		{"run --rm, no network", alone, 133 * time.Millisecond, 0},
	}
}

// stackTimes are figures for a stack, in milliseconds.
type stackTimes struct{ up, again, ps, exec, down int }

type size struct {
	services, times int
	docker, budget  stackTimes
}

// stack takes independent services up and down, and looks at them in between.
func stack(b *testing.B, e *harness.Tiffin, s size) []row {
	b.Helper()
	dir := fmt.Sprintf("stack%d", s.services)
	e.Write(b, dir+"/compose.yaml", independent(s.services))
	tiffin := func(args ...string) func() {
		return func() { e.OK(b, append([]string{"--project-directory", dir}, args...)...) }
	}
	var up, again, ps, execs, back, down []time.Duration
	for range s.times {
		up = append(up, measure(1, tiffin("up", "-d"))...)
		again = append(again, measure(3, tiffin("up", "-d"))...)
		ps = append(ps, measure(3, tiffin("ps"))...)
		execs = append(execs, measure(3, tiffin("exec", "-T", "s1", "true"))...)
		back = append(back, revival(b, e))
		down = append(down, measure(1, tiffin("down"))...)
	}
	name := func(what string) string { return fmt.Sprintf("%s, %d services", what, s.services) }
	unit := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	return []row{
		{name("up -d"), up, unit(s.docker.up), unit(s.budget.up)},
		{name("up -d again"), again, unit(s.docker.again), unit(s.budget.again)},
		{name("ps"), ps, unit(s.docker.ps), unit(s.budget.ps)},
		{name("exec -T"), execs, unit(s.docker.exec), unit(s.budget.exec)},
		{name("engine back after kill -9"), back, 0, 0},
		{name("down"), down, unit(s.docker.down), unit(s.budget.down)},
	}
}

// revival kills the engine and waits until another one listens, which by then has adopted all that runs.
func revival(b *testing.B, e *harness.Tiffin) time.Duration {
	b.Helper()
	var pid int
	if _, err := fmt.Sscanf(e.OK(b, "engine", "status"), "pid: %d", &pid); err != nil {
		b.Fatal(err)
	}
	socket := filepath.Join(e.Run, "tiffin.sock")
	begin := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		b.Fatal(err)
	}
	listens := func() bool {
		c, err := net.Dial("unix", socket)
		return err == nil && c.Close() == nil
	}
	for listens() { // the dying one
	}
	for !listens() {
		if time.Since(begin) > 20*time.Second {
			b.Fatal("no engine came back")
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(begin)
}

// healthy takes a chain of ten up, each link waiting for the health of the one before.
func healthy(b *testing.B, e *harness.Tiffin) row {
	b.Helper()
	e.Write(b, "chain/compose.yaml", chain(10))
	var took []time.Duration
	for range 3 {
		took = append(took, measure(1, func() { e.OK(b, "--project-directory", "chain", "up", "-d", "--wait") })...)
		out := e.OK(b, "--project-directory", "chain", "ps", "--format", "json")
		if n := strings.Count(out, `"Health":"healthy"`); n != 10 {
			b.Fatalf("%d of 10 services are healthy:\n%s", n, out)
		}
		e.OK(b, "--project-directory", "chain", "down")
	}
	return row{"chain of 10 healthy", took, 16624 * time.Millisecond, 300 * time.Millisecond}
}
