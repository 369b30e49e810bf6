package runtime

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestRunDefaultProfile(t *testing.T) {
	b := newBench(t)
	cases := map[string]struct {
		script string
		change func(*specs.Spec)
		want   string
	}{
		"the exit code is told": {script: "echo hello; exit 3", want: "hello\nexit 3\n"},
		"capabilities are the fourteen, inheritable and ambient are none": {
			script: `grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status`,
			want: `CapInh:	0000000000000000
CapPrm:	00000000a80425fb
CapEff:	00000000a80425fb
CapBnd:	00000000a80425fb
CapAmb:	0000000000000000
NoNewPrivs:	0
Seccomp:	2
`,
		},
		"no_new_privs": {
			script: `grep -E '^(CapEff|NoNewPrivs|Seccomp:)' /proc/self/status`,
			change: func(s *specs.Spec) { s.Process.NoNewPrivileges = true },
			want:   "CapEff:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n",
		},
		"a user has the bounding set and nothing in effect": {
			script: `grep -E '^(Uid|Gid|Groups|Cap)' /proc/self/status; umask`,
			change: func(s *specs.Spec) {
				s.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{7, 1001}, Umask: new(uint32(0o27))}
			},
			want: "Uid:\t1000\t1000\t1000\t1000\nGid:\t1001\t1001\t1001\t1001\nGroups:\t7 1001 \nCapInh:\t0000000000000000\n" +
				"CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n0027\n",
		},
		"a user can open the standard streams again": {
			script: "echo out >/dev/stdout; echo err >/dev/stderr",
			change: func(s *specs.Spec) { s.Process.User.UID = 1000 },
			want:   "out\nerr\n",
		},
		"signals are neither blocked nor ignored": {
			script: "-", // not by a shell, which has its own mind about signals
			change: func(s *specs.Spec) { s.Process.Args = []string{"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"} },
			want:   "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n",
		},
		"the process leads its session": {
			script: `set -- $(cat /proc/1/stat); echo $1 $5 $6 $7`, want: "1 1 1 0\n",
		},
		"names": {
			script: "hostname; cat /proc/sys/kernel/domainname; id",
			change: func(s *specs.Spec) { s.Domainname = "example" },
			want:   "box\nexample\nuid=0 gid=0\n",
		},
		"the environment is the spec's alone": {
			script: "env | grep -v -E '^(SHLVL|PWD)' | sort", want: "HOME=/root\nPATH=/usr/bin:/bin\n",
		},
		"sysctls": {
			script: "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced",
			change: func(s *specs.Spec) { s.Linux.Sysctl["kernel.shm_rmid_forced"] = "1" },
			want:   "0\n1\n",
		},
		"rlimits": {
			script: "ulimit -Sn; ulimit -Hn",
			change: func(s *specs.Spec) {
				s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 512, Hard: 600}}
			},
			want: "512\n600\n",
		},
		"descriptors are limited as for the engine's starter": {
			script: "ulimit -Sn", want: starterFiles(t),
		},
		"oom_score_adj": {
			script: "cat /proc/self/oom_score_adj",
			change: func(s *specs.Spec) { s.Process.OOMScoreAdj = new(300) },
			want:   "300\n",
		},
		"the working directory is made": {
			script: "pwd; ls -ld . | cut -c1-10",
			change: func(s *specs.Spec) { s.Process.Cwd = "/made/for/me" },
			want:   "/made/for/me\ndrwxr-xr-x\n",
		},
		"seccomp forbids what Docker's profile does": {
			script: "unshare -U true; mount -t tmpfs x /tmp",
			want:   "unshare: unshare(0x10000000): Operation not permitted\nmount: permission denied (are you root?)\nexit 1\n",
		},
		"a privileged container may": {
			script: "mount -t tmpfs x /tmp && for d in /sys/fs/cgroup/*; do [ -d $d ] || d=/sys/fs/cgroup; [ -d $d/sub ] || mkdir $d/sub; done && ls /proc/timer_list",
			change: privileged(b),
			want:   "/proc/timer_list\n",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			x := b.box(c.script)
			if c.change != nil {
				c.change(x.Spec)
			}
			said, exit := x.run()
			if exit.Code() != 0 {
				said += "exit " + itoa(exit.Code()) + "\n"
			}
			if diff := cmp.Diff(c.want, said); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// starterFiles is the soft limit of descriptors that this process was started with, which Go gives back to a child.
func starterFiles(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-c", "ulimit -Sn").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// privileged is what a privileged container has, see security.md 2.6.
func privileged(b *bench) func(*specs.Spec) {
	return func(s *specs.Spec) {
		all := b.host.Capabilities.Names()
		s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all}
		s.Linux.Seccomp, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil, nil
		for i := range s.Mounts {
			s.Mounts[i].Options = slices.DeleteFunc(s.Mounts[i].Options, func(o string) bool { return o == "ro" })
		}
	}
}

func TestRunSeesNoDescriptorButThreeAndNoProcessOfTheHost(t *testing.T) {
	b := newBench(t)
	x := b.box("echo up; sleep 60; true")
	x.start()
	if got := x.output.line(); got != "up" {
		t.Fatal(got)
	}
	said, _, err := x.exec(nil, "sh", "-c", "ls /proc/1/fd; ps -o pid,args | grep -v 'ps -o'; readlink /proc/1/exe")
	if err != nil {
		t.Fatal(err)
	}
	want := "0\n1\n2\nPID   COMMAND\n    1 sh -c echo up; sleep 60; true\n"
	if !strings.HasPrefix(said, want) || !strings.HasSuffix(said, "/bin/busybox\n") {
		t.Errorf("got\n%s", said)
	}
}

func TestRunSessionKeyringIsTheContainersOwn(t *testing.T) {
	b := newBench(t)
	x := b.running()
	x.TB = t
	// Each process joins the one that is called like the container. Others are listed, too, if they are of the same user.
	said, _, err := x.exec(nil, "sh", "-c", "grep -c '_ses."+x.ID+"' /proc/keys")
	if err != nil || said != "0\n" {
		t.Errorf("masked: %q, %v", said, err)
	}
	open := b.box("")
	open.Spec.Linux.MaskedPaths = nil
	open.Spec.Process.Args = []string{"grep", "-c", "_ses." + open.ID, "/proc/keys"}
	if said, _ := open.run(); said != "1\n" {
		t.Errorf("said %q", said)
	}
}

func TestRunNamespacesAreNotTheHosts(t *testing.T) {
	b := newBench(t)
	said, _ := b.box("for n in cgroup ipc mnt net pid time uts; do readlink /proc/self/ns/$n; done").run()
	lines := strings.Fields(said)
	if len(lines) != 7 {
		t.Fatalf("got %q", said)
	}
	for _, line := range lines {
		kind, _, _ := strings.Cut(line, ":")
		host, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		if host == line {
			t.Errorf("%s namespace is the host's", kind)
		}
	}
}

func TestRunCommandThatCannotBeExecuted(t *testing.T) {
	b := newBench(t)
	writeTestFile(t, filepath.Join(b.lower, "etc/plain"), "no program")
	if err := os.Chmod(filepath.Join(b.lower, "etc/plain"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeTestFile(t, filepath.Join(b.lower, "etc/secret"), "#!/bin/sh\n")
	cases := map[string]struct {
		args []string
		kind error
		says string
	}{
		"a name that is not in PATH":    {[]string{"nothing"}, ErrCommandNotFound, `exec: "nothing": executable file not found in $PATH`},
		"a path that is not there":      {[]string{"/no/thing"}, ErrCommandNotFound, `exec: "/no/thing": stat /no/thing: no such file or directory`},
		"a file that is not executable": {[]string{"/etc/secret"}, ErrCommandNotExecutable, `exec: "/etc/secret": permission denied`},
		"a directory":                   {[]string{"/etc"}, ErrCommandNotExecutable, `exec: "/etc": permission denied`},
		"a file that is no program":     {[]string{"/etc/plain"}, ErrCommandNotExecutable, `exec: "/etc/plain": exec format error`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			p, err := b.boxOf(testSpec(b, c.args...)).try()
			if p != nil || !errors.Is(err, c.kind) || err.Error() != c.says {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("the container of a failed start leaves nothing at the keeper", func(t *testing.T) {
		if list := b.keeper.Processes(); len(list) != 0 {
			t.Errorf("%d processes", len(list))
		}
	})
}

func TestRunWorkingDirectoryCannotLeadOutside(t *testing.T) {
	b := newBench(t)
	for fd := 3; fd <= 40; fd += 4 {
		x := b.box("pwd")
		x.Spec.Process.Cwd = "/proc/self/fd/" + itoa(fd)
		if p, err := x.try(); err == nil {
			exit := x.wait(p)
			p.Drop()
			t.Errorf("%s was taken; exit %d, said %q", x.Spec.Process.Cwd, exit.Code(), x.output.all())
		}
	}
}

func TestRunWorkingDirectoryMustBeOpenToTheUser(t *testing.T) {
	b := newBench(t)
	if err := os.Mkdir(filepath.Join(b.lower, "private"), 0o700); err != nil {
		t.Fatal(err)
	}
	x := b.box("pwd")
	x.Spec.Process.Cwd = "/private"
	x.Spec.Process.User.UID = 1000
	x.Spec.Process.Capabilities = nil
	_, err := x.try()
	if err == nil || !strings.Contains(err.Error(), "working directory /private: permission denied") {
		t.Errorf("got %v", err)
	}
}

func TestRunSignals(t *testing.T) {
	b := newBench(t)
	x := b.box("trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 1 & wait; done")
	p := x.start()
	if got := x.output.line(); got != "ready" {
		t.Fatal(got)
	}
	if err := p.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if exit := x.wait(p); exit.Code() != 7 {
		t.Errorf("exit %d", exit.Code())
	}
	if got := x.output.line(); got != "got it" {
		t.Error(got)
	}
	if err := p.Signal(unix.SIGTERM); !errors.Is(err, ErrNotRunning) {
		t.Errorf("signal after the end: %v", err)
	}
	p.Drop()
	killed := b.box("sleep 60")
	p = killed.start()
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	exit := killed.wait(p)
	if exit.Code() != 137 || time.Since(exit.At) > time.Minute {
		t.Errorf("exit %d at %v", exit.Code(), exit.At)
	}
}

func TestRunLimits(t *testing.T) {
	b := newBench(t)
	t.Run("processes", func(t *testing.T) {
		b := b.in(t)
		s := testSpec(t, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done")
		s.Linux.Resources = &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(5))}}
		said, exit := b.boxOf(s).run()
		if exit.Code() == 0 || !strings.Contains(said, "can't fork") {
			t.Errorf("exit %d, said %q", exit.Code(), said)
		}
	})
	t.Run("memory", func(t *testing.T) {
		b := b.in(t)
		s := testSpec(t, "tail", "/dev/zero")
		s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(32 << 20)), Swap: new(int64(32 << 20))}}
		x := b.boxOf(s)
		_, exit := x.run()
		kills, err := x.Cgroup.OOMKills()
		if exit.Code() != 137 || kills != 1 || err != nil {
			t.Errorf("exit %d, %d kills, %v", exit.Code(), kills, err)
		}
	})
	t.Run("devices", func(t *testing.T) {
		b := b.in(t)
		said, _ := b.box("mknod /tmp/mem c 1 1 && head -c1 /tmp/mem; mknod /tmp/zero c 1 5 && head -c1 /tmp/zero | od -An -tx1").run()
		if said != "head: /tmp/mem: Operation not permitted\n 00\n" {
			t.Errorf("said %q", said)
		}
	})
}

func TestRunFreeze(t *testing.T) {
	b := newBench(t)
	x := b.box("i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done")
	x.start()
	first := x.output.line()
	if err := x.Cgroup.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	s1, err := x.Cgroup.Stats()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	s2, err := x.Cgroup.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s1.CpuStats.CpuUsage.TotalUsage != s2.CpuStats.CpuUsage.TotalUsage {
		t.Errorf("frozen, and used %d ns of CPU", s2.CpuStats.CpuUsage.TotalUsage-s1.CpuStats.CpuUsage.TotalUsage)
	}
	if err := x.Cgroup.Thaw(); err != nil {
		t.Fatal(err)
	}
	if next := x.output.line(); next == first {
		t.Errorf("after the thaw %q again", next)
	}
}
