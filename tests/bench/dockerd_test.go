package bench

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiffin/tests/harness"
	"tiffin/tests/packages"
)

// BenchmarkDockerd asks the same docker CLI the same things of tiffin and of Debian's dockerd, in turn.
func BenchmarkDockerd(b *testing.B) {
	harness.RequireTool(b, "unshare", "bash")
	e := harness.New(b)
	e.Mirror(b, harness.Registry(b))
	e.Write(b, "one/compose.yaml", "services:\n  box:\n    image: busybox\n")
	e.OK(b, "--project-directory", "one", "pull")
	p := pair{b: b, binary: harness.Docker(b), home: e.Dir, tiffin: e.DockerHost(), dockerd: startDockerd(b)}
	archive := filepath.Join(e.Dir, "busybox.tar")
	p.do(p.tiffin, "save", "-o", archive, "busybox")
	p.do(p.dockerd, "load", "-i", archive)
	p.both("run", "--rm", "busybox", "true") // the networks are there from now on

	idle := []string{"--name", "idle", "busybox", "sleep", "1000"}
	p.compare(15, "version")
	p.compare(15, "run", "--rm", "busybox", "true")
	p.compare(15, "run", "--rm", "--network", "none", "busybox", "true")
	p.both(append([]string{"run", "-d"}, idle...)...)
	p.compare(15, "exec", "idle", "true")
	p.both("rm", "-f", "idle")

	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("idle-%d", i))
		p.both("create", "--name", names[i], "busybox", "sleep", "1000")
	}
	p.compare(15, "ps", "-a")
	p.compare(15, append([]string{"inspect"}, names[:100]...)...)
	p.both(append([]string{"start"}, names[:10]...)...)
	p.compare(15, "ps")
	p.compare(1, append([]string{"rm", "-f"}, names[:10]...)...)
	p.compare(1, append([]string{"rm", "-f"}, names[10:]...)...)
	if err := writeTable(os.Stdout, append([]row{floor(b)}, p.rows...)); err != nil {
		b.Fatal(err)
	}
}

// pair are two engines and the CLI that asks them.
type pair struct {
	b               *testing.B
	binary, home    string
	tiffin, dockerd string // values of DOCKER_HOST
	rows            []row
}

func (p *pair) do(host string, args ...string) {
	p.b.Helper()
	cmd := exec.CommandContext(p.b.Context(), p.binary, args...)
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+host, "HOME="+p.home)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.b.Fatalf("DOCKER_HOST=%s docker %v: %v\n%s", host, args, err, out)
	}
}

func (p *pair) both(args ...string) {
	p.b.Helper()
	p.do(p.dockerd, args...)
	p.do(p.tiffin, args...)
}

// compare takes turns, so that both meet the same noise of the machine.
func (p *pair) compare(times int, args ...string) {
	p.b.Helper()
	var theirs, ours []time.Duration
	for range times {
		theirs = append(theirs, measure(1, func() { p.do(p.dockerd, args...) })...)
		ours = append(ours, measure(1, func() { p.do(p.tiffin, args...) })...)
	}
	p.rows = append(p.rows, row{what: "docker " + title(args), took: ours, docker: median(theirs)})
}

// title is a command line, with a count in the place of many names.
func title(args []string) string {
	line := strings.Join(args, " ")
	if head, _, many := strings.Cut(line, " idle-"); many {
		return fmt.Sprintf("%s of %d", head, strings.Count(line, " idle-"))
	}
	return line
}

//go:embed dockerd.sh
var dockerdScript string

// startDockerd starts Debian's dockerd in namespaces of its own, and gives the value of DOCKER_HOST for it.
//
// It has the machine's cgroups, as tiffin has; its own folder in them is removed when it has ended.
func startDockerd(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	group := fmt.Sprintf("dockerd-bench-%d", os.Getpid())
	cmd := exec.Command("unshare", "--mount", "--net", "bash", "-euc", dockerdScript)
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PACKAGES=" + packages.Unpacked(b, packages.Firewalls...), "DIR=" + dir, "GROUP=/" + group,
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.Cleanup(func() {
		err := cmd.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, <-ended)
		groups, globErr := filepath.Glob("/sys/fs/cgroup/*/" + group)
		err = errors.Join(err, globErr)
		for _, g := range groups {
			err = errors.Join(err, os.Remove(g))
		}
		if err != nil {
			b.Errorf("end dockerd: %v\n%s", err, &out)
		}
	})
	socket := filepath.Join(dir, "docker.sock")
	harness.Until(b, time.Minute, "dockerd listens", func() bool {
		select {
		case err := <-ended:
			ended <- err
			b.Fatalf("dockerd has ended: %v\n%s", err, &out)
		default:
		}
		_, err := os.Stat(socket)
		return err == nil
	})
	return "unix://" + socket
}
