package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// running starts a container that does nothing until it is killed.
func (b *bench) running() *box {
	b.Helper()
	x := b.box("echo up; while :; do sleep 60; done")
	x.start()
	if got := x.output.line(); got != "up" {
		b.Fatal(got)
	}
	return x
}

func TestExec(t *testing.T) {
	b := newBench(t)
	x := b.running()
	x.TB = t
	cases := map[string]struct {
		change func(*specs.Process)
		script string
		want   string
		code   int
	}{
		"the exit code is told": {script: "echo hi; exit 5", want: "hi\n", code: 5},
		"it is in the container's namespaces": {
			script: `for n in cgroup ipc mnt net pid time uts; do [ "$(readlink /proc/self/ns/$n)" = "$(readlink /proc/1/ns/$n)" ] || echo $n; done; hostname`,
			want:   "box\n",
		},
		"it is in the container's cgroups": {
			script: "grep -v -E ':(cpuset|freezer|name=systemd|hugetlb|net_cls|net_prio|perf_event|rdma|misc)?:/$' /proc/self/cgroup | grep -v ':/$'",
			code:   1,
		},
		"it has the container's rights and no more": {
			script: `grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status`,
			want: "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n" +
				"CapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n",
		},
		"another user in another place": {
			change: func(p *specs.Process) { p.User = specs.User{UID: 5, GID: 6}; p.Cwd = "/etc" },
			script: "id; pwd", want: "uid=5 gid=6\n/etc\n",
		},
		"it gets no descriptor but three": {
			change: func(p *specs.Process) { p.Args = []string{"ls", "/proc/self/fd"} },
			want:   "0\n1\n2\n3\n", // 3 is ls's own
		},
		"nothing comes in": {script: "cat; echo end", want: "end\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			said, exit, err := x.exec(c.change, "sh", "-c", c.script)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, said); diff != "" || exit.Code() != c.code {
				t.Errorf("exit %d, -want +got\n%s", exit.Code(), diff)
			}
		})
	}
}

func TestExecThatCannotBe(t *testing.T) {
	b := newBench(t)
	x := b.running()
	if _, _, err := x.exec(nil, "nothing"); !errors.Is(err, ErrCommandNotFound) {
		t.Errorf("got %v", err)
	}
	missing := func(p *specs.Process) { p.Cwd = "/not/there" }
	if _, _, err := x.exec(missing, "true"); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "working directory /not/there") {
		t.Errorf("got %v", err)
	}
	// The pidfd outlives the process, so that nothing else can be taken for the container.
	if err := x.process.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	x.wait(x.process)
	if _, _, err := x.exec(nil, "true"); !errors.Is(err, unix.ESRCH) {
		t.Errorf("got %v", err)
	}
}

// As systemd does, and an engine in a container.
func TestExecInAContainerWithControlGroupsOfItsOwn(t *testing.T) {
	b := newBench(t)
	if b.host.Cgroups.Unified == "" {
		t.Skip("needs a v2 tree")
	}
	controllers, err := os.ReadFile(filepath.Join(b.host.Cgroups.Unified, "cgroup.controllers"))
	if err != nil || len(strings.Fields(string(controllers))) == 0 {
		t.Skip("needs a v2 controller")
	}
	controller := strings.Fields(string(controllers))[0]
	giveBack(t, b.host.Cgroups, controller)
	x := b.box("cd /sys/fs/cgroup; [ -d unified ] && cd unified; mkdir leaf && echo 1 >leaf/cgroup.procs && echo +" + controller +
		" >cgroup.subtree_control && echo up; while :; do sleep 60; done")
	privileged(b)(x.Spec)
	giveDown(t, b.host.Cgroups, x.Cgroup, controller)
	x.start()
	if got := x.output.line(); got != "up" {
		t.Fatal(got)
	}
	said, _, err := x.exec(nil, "grep", "0::", "/proc/self/cgroup")
	if err != nil || said != "0::/leaf\n" {
		t.Errorf("said %q, %v", said, err)
	}
}

// giveBack takes a controller away again at the end, if giveDown is what gives it to control groups of a hybrid host.
func giveBack(t *testing.T, tree *CgroupTree, controller string) {
	t.Helper()
	control := filepath.Join(tree.Unified, "cgroup.subtree_control")
	given, err := os.ReadFile(control)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(strings.Fields(string(given)), controller) {
		t.Cleanup(func() {
			if err := writeFile(control, "-"+controller); err != nil {
				t.Error(err)
			}
		})
	}
}

// giveDown enables a controller for a control group, where Create has not done so: on a hybrid host.
func giveDown(t *testing.T, tree *CgroupTree, c *Cgroup, controller string) {
	t.Helper()
	for _, dir := range []string{tree.Unified, filepath.Dir(c.dirs[""])} {
		if err := writeFile(filepath.Join(dir, "cgroup.subtree_control"), "+"+controller); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTerminal(t *testing.T) {
	b := newBench(t)
	x := b.box("tty; stty size; ls -l /dev/console | cut -c1; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; read l; echo got $l; trap 'echo int; exit 9' INT; echo trapped; while :; do sleep 1; done")
	x.Spec.Process.Terminal = true
	x.Spec.Process.ConsoleSize = &specs.Box{Height: 40, Width: 132}
	p := x.start()
	console := p.Console()
	if console == nil {
		t.Fatal("no console")
	}
	screen := &output{t, console, console}
	for _, want := range []string{"/dev/pts/0", "40 132", "c", "terminal"} {
		if got := strings.TrimSuffix(screen.line(), "\r"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if _, err := console.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"hello", "got hello", "trapped"} {
		if got := strings.TrimSuffix(screen.line(), "\r"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if err := p.Resize(100, 30); err != nil {
		t.Error(err)
	}
	if _, err := console.WriteString("\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	if exit := x.wait(p); exit.Code() != 9 {
		t.Errorf("exit %d", exit.Code())
	}
	if err := p.Resize(1, 1); err != nil {
		t.Errorf("resize after the end: %v", err)
	}
	p.Drop()
}

func TestTerminalOfAnExec(t *testing.T) {
	b := newBench(t)
	x := b.running()
	process := *x.Spec.Process
	process.Terminal = true
	process.Args = []string{"sh", "-c", "tty; echo $$ >/dev/console && cat /proc/self/stat | cut -d' ' -f7"}
	p, _, err := b.host.Exec(t.Context(), b.keeper, &Exec{
		ID: "t1", Container: x.ID, Pidfd: x.process.Pidfd(), Process: &process, Cgroup: x.Cgroup,
	})
	if err != nil {
		t.Fatal(err)
	}
	screen := &output{t, p.Console(), p.Console()}
	if got := strings.TrimSuffix(screen.line(), "\r"); got != "/dev/pts/0" {
		t.Errorf("got %q", got)
	}
	x.wait(p)
	p.Drop()
}

func TestRunJoinsNamespacesOfOthers(t *testing.T) {
	b := newBench(t)
	first := b.running()
	pidfd := first.process.Pidfd()
	kinds := map[specs.LinuxNamespaceType]string{
		specs.PIDNamespace: "pid", specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts",
	}
	for kind, name := range kinds {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			theirs, _, err := first.exec(nil, "readlink", "/proc/self/ns/"+name)
			if err != nil {
				t.Fatal(err)
			}
			x := b.box("readlink /proc/self/ns/" + name + "; hostname; cat /proc/[0-9]*/cmdline | grep -c '[s]leep'")
			x.ID = strings.Repeat("f", 62) + name[:2]
			x.Join = map[specs.LinuxNamespaceType]*os.File{kind: pidfd}
			if kind == specs.UTSNamespace {
				x.Spec.Hostname = ""
			}
			said, exit := x.run()
			lines := strings.Split(said, "\n")
			if len(lines) < 3 || lines[0]+"\n" != theirs || lines[1] != "box" {
				t.Errorf("exit %d, said %q; theirs is %q", exit.Code(), said, theirs)
			}
			// A process of the same PID namespace sees the other container's.
			if alone := lines[2] == "0"; alone == (kind == specs.PIDNamespace) {
				t.Errorf("it sees %s lines of processes that sleep", lines[2])
			}
		})
	}
}

func TestRunInTheHostsNamespaces(t *testing.T) {
	b := newBench(t)
	x := b.box("readlink /proc/self/ns/pid; readlink /proc/self/ns/net; echo $$")
	x.Spec.Hostname, x.Spec.Linux.Sysctl = "", nil
	x.Spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.IPCNamespace}}
	said, exit := x.run()
	pid, _ := os.Readlink("/proc/self/ns/pid")
	network, _ := os.Readlink("/proc/self/ns/net")
	if exit.Code() != 0 || !strings.HasPrefix(said, pid+"\n"+network+"\n") || strings.HasSuffix(said, "\n1\n") {
		t.Errorf("exit %d, said %q", exit.Code(), said)
	}
}

func TestRunJoinsANamespaceByPath(t *testing.T) {
	b := newBench(t)
	x := b.box("readlink /proc/self/ns/net")
	x.Spec.Linux.Sysctl = nil
	for i, n := range x.Spec.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			x.Spec.Linux.Namespaces[i].Path = "/proc/self/ns/net"
		}
	}
	said, _ := x.run()
	if host, _ := os.Readlink("/proc/self/ns/net"); said != host+"\n" {
		t.Errorf("said %q", said)
	}
	wrong := b.box("true")
	for i, n := range wrong.Spec.Linux.Namespaces {
		if n.Type == specs.NetworkNamespace {
			wrong.Spec.Linux.Namespaces[i].Path = "/proc/self/ns/uts"
		}
	}
	if _, err := wrong.try(); !errors.Is(err, unix.EINVAL) || !strings.Contains(err.Error(), "join network namespace") {
		t.Errorf("got %v", err)
	}
}

func TestStartThatIsGivenUpLeavesNothing(t *testing.T) {
	b := newBench(t)
	x := b.box("sleep 60")
	gone, cancel := contextThatIsOver()
	defer cancel()
	if _, _, err := b.host.Start(gone, b.keeper, &x.Container); err == nil {
		t.Fatal("it started")
	}
	// A keeper ends when it has no process left; this one has until then to get rid of it.
	b.stop()
	if pids, err := x.Cgroup.Pids(); len(pids) != 0 || err != nil {
		t.Errorf("%v are left, %v", pids, err)
	}
}
