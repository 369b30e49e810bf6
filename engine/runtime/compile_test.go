package runtime

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// golden compares a program's text with testdata/name.txt; UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if os.Getenv("UPDATE") == "1" {
		writeTestFile(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
}

// openedFor is a container as Host.open leaves it, without any descriptor behind it.
func openedFor(t *testing.T, s *specs.Spec) *opened {
	t.Helper()
	o := &opened{
		Container: &Container{ID: "0123", Spec: s, Rootfs: os.Stdin, Stdio: Stdio{Stdout: os.Stdin, Stderr: os.Stdin}},
		entry:     &cgroupEntry{},
	}
	for _, n := range s.Linux.Namespaces {
		ns := namespace{kind: n.Type, flag: namespaceFlag(n.Type)}
		if n.Path != "" {
			ns.file = os.Stdin
		}
		o.namespaces = append(o.namespaces, ns)
	}
	for _, m := range s.Mounts {
		options, err := parseMountOptions(m.Options)
		if err != nil {
			t.Fatal(err)
		}
		out := mount{dest: m.Destination, fstype: m.Type, source: m.Source, options: options}
		if options.bind {
			out.fstype, out.tree, out.dir = "bind", os.Stdin, !strings.HasSuffix(m.Source, ".file")
		}
		o.mounts = append(o.mounts, out)
	}
	var err error
	if o.filter, err = new(filters).compile(s.Linux.Seccomp); err != nil {
		t.Fatal(err)
	}
	if s.Process.Terminal {
		o.console = os.Stdin
	}
	return o
}

func compileText(t *testing.T, h *Host, o *opened) string {
	t.Helper()
	c, err := h.compile(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.inputs) != c.program.Inputs() {
		t.Errorf("%d descriptors for %d inputs", len(c.inputs), c.program.Inputs())
	}
	var head strings.Builder
	for _, w := range c.warnings {
		head.WriteString("warning: " + w + "\n")
	}
	if c.indirect {
		head.WriteString("indirect\n")
	}
	return head.String() + c.program.String()
}

// bare is a spec with as little in it as can be, so that a golden shows one thing.
func bare(t *testing.T, args ...string) *specs.Spec {
	t.Helper()
	s := testSpec(t, args...)
	s.Hostname, s.Mounts = "", nil
	s.Process.Capabilities, s.Process.OOMScoreAdj = nil, nil
	s.Linux = &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}}}
	return s
}

func TestCompileTheDefaultProfile(t *testing.T) {
	s := testSpec(t, "sleep", "60")
	o := openedFor(t, s)
	o.entry = &cgroupEntry{dirs: []string{"/sys/fs/cgroup/memory/t/0", "/sys/fs/cgroup/pids/t/0"}, tasks: []*os.File{os.Stdin, os.Stdin}}
	o.hierarchies = []hierarchy{{name: "cpu,cpuacct", aliases: []string{"cpu", "cpuacct"}, tree: os.Stdin}, {name: "memory", tree: os.Stdin}}
	golden(t, "default", compileText(t, testHost(), o))
}

func TestCompileWhatContainersAskFor(t *testing.T) {
	cases := map[string]func(*specs.Spec){
		"terminal": func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Process.ConsoleSize = &specs.Box{Height: 24, Width: 80}
		},
		"user": func(s *specs.Spec) {
			s.Process.User = specs.User{UID: 999, GID: 998, AdditionalGids: []uint32{998, 10}, Umask: new(uint32(0o27))}
			s.Process.Cwd = "/data/sub"
			s.Process.NoNewPrivileges = true
			s.Process.ApparmorProfile = "docker-default"
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 4096}}
			s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_CHOWN"}, Permitted: []string{"CAP_CHOWN"}}
			s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
		},
		"binds": func(s *specs.Spec) {
			s.Root.Readonly = true
			s.Linux.RootfsPropagation = "rslave"
			s.Mounts = []specs.Mount{
				{Destination: "/data", Type: "bind", Source: "/srv", Options: []string{"rbind", "ro"}},
				{Destination: "/etc/hosts", Type: "bind", Source: "/run/hosts.file", Options: []string{"bind"}},
				{Destination: "/tmp", Type: "tmpfs", Options: []string{"nosuid", "size=1m", "rslave"}},
			}
		},
		"bound-dev": func(s *specs.Spec) {
			s.Mounts = []specs.Mount{{Destination: "/dev", Type: "bind", Source: "/dev", Options: []string{"rbind"}}}
			s.Linux.MaskedPaths = []string{"/proc/kcore"}
		},
		"devices": func(s *specs.Spec) {
			s.Linux.Devices = []specs.LinuxDevice{
				{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: new(os.FileMode(0o600)), UID: new(uint32(5))},
				{Path: "/srv/disk", Type: "b", Major: 8, Minor: 1},
				{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, FileMode: new(os.FileMode(0o644))},
			}
		},
		"joined-pid": func(s *specs.Spec) {
			s.Linux.Namespaces = []specs.LinuxNamespace{
				{Type: specs.MountNamespace},
				{Type: specs.PIDNamespace, Path: "/x"},
				{Type: specs.NetworkNamespace, Path: "/y"},
				{Type: specs.IPCNamespace},
				{Type: specs.TimeNamespace},
				{Type: specs.CgroupNamespace},
			}
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			s := bare(t, "/bin/app", "-v")
			change(s)
			golden(t, name, compileText(t, testHost(), openedFor(t, s)))
		})
	}
}

func TestCompileAReaper(t *testing.T) {
	o := openedFor(t, bare(t, "app", "-v"))
	o.Reaper = os.Stdin
	golden(t, "reaper", compileText(t, testHost(), o))
}

func TestCompileExec(t *testing.T) {
	s := testSpec(t, "sh")
	s.Process.Terminal = true
	o := &openedExec{
		Exec:    &Exec{ID: "x1", Container: "0123", Pidfd: os.Stdin, Process: s.Process},
		entry:   &cgroupEntry{dirs: []string{"/sys/fs/cgroup/pids/t/0"}, tasks: []*os.File{os.Stdin}},
		console: os.Stdin,
	}
	c, err := testHost().compileExec(o)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "exec", c.program.String())
}

func TestCompileLeavesOutWhatTheHostCannotDo(t *testing.T) {
	h := testHost()
	h.Capabilities &^= capSysResource
	h.OOMScoreAdj = 100
	h.TimeNS = false
	s := bare(t, "app")
	s.Process.OOMScoreAdj = new(-500)
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1 << 21, Hard: 1 << 21}}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.TimeNamespace})
	c, err := h.compile(openedFor(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if c.flags != unix.CLONE_NEWNS {
		t.Errorf("flags %#x", c.flags)
	}
	if len(c.warnings) != 2 || strings.Contains(c.program.String(), "oom_score_adj") {
		t.Errorf("warnings %q, program\n%s", c.warnings, c.program)
	}
	if !strings.Contains(c.program.String(), "{0x100000 0x100000}") {
		t.Errorf("the limit is not lowered:\n%s", c.program)
	}
}

func TestCheckSpecRefuses(t *testing.T) {
	cases := map[string]struct {
		change func(*specs.Spec)
		kind   error
		says   string
	}{
		"no command":           {func(s *specs.Spec) { s.Process.Args = nil }, ErrInvalid, "no command"},
		"a relative directory": {func(s *specs.Spec) { s.Process.Cwd = "x" }, ErrInvalid, "absolute"},
		"a NUL in the env":     {func(s *specs.Spec) { s.Process.Env = []string{"A=\x00"} }, ErrInvalid, "NUL"},
		"a namespace twice":    {func(s *specs.Spec) { addNS(s, specs.MountNamespace) }, ErrInvalid, "twice"},
		"a user namespace":     {func(s *specs.Spec) { addNS(s, specs.UserNamespace) }, ErrUnsupported, "user namespace"},
		"no mount namespace":   {func(s *specs.Spec) { s.Linux.Namespaces = nil }, ErrUnsupported, "mount namespace"},
		"the host's hostname":  {func(s *specs.Spec) { s.Hostname = "x" }, ErrInvalid, "uts"},
		"a sysctl of the host": {func(s *specs.Spec) { sysctl(s, "kernel.core_pattern") }, ErrInvalid, "core_pattern"},
		"a sysctl of the host's network": {
			func(s *specs.Spec) { sysctl(s, "net.ipv4.ip_forward") }, ErrInvalid, "network namespace",
		},
		"a sysctl that leaves": {func(s *specs.Spec) { sysctl(s, "net/../kernel/x") }, ErrInvalid, "net/../"},
		"an unknown propagation": {
			func(s *specs.Spec) { s.Linux.RootfsPropagation = "rsome" }, ErrInvalid, "rsome",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := bare(t, "app")
			c.change(s)
			err := checkSpec(s)
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func addNS(s *specs.Spec, kind specs.LinuxNamespaceType) {
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
}

func sysctl(s *specs.Spec, key string) { s.Linux.Sysctl = map[string]string{key: "1"} }

func TestCheckMountRefuses(t *testing.T) {
	cases := map[string]mount{
		"the root":            {dest: "/", fstype: "tmpfs"},
		"proc elsewhere":      {dest: "/mnt", fstype: "proc"},
		"sysfs on proc":       {dest: "/proc", fstype: "sysfs"},
		"a volume in proc":    {dest: "/proc/self/attr", fstype: "bind"},
		"a tmpfs in proc/sys": {dest: "/proc/sys/kernel", fstype: "tmpfs"},
	}
	for name, m := range cases {
		t.Run(name, func(t *testing.T) {
			if err := checkMount(m); !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := checkMount(mount{dest: "/proc/cpuinfo", fstype: "bind"}); err != nil {
		t.Errorf("lxcfs' cpuinfo: %v", err)
	}
}

func TestCandidates(t *testing.T) {
	cases := map[string]struct {
		name string
		env  []string
		want []string
	}{
		"a path is itself":                      {"./run", []string{"PATH=/bin"}, []string{"./run"}},
		"a name is searched in PATH":            {"ls", []string{"PATH=/a:/b"}, []string{"/a/ls", "/b/ls"}},
		"the last PATH counts":                  {"ls", []string{"PATH=/a", "PATH=/b"}, []string{"/b/ls"}},
		"relative and empty entries are passed": {"ls", []string{"PATH=:x:/b:."}, []string{"/b/ls"}},
		"an empty PATH has nothing":             {"ls", []string{"PATH="}, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, candidates(c.name, c.env)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	if len(candidates("ls", nil)) != 6 {
		t.Errorf("without PATH: %q", candidates("ls", nil))
	}
}

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":             "net/ipv4/ip_forward",
		"net.ipv4.conf.eth0/1.forwarding": "net/ipv4/conf/eth0.1/forwarding",
		"net/ipv4/conf/eth0.1/forwarding": "net/ipv4/conf/eth0.1/forwarding",
	} {
		if got := sysctlPath(key); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
}
