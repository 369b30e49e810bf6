package ocispec

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
	"tiffin/engine/call"
)

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// testInput is a container that says nothing of itself, on a host that has everything.
func testInput() Input {
	return Input{
		Container: &engine.Container{
			ID:    testID,
			Image: engine.ImageConfig{Cmd: []string{"serve"}, Env: []string{"PATH=/bin", "FLAVOUR=mint"}},
		},
		Identity: Identity{Groups: []uint32{0}, Home: "/root"},
		Host: Host{
			Capabilities: knownCapabilities(), CPUs: 4, Hostname: "bighost", TimeNamespace: true, CgroupV2: true,
			Masked: []string{"/sys/devices/system/cpu/cpu0/thermal_throttle"},
		},
		Etc:        Etc{Hostname: "/run/t/hostname", Hosts: "/run/t/hosts", ResolvConf: "/run/t/resolv.conf"},
		CgroupPath: "/tiffin/" + testID,
	}
}

// golden compares the spec with a file; the names in its filter are too many to be read, so they are counted.
func golden(t *testing.T, name string, s *specs.Spec) {
	t.Helper()
	readable := *s.Linux
	readable.Seccomp = nil
	text := must(json.MarshalIndent(struct {
		specs.Spec
		Linux  *specs.Linux `json:"linux"`
		Filter string       `json:"filter"`
	}{*s, &readable, summary(s.Linux.Seccomp)}, "", "  "))
	text = append(text, '\n')
	path := filepath.Join("testdata", name+".json")
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s, -want +got (UPDATE=1 rewrites):\n%s", path, diff)
	}
}

func summary(f *specs.LinuxSeccomp) string {
	if f == nil {
		return "none"
	}
	return fmt.Sprintf("else %s", f.DefaultAction)
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func TestSpec(t *testing.T) {
	cases := map[string]func(*Input){
		"default": func(*Input) {},
		"privileged-v1": func(in *Input) {
			in.Container.Spec.Privileged = true
			in.Host.CgroupV2 = false
			in.Devices = []specs.LinuxDevice{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229}}
		},
		"host-modes": func(in *Input) {
			c := &in.Container.Spec
			c.NetworkMode, c.PidMode, c.IpcMode, c.UtsMode, c.CgroupMode, c.UsernsMode = "host", "host", "host", "host", "host", "host"
		},
		"joined": func(in *Input) {
			c := &in.Container.Spec
			c.NetworkMode, c.PidMode, c.IpcMode = "container:a", "container:b", "container:c"
			in.Sources = map[string]string{"/dev/shm": "/run/t/shm/c"}
			in.Hostname = "owner"
		},
		"process":  fillProcess,
		"storage":  fillStorage,
		"limits":   fillLimits,
		"hardened": fillHardened,
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			in := testInput()
			change(&in)
			s, err := New(in)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, s)
			if err := Check(in.Container, in.Host); err != nil {
				t.Errorf("at create: %v", err)
			}
		})
	}
}

func fillProcess(in *Input) {
	umask := uint32(0o27)
	in.Container.Args = []string{"/bin/app", "-v"}
	in.Identity = Identity{UID: 1000, GID: 1000, Groups: []uint32{1000, 27}, Home: "/home/app"}
	c := &in.Container.Spec
	c.TTY = true
	c.Env = []string{"FLAVOUR", "COLOUR=red", "TERM=screen"}
	c.WorkingDir = "/srv/app/../app"
	c.Hostname, c.Domainname = "web", "example.test"
	c.Umask = &umask
	c.OomScoreAdj = 500
	c.Ulimits = []engine.Ulimit{{Name: "nproc", Soft: 64, Hard: -1}, {Name: "nofile", Soft: 1024, Hard: 4096}}
	c.Annotations = map[string]string{"org.example.note": "x"}
}

func fillStorage(in *Input) {
	mode := uint32(0o700)
	c := &in.Container.Spec
	c.ShmSize = 128 << 20
	c.ReadOnly = true
	c.Files = []engine.FileMount{{Kind: engine.FileSecret, Name: "key", Target: "/run/secrets/key"}}
	in.Sources = map[string]string{"/run/secrets/key": "/run/t/files/0", "/data/deep": "/proc/self/fd/9"}
	in.Container.Mounts = []engine.MountPoint{
		{Type: engine.MountVolume, Name: "v", Source: "/var/lib/t/volumes/v/_data", Destination: "/data/deep"},
		{Type: engine.MountBind, Source: "/srv", Destination: "/srv/", ReadOnly: true},
		{Type: engine.MountBind, Source: "/srv/a", Destination: "/a", ReadOnly: true, Propagation: "rslave", Spec: engine.Mount{Recursive: "writable"}},
		{Type: engine.MountBind, Source: "/srv/b", Destination: "/b", ReadOnly: true, Spec: engine.Mount{Recursive: "disabled"}},
		{Type: engine.MountBind, Source: "/etc/hosts", Destination: "/etc/hosts"},
		{Type: engine.MountImage, Source: "/run/t/image", Destination: "/i"},
		{Type: engine.MountTmpfs, Destination: "/data", Spec: engine.Mount{
			TmpfsSize: 1 << 20, TmpfsMode: &mode, TmpfsOptions: []string{"exec", "uid=5", "size=1k"},
		}},
		{Type: engine.MountTmpfs, Destination: "/dev/mqueue"},
	}
}

func fillLimits(in *Input) {
	in.BlockDevices = map[string][2]int64{"/dev/sda": {8, 0}}
	in.Container.Spec.Resources = engine.Resources{
		Memory: 64 << 20, MemoryReservation: 32 << 20, Swappiness: new(int64(10)), OomKillDisable: true,
		NanoCPUs: 1_500_000_000, CPUShares: 512, CpusetCpus: "0-2,3", CpusetMems: "0", PidsLimit: 100,
		CPURealtimePeriod: 1000, CPURealtimeQuota: 500,
		BlkioWeight: 300, BlkioWeightDevice: []engine.Weight{{Path: "/dev/sda", Weight: 10}},
		BlkioReadBps: []engine.Rate{{Path: "/dev/sda", Rate: 1}}, BlkioWriteBps: []engine.Rate{{Path: "/dev/sda", Rate: 2}},
		BlkioReadIOps: []engine.Rate{{Path: "/dev/sda", Rate: 3}}, BlkioWriteIOps: []engine.Rate{{Path: "/dev/sda", Rate: 4}},
	}
	in.Container.Spec.DeviceCgroupRules = []string{"c 10:229 rwm", "b *:* m", "a 7:* r"}
	in.DeviceRules = []specs.LinuxDeviceCgroup{{Allow: true, Type: "c", Major: new(int64(188)), Minor: new(int64(0)), Access: "rw"}}
}

func fillHardened(in *Input) {
	c := &in.Container.Spec
	c.CapDrop = []string{"ALL"}
	c.CapAdd = []string{"net_admin", "CAP_CHOWN"}
	c.SecurityOpt = []string{
		"no-new-privileges:true", "seccomp=unconfined", "systempaths=unconfined", "writable-cgroups=true", "label=disable",
	}
	c.IpcMode = "none"
	c.NetworkMode = "none"
	c.Sysctls = map[string]string{"net.core.somaxconn": "128", "net.ipv4.ip_unprivileged_port_start": "1024", "kernel.sem": "1 2 3 4"}
}

func TestSpecsThatAreRefused(t *testing.T) {
	spec := func(change func(*engine.ContainerSpec)) func(*Input) {
		return func(in *Input) { change(&in.Container.Spec) }
	}
	mounts := func(points ...engine.MountPoint) func(*Input) {
		return func(in *Input) { in.Container.Mounts = points }
	}
	limits := func(r engine.Resources) func(*Input) {
		return func(in *Input) { in.Container.Spec.Resources = r }
	}
	option := func(o string) func(*Input) {
		return func(in *Input) { in.Container.Spec.SecurityOpt = []string{o} }
	}
	bind := engine.MountPoint{Type: engine.MountBind, Source: "/srv", Destination: "/srv"}
	cases := map[string]struct {
		change func(*Input)
		kind   error
		text   string
	}{
		"nothing to run":           {func(in *Input) { in.Container.Image.Cmd = nil }, engine.ErrInvalid, "process: no command specified"},
		"relative workdir":         {spec(func(s *engine.ContainerSpec) { s.WorkingDir = "x" }), engine.ErrInvalid, `process: the working directory "x" is invalid, it needs to be an absolute path`},
		"umask":                    {spec(func(s *engine.ContainerSpec) { s.Umask = new(uint32(0o1000)) }), engine.ErrInvalid, "process: umask 01000 is not one of 0 to 0777"},
		"oom score":                {spec(func(s *engine.ContainerSpec) { s.OomScoreAdj = 1001 }), engine.ErrInvalid, "process: oom_score_adj 1001 is not one of -1000 to 1000"},
		"unknown ulimit":           {spec(func(s *engine.ContainerSpec) { s.Ulimits = []engine.Ulimit{{Name: "fun"}} }), engine.ErrInvalid, `process: ulimit "fun" is not known`},
		"ulimit upside down":       {spec(func(s *engine.ContainerSpec) { s.Ulimits = []engine.Ulimit{{Name: "nofile", Soft: -1, Hard: 5}} }), engine.ErrInvalid, "process: ulimit nofile: soft limit -1 is above hard limit 5"},
		"negative ulimit":          {spec(func(s *engine.ContainerSpec) { s.Ulimits = []engine.Ulimit{{Name: "nofile", Soft: -2}} }), engine.ErrInvalid, "process: ulimit nofile: a limit is -1 (unlimited) or more"},
		"ulimit twice":             {spec(func(s *engine.ContainerSpec) { s.Ulimits = []engine.Ulimit{{Name: "core"}, {Name: "CORE"}} }), engine.ErrInvalid, "process: ulimit core is given twice"},
		"unknown capability":       {spec(func(s *engine.ContainerSpec) { s.CapDrop = []string{"fly"} }), engine.ErrInvalid, `process: capability "fly" is not known`},
		"capability of nobody":     {func(in *Input) { in.Container.Spec.CapAdd, in.Host.Capabilities = []string{"SYS_TIME"}, nil }, engine.ErrUnsupported, "process: cap_add: the engine itself has no CAP_SYS_TIME, so it cannot give it"},
		"no apparmor":              {option("apparmor=mine"), engine.ErrUnsupported, "process: security_opt apparmor=mine: this host has no AppArmor"},
		"selinux label":            {option("label=type:x"), engine.ErrUnsupported, "security_opt label=type:x: the engine sets no SELinux labels"},
		"unknown option":           {option("magic=on"), engine.ErrInvalid, `security_opt "magic" is not known`},
		"seccomp path":             {option("seccomp=/etc/p.json"), engine.ErrInvalid, "security: security_opt seccomp=/etc/p.json: the engine reads no files, it takes unconfined, builtin or the profile's JSON"},
		"seccomp without value":    {option("seccomp"), engine.ErrInvalid, "security_opt seccomp needs a value"},
		"seccomp that is no JSON":  {option(`seccomp={"x`), engine.ErrInvalid, "security: Decoding seccomp profile failed: unexpected end of JSON input"},
		"systempaths":              {option("systempaths=open"), engine.ErrInvalid, "security_opt systempaths=open: the only value is unconfined"},
		"neither true nor false":   {option("no-new-privileges=maybe"), engine.ErrInvalid, `security_opt no-new-privileges: "maybe" is neither true nor false`},
		"pid of a service":         {spec(func(s *engine.ContainerSpec) { s.PidMode = "service:x" }), engine.ErrInvalid, `namespaces: pid mode "service:x" is none of host, private`},
		"container without id":     {spec(func(s *engine.ContainerSpec) { s.PidMode = "container:" }), engine.ErrInvalid, `namespaces: pid mode "container:" is none of host, private`},
		"uts of a container":       {spec(func(s *engine.ContainerSpec) { s.UtsMode = "container:x" }), engine.ErrInvalid, `namespaces: uts mode "container:x" is none of host, private`},
		"user namespace":           {spec(func(s *engine.ContainerSpec) { s.UsernsMode = "private" }), engine.ErrInvalid, `namespaces: user namespace mode "private" is none of host`},
		"long hostname":            {spec(func(s *engine.ContainerSpec) { s.Hostname = strings.Repeat("x", 65) }), engine.ErrInvalid, "namespaces: hostname has 65 characters, at most 64"},
		"renaming the host":        {spec(func(s *engine.ContainerSpec) { s.UtsMode, s.Hostname = "host", "x" }), engine.ErrInvalid, "namespaces: hostname and uts: host contradict each other: the name would be the host's"},
		"sysctl of the host":       {spec(func(s *engine.ContainerSpec) { s.Sysctls = map[string]string{"vm.swappiness": "1"} }), engine.ErrInvalid, "sysctls: sysctl vm.swappiness: it would change the host, a container has none of its own"},
		"sysctl on host network":   {spec(func(s *engine.ContainerSpec) { s.NetworkMode, s.Sysctls = "host", map[string]string{"net/core/x": "1"} }), engine.ErrInvalid, "sysctls: sysctl net.core.x: not allowed in the host's network namespace"},
		"sysctl out of its folder": {spec(func(s *engine.ContainerSpec) { s.Sysctls = map[string]string{"net/../kernel/x": "1"} }), engine.ErrInvalid, `sysctls: sysctl "net.//.kernel.x" is no name of one`},
		"hostname by sysctl":       {spec(func(s *engine.ContainerSpec) { s.Sysctls = map[string]string{"kernel.hostname": "x"} }), engine.ErrInvalid, "sysctls: sysctl kernel.hostname: use hostname"},
		"shared memory of nobody":  {spec(func(s *engine.ContainerSpec) { s.IpcMode = "shareable" }), engine.ErrInvalid, "mounts: ipc mode shareable: there is no shared memory to be mounted"},
		"mount on the root":        {mounts(engine.MountPoint{Type: engine.MountTmpfs, Destination: "/x/.."}), engine.ErrInvalid, "mounts: invalid mount: the destination cannot be /"},
		"relative mount":           {mounts(engine.MountPoint{Type: engine.MountTmpfs, Destination: "x"}), engine.ErrInvalid, `mounts: mount path "x" must be absolute`},
		"two mounts on one place":  {mounts(bind, engine.MountPoint{Type: engine.MountTmpfs, Destination: "/srv/"}), engine.ErrInvalid, "mounts: duplicate mount point: /srv"},
		"no source":                {mounts(engine.MountPoint{Type: engine.MountBind, Destination: "/x"}), engine.ErrInvalid, `mounts: mount /x: source "" is not an absolute path`},
		"propagation":              {mounts(engine.MountPoint{Type: engine.MountBind, Source: "/x", Destination: "/x", Propagation: "wide"}), engine.ErrInvalid, `mounts: mount /x: propagation "wide" is not known`},
		"recursive":                {mounts(engine.MountPoint{Type: engine.MountBind, Source: "/x", Destination: "/x", Spec: engine.Mount{Recursive: "readonly"}}), engine.ErrInvalid, "mounts: mount /x: recursive readonly needs read_only and propagation rprivate"},
		"tmpfs option":             {mounts(engine.MountPoint{Type: engine.MountTmpfs, Destination: "/x", Spec: engine.Mount{TmpfsOptions: []string{"lowerdir=/"}}}), engine.ErrInvalid, `mounts: tmpfs /x: option "lowerdir=/" is not known`},
		"secret without content":   {spec(func(s *engine.ContainerSpec) { s.Files = []engine.FileMount{{Kind: "secret", Name: "k", Target: "/k"}} }), engine.ErrInvalid, "mounts: secret k was not written"},
		"device rule":              {spec(func(s *engine.ContainerSpec) { s.DeviceCgroupRules = []string{"c 1:3 rwx"} }), engine.ErrInvalid, `devices: device_cgroup_rules "c 1:3 rwx" is not of the form "c 1:3 rwm"`},
		"little memory":            {limits(engine.Resources{Memory: 1 << 20}), engine.ErrInvalid, "resources: a memory limit is at least 6 MiB"},
		"swap without memory":      {limits(engine.Resources{MemorySwap: 1 << 30}), engine.ErrInvalid, "resources: a limit of memory and swap needs a memory limit"},
		"swap below memory":        {limits(engine.Resources{Memory: 8 << 20, MemorySwap: 7 << 20}), engine.ErrInvalid, "resources: the limit of memory and swap together (7340032) is below that of memory (8388608)"},
		"reservation above limit":  {limits(engine.Resources{Memory: 8 << 20, MemoryReservation: 9 << 20}), engine.ErrInvalid, "resources: the memory reservation (9437184) is above the limit (8388608)"},
		"swappiness":               {limits(engine.Resources{Swappiness: new(int64(101))}), engine.ErrInvalid, "resources: swappiness 101 is not one of 0 to 100"},
		"more CPUs than there are": {limits(engine.Resources{NanoCPUs: 5_000_000_000}), engine.ErrInvalid, "resources: range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"},
		"cpus said twice":          {limits(engine.Resources{NanoCPUs: 1_000_000_000, CPUQuota: 1000}), engine.ErrInvalid, "resources: cpus and cpu_quota or cpu_period say the same thing twice: give one of them"},
		"cpuset out of range":      {limits(engine.Resources{CpusetCpus: "0-4"}), engine.ErrInvalid, `resources: cpuset "0-4": the last one here is 3`},
		"cpuset that is no list":   {limits(engine.Resources{CpusetCpus: "2-1"}), engine.ErrInvalid, `resources: cpuset "2-1" is not a list like 0-2,7`},
		"weight":                   {limits(engine.Resources{BlkioWeight: 5}), engine.ErrInvalid, "resources: blkio weight 5 is not one of 10 to 1000"},
		"no such disk":             {limits(engine.Resources{BlkioReadBps: []engine.Rate{{Path: "/dev/sdz"}}}), engine.ErrInvalid, "resources: blkio limit: there is no block device /dev/sdz"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := testInput()
			c.change(&in)
			_, err := New(in)
			if err == nil || err.Error() != c.text || !errors.Is(err, c.kind) {
				t.Errorf("got  %v\nwant %s (%v)", err, c.text, c.kind)
			}
			err = Check(in.Container, in.Host)
			if lookedUp := strings.Contains(" no source, no such disk, secret without content, shared memory of nobody,", " "+name+","); (err == nil) != lookedUp {
				t.Errorf("at create: %v", err)
			}
		})
	}
}

func TestArgs(t *testing.T) {
	image := &engine.ImageConfig{Entrypoint: []string{"/entry"}, Cmd: []string{"image", "cmd"}}
	cases := map[string]struct {
		entrypoint, cmd []string
		want            string
	}{
		"all from the image":                          {nil, nil, "/entry image cmd"},
		"a command takes the place of the image's":    {nil, []string{"mine"}, "/entry mine"},
		"a cleared command":                           {nil, []string{}, "/entry"},
		"an entrypoint drops the image's command":     {[]string{"sh"}, nil, "sh"},
		"an entrypoint with a command":                {[]string{"sh"}, []string{"-c", "x"}, "sh -c x"},
		"a cleared entrypoint keeps the command":      {[]string{}, nil, "image cmd"},
		"an empty entrypoint drops the command, too":  {[]string{""}, nil, "no command specified"},
		"an empty entrypoint with a command":          {[]string{""}, []string{"mine"}, "mine"},
		"nothing is left":                             {[]string{}, []string{}, "no command specified"},
		"a command that is an empty word is not one":  {[]string{}, []string{""}, "no command specified"},
		"a cleared entrypoint with a command of ours": {[]string{}, []string{"mine"}, "mine"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			args, err := Args(&engine.ContainerSpec{Entrypoint: c.entrypoint, Cmd: c.cmd}, image)
			got := strings.Join(args, " ")
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestExec(t *testing.T) {
	in := testInput()
	fillProcess(&in)
	in.Identity = Identity{UID: 5, GID: 6, Groups: []uint32{6}}
	p, err := NewProcess(in, call.ExecRequest{
		Cmd: []string{"env"}, Env: []string{"COLOUR=blue", "SIZE=4"}, TTY: true, ConsoleSize: [2]uint{24, 80}, WorkingDir: "/tmp",
	})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "exec", &specs.Spec{Process: p, Linux: &specs.Linux{}})

	p, err = NewProcess(in, call.ExecRequest{Cmd: []string{"env"}, Privileged: true})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Capabilities.Effective, in.Host.Capabilities) || p.Cwd != "/srv/app" || p.Terminal || p.ConsoleSize != nil {
		t.Errorf("privileged: %+v", p)
	}
	if !slices.Contains(p.Env, "HOME=/") {
		t.Errorf("environment: %q", p.Env)
	}
	for _, bad := range []call.ExecRequest{{}, {Cmd: []string{""}}, {Cmd: []string{"x"}, WorkingDir: "x"}} {
		if _, err := NewProcess(in, bad); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestCapabilities(t *testing.T) {
	cases := map[string]struct {
		add, drop, has []string
		want           string
	}{
		"the default, without what the engine lacks": {nil, nil, []string{"CAP_KILL", "CAP_SYS_TIME", "CAP_CHOWN"}, "CAP_CHOWN CAP_KILL"},
		"ALL is what the engine has":                 {[]string{"all"}, nil, []string{"CAP_KILL", "CAP_SYS_TIME"}, "CAP_KILL CAP_SYS_TIME"},
		"ALL but one":                                {[]string{"ALL"}, []string{"kill"}, []string{"CAP_KILL", "CAP_SYS_TIME"}, "CAP_SYS_TIME"},
		"none but one":                               {[]string{"kill"}, []string{"ALL"}, knownCapabilities(), "CAP_KILL"},
		"all added and all dropped are all":          {[]string{"ALL"}, []string{"ALL"}, []string{"CAP_KILL"}, "CAP_KILL"},
		"added and dropped is added":                 {[]string{"kill"}, []string{"kill"}, []string{"CAP_KILL"}, "CAP_KILL"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := capabilities(&engine.ContainerSpec{CapAdd: c.add, CapDrop: c.drop}, c.has)
			if err != nil || strings.Join(got, " ") != c.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestTheFilterFollowsTheCapabilities(t *testing.T) {
	allows := func(in Input, name string) bool {
		t.Helper()
		f, err := Seccomp(in.Container, in.Host)
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.Linux.Seccomp, f); diff != "" {
			t.Errorf("the filter of an exec differs:\n%s", diff)
		}
		return f == nil || slices.ContainsFunc(f.Syscalls, func(s specs.LinuxSyscall) bool {
			return s.Action == specs.ActAllow && len(s.Args) == 0 && slices.Contains(s.Names, name)
		})
	}
	in := testInput()
	if allows(in, "mount") || !allows(in, "chroot") || allows(in, "io_uring_setup") {
		t.Error("the default profile is not Docker's")
	}
	in.Container.Spec.CapAdd = []string{"SYS_ADMIN"}
	in.Container.Spec.CapDrop = []string{"SYS_CHROOT"}
	if !allows(in, "mount") || allows(in, "chroot") {
		t.Error("the profile does not follow the capabilities")
	}
	in.Container.Spec.SecurityOpt = []string{`seccomp={"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`}
	if !allows(in, "read") || allows(in, "mount") {
		t.Error("a profile of one's own is not taken")
	}
	in.Container.Spec.SecurityOpt = nil
	in.Container.Spec.Privileged = true
	if !allows(in, "io_uring_setup") {
		t.Error("a privileged container has a filter")
	}
	in.Container.Spec.SecurityOpt = []string{"seccomp=builtin"}
	if allows(in, "io_uring_setup") {
		t.Error("a privileged container cannot ask for the filter")
	}
}

func TestAppArmor(t *testing.T) {
	cases := map[string]struct {
		host    Host
		options []string
		want    string
	}{
		"none on this host":             {Host{}, []string{"apparmor=unconfined"}, ""},
		"the default one":               {Host{AppArmor: true, AppArmorProfile: "std"}, nil, "std"},
		"one by name":                   {Host{AppArmor: true, AppArmorProfile: "std"}, []string{"apparmor:mine"}, "mine"},
		"unconfined":                    {Host{AppArmor: true, AppArmorProfile: "std"}, []string{"apparmor=unconfined"}, "unconfined"},
		"no default profile was loaded": {Host{AppArmor: true}, nil, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := testInput()
			in.Host, in.Container.Spec.SecurityOpt = c.host, c.options
			s, err := New(in)
			if err != nil || s.Process.ApparmorProfile != c.want {
				t.Errorf("got %q, %v", s.Process.ApparmorProfile, err)
			}
		})
	}
}

func TestNamespacesOfOthers(t *testing.T) {
	spec := &engine.ContainerSpec{PidMode: "container:a", IpcMode: "host", NetworkMode: "container:b", Init: true}
	want := map[specs.LinuxNamespaceType]string{specs.PIDNamespace: "a", specs.NetworkNamespace: "b"}
	if diff := cmp.Diff(want, Joins(spec)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if HasReaper(spec) || !HasReaper(&engine.ContainerSpec{Init: true}) || HasReaper(&engine.ContainerSpec{Init: true, PidMode: "host"}) {
		t.Error("a reaper belongs where the PID namespace is the container's own")
	}
}

func TestTheCgroupStaysBelowTheEngines(t *testing.T) {
	for parent, want := range map[string]string{
		"": "/t/id", "a/b": "/t/a/b/id", "/a": "/t/a/id", "../../..": "/t/id", "a/../../b": "/t/b/id",
	} {
		c := &engine.Container{ID: "id", Spec: engine.ContainerSpec{CgroupParent: parent}}
		if got := CgroupPath("/t", c); got != want {
			t.Errorf("%q: got %s, want %s", parent, got, want)
		}
	}
}

// FuzzNew has the texts that users write.
func FuzzNew(f *testing.F) {
	f.Add("c 1:3 rwm", "seccomp={}", "0-3,5", "size=64m", "net.ipv4.ip_forward", "rshared")
	f.Add("a *:* m", "no-new-privileges:true", "1", "noexec", "kernel/sem", "")
	f.Fuzz(func(t *testing.T, device, security, cpus, tmpfs, sysctl, propagation string) {
		in := testInput()
		in.Container.Spec = engine.ContainerSpec{
			DeviceCgroupRules: []string{device}, SecurityOpt: []string{security}, Sysctls: map[string]string{sysctl: "1"},
			Resources: engine.Resources{CpusetCpus: cpus},
		}
		in.Container.Mounts = []engine.MountPoint{
			{Type: engine.MountTmpfs, Destination: "/t", Spec: engine.Mount{TmpfsOptions: []string{tmpfs}}},
			{Type: engine.MountBind, Source: "/b", Destination: "/b", Propagation: propagation},
		}
		s, err := New(in)
		if err != nil {
			if !errors.Is(err, engine.ErrInvalid) && !errors.Is(err, engine.ErrUnsupported) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		for _, rule := range s.Linux.Resources.Devices[1:] {
			if rule.Access == "" || strings.Trim(rule.Access, "rwm") != "" {
				t.Errorf("rule %+v", rule)
			}
		}
		for _, m := range s.Mounts {
			if m.Destination == "/t" && !slices.Contains(m.Options, "nosuid") && tmpfs != "suid" {
				t.Errorf("options %q", m.Options)
			}
		}
	})
}

func BenchmarkNew(b *testing.B) {
	in := testInput()
	for b.Loop() {
		if _, err := New(in); err != nil {
			b.Fatal(err)
		}
	}
}
