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

func TestRunMountTable(t *testing.T) {
	b := newBench(t)
	// Mount point, its options, the type.
	said, _ := b.box(`while read _ _ _ _ at options _ type _; do echo $at $options $type; done </proc/self/mountinfo | grep -v cgroup/ | sort`).run()
	want := `/ rw,relatime overlay
/dev rw,nosuid tmpfs
/dev/mqueue rw,nosuid,nodev,noexec,relatime mqueue
/dev/pts rw,nosuid,noexec,relatime devpts
/dev/shm rw,nosuid,nodev,noexec,relatime tmpfs
/proc rw,nosuid,nodev,noexec,relatime proc
/proc/bus ro,nosuid,nodev,noexec,relatime proc
/proc/fs ro,nosuid,nodev,noexec,relatime proc
/proc/irq ro,nosuid,nodev,noexec,relatime proc
/proc/sys ro,nosuid,nodev,noexec,relatime proc
/sys ro,nosuid,nodev,noexec,relatime sysfs
/sys/fs/cgroup ro,nosuid,nodev,noexec,relatime tmpfs
`
	if b.host.Cgroups.v2() {
		want = strings.TrimSuffix(want, "tmpfs\n") + "cgroup2\n"
	}
	var got []string
	for line := range strings.Lines(said) {
		path, _, _ := strings.Cut(line, " ")
		if !isMask(path) { // which of them there are is the kernel's affair
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, strings.Join(got, "")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func isMask(path string) bool {
	switch path {
	case "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/sysrq-trigger":
		return true
	}
	name, in := strings.CutPrefix(path, "/proc/")
	return in && strings.Contains("acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats", name)
}

func TestRunDev(t *testing.T) {
	b := newBench(t)
	x := b.box(`cd /dev; for f in *; do stat -c '%A %t:%T %N' $f; done`)
	x.Spec.Linux.Devices = []specs.LinuxDevice{
		{Path: "/dev/net/tun", Type: "c", Major: 10, Minor: 200, FileMode: new(os.FileMode(0o640)), UID: new(uint32(3)), GID: new(uint32(4))},
	}
	said, _ := x.run()
	want := `lrwxrwxrwx 0:0 'fd' -> '/proc/self/fd'
crw-rw-rw- 1:7 full
drwxrwxrwt 0:0 mqueue
drwxr-xr-x 0:0 net
crw-rw-rw- 1:3 null
lrwxrwxrwx 0:0 'ptmx' -> 'pts/ptmx'
drwxr-xr-x 0:0 pts
crw-rw-rw- 1:8 random
drwxrwxrwt 0:0 shm
lrwxrwxrwx 0:0 'stderr' -> '/proc/self/fd/2'
lrwxrwxrwx 0:0 'stdin' -> '/proc/self/fd/0'
lrwxrwxrwx 0:0 'stdout' -> '/proc/self/fd/1'
crw-rw-rw- 5:0 tty
crw-rw-rw- 1:9 urandom
crw-rw-rw- 1:5 zero
`
	if b.host.Kcore {
		want = strings.Replace(want, "lrwxrwxrwx 0:0 'fd'", "lrwxrwxrwx 0:0 'core' -> '/proc/kcore'\nlrwxrwxrwx 0:0 'fd'", 1)
	}
	if diff := cmp.Diff(want, strings.ReplaceAll(said, "‘", "'")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestRunMasksAndReadOnlyPaths(t *testing.T) {
	b := newBench(t)
	said, _ := b.box(`cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware /proc/acpi | grep -v :
		touch /sys/firmware/x; echo 1 >/proc/sys/kernel/shm_rmid_forced; echo b >/proc/sysrq-trigger; mkdir /sys/fs/cgroup/x`).run()
	for _, want := range []string{"0\n", "/sys/firmware/x: Read-only", "create /proc/sys/kernel/shm_rmid_forced: Read-only", "'/sys/fs/cgroup/x': Read-only"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in\n%s", want, said)
		}
	}
}

func bind(source, dest, options string) specs.Mount {
	return specs.Mount{Source: source, Destination: dest, Type: "bind", Options: append([]string{"rbind"}, strings.Fields(options)...)}
}

func TestRunBinds(t *testing.T) {
	b := newBench(t)
	volume := t.TempDir()
	writeTestFile(t, filepath.Join(volume, "file"), "content\n")
	if err := os.Symlink("../../../../../../tmp/linked", filepath.Join(b.lower, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/tmp/dangling", filepath.Join(b.lower, "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		mounts []specs.Mount
		script string
		want   string
	}{
		"a directory is made where there was none": {
			[]specs.Mount{bind(volume, "/new/place", "")}, "cat /new/place/file; echo x >/new/place/x; rm /new/place/x", "content\n",
		},
		"read-only": {
			[]specs.Mount{bind(volume, "/v", "ro")}, "echo x >/v/x", "sh: can't create /v/x: Read-only file system\n",
		},
		"a file on a file": {
			[]specs.Mount{bind(filepath.Join(volume, "file"), "/etc/hosts", "")}, "cat /etc/hosts; ls /etc", "content\nhosts\nresolv.conf\n",
		},
		"a file on a dangling symlink is seen through it": {
			[]specs.Mount{bind(filepath.Join(volume, "file"), "/etc/resolv.conf", "")}, "cat /etc/resolv.conf /tmp/dangling", "content\ncontent\n",
		},
		"a symlink that leads out of the root leads to the root": {
			[]specs.Mount{bind(volume, "/link/in", "")}, "cat /tmp/linked/in/file", "content\n",
		},
		"a place below another mount is made there": {
			[]specs.Mount{
				{Destination: "/t", Type: "tmpfs", Source: "tmpfs", Options: []string{"size=1m", "mode=700"}}, bind(volume, "/t/deep/er", ""),
			},
			"cat /t/deep/er/file; ls -ld /t | cut -c1-10", "content\ndrwx------\n",
		},
		"flags": {
			[]specs.Mount{bind(volume, "/v", "nosuid nodev noexec noatime")}, "grep /v /proc/self/mountinfo | cut -d' ' -f6", "rw,nosuid,nodev,noexec,noatime\n",
		},
	}
	if err := os.Symlink("/tmp/linked", filepath.Join(b.lower, "tmp/linked-too")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(b.lower, "tmp/linked"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			x := b.box(c.script)
			x.Spec.Mounts = append(x.Spec.Mounts, c.mounts...)
			said, _ := x.run()
			if diff := cmp.Diff(c.want, said); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
	if exists("/tmp/linked") {
		t.Error("a directory was made on the host")
	}
}

// A container that shares a volume could change what a path in it leads to, between the look and the mount.
func TestRunBindsWhileTheirPlaceIsExchanged(t *testing.T) {
	b := newBench(t)
	volume, source, outside := t.TempDir(), t.TempDir(), t.TempDir()
	writeTestFile(t, filepath.Join(source, "file"), "mounted\n")
	if err := errors.Join(
		os.Mkdir(filepath.Join(volume, "at"), 0o755), os.Symlink(outside, filepath.Join(volume, "link")),
	); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(volume, "at"), unix.AT_FDCWD, filepath.Join(volume, "link"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	started := 0
	for range 40 {
		x := b.box("true")
		x.Spec.Mounts = append(x.Spec.Mounts, bind(volume, "/v", ""), bind(source, "/v/at/deep", ""))
		if p, err := x.try(); err == nil {
			started++
			x.wait(p)
			p.Drop()
		}
	}
	close(stop)
	<-stopped
	if started == 0 {
		t.Error("none of them has started")
	}
	left, err := os.ReadDir(outside)
	if err != nil || len(left) != 0 {
		t.Errorf("made outside of the container: %v, %v", left, err)
	}
}

func TestRunReadOnlyBindIsDeep(t *testing.T) {
	b := newBench(t)
	volume, below := t.TempDir(), t.TempDir()
	sub := filepath.Join(volume, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(below, sub, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(sub, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	for options, want := range map[string]string{
		"ro":  "sh: can't create /v/x: Read-only file system\n",
		"rro": "sh: can't create /v/x: Read-only file system\nsh: can't create /v/sub/x: Read-only file system\n",
	} {
		x := b.box("echo >/v/x; echo >/v/sub/x")
		x.Spec.Mounts = append(x.Spec.Mounts, bind(volume, "/v", options))
		if said, _ := x.run(); said != want {
			t.Errorf("%s: %s", options, said)
		}
	}
}

func TestRunReadOnlyRoot(t *testing.T) {
	b := newBench(t)
	x := b.box("touch /x; touch /dev/shm/y && echo shm; touch /t/z && echo tmpfs")
	x.Spec.Root.Readonly = true
	x.Spec.Mounts = append(x.Spec.Mounts, specs.Mount{Destination: "/t", Type: "tmpfs", Source: "tmpfs"})
	if said, _ := x.run(); said != "touch: /x: Read-only file system\nshm\ntmpfs\n" {
		t.Error(said)
	}
}

func TestRunMountThatCannotBeMade(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "file")
	writeTestFile(t, file, "x")
	cases := map[string]struct {
		mount specs.Mount
		says  string
	}{
		"the source is missing":      {bind("/no/such/source", "/v", ""), "mount /v: open mount source /no/such/source: no such file or directory"},
		"a directory on a file":      {bind("/", "/bin/busybox", ""), "mount /bin/busybox: not a directory"},
		"a file on a directory":      {bind(file, "/bin", ""), "mount /bin: is a directory"},
		"a relative source":          {bind("x", "/v", ""), `mount /v: source "x" is not absolute: invalid`},
		"an unknown option":          {specs.Mount{Destination: "/t", Type: "tmpfs", Options: []string{"colour=red"}}, "mount /t: option colour=red: invalid argument"},
		"an unknown file system":     {specs.Mount{Destination: "/t", Type: "nosuchfs"}, "mount /t: no such device"},
		"something in place of proc": {bind("/srv", "/proc", ""), "mount /proc: source /srv: only the kernel's files may be there: invalid"},
		"something inside of proc":   {bind("/", "/proc/self/attr", ""), "mount /proc/self/attr: nothing may be mounted inside of /proc: invalid"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			x := b.box("true")
			x.Spec.Mounts = append(x.Spec.Mounts, c.mount)
			if _, err := x.try(); err == nil || err.Error() != c.says {
				t.Errorf("got  %v\nwant %s", err, c.says)
			}
		})
	}
}

// An image could have /proc be a symlink to a directory of its own, and so have masks and label writes go astray.
func TestRunRefusesAnImageThatRedirectsKernelFiles(t *testing.T) {
	for _, name := range []string{"proc", "sys", "dev"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if err := os.Remove(filepath.Join(b.lower, name)); err != nil {
				t.Fatal(err)
			}
			if _, exit := b.box("true").run(); exit.Code() != 0 {
				t.Errorf("without /%s: exit %d", name, exit.Code())
			}
			if err := os.Symlink("tmp", filepath.Join(b.lower, name)); err != nil {
				t.Fatal(err)
			}
			_, err := b.box("true").try()
			if !errors.Is(err, unix.ELOOP) || !strings.HasPrefix(err.Error(), "mount /"+name) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRunMasksAreNotMadeOfAFakeNull(t *testing.T) {
	b := newBench(t)
	dev := t.TempDir()
	writeTestFile(t, filepath.Join(dev, "null"), "fake\n")
	for name, c := range map[string]struct{ source, says string }{
		"a volume with its own null": {dev, "use /dev/null for masks: operation not permitted"},
		"the host's":                 {"/dev", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := b.in(t)
			x := b.box("cat /proc/keys")
			x.Spec.Mounts = []specs.Mount{x.Spec.Mounts[0], bind(c.source, "/dev", "")}
			p, err := x.try()
			if c.says == "" && err == nil {
				x.wait(p)
				p.Drop()
				if said := x.output.all(); said != "" {
					t.Error(said)
				}
				return
			}
			if err == nil || err.Error() != c.says {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestRunLeavesNoMount(t *testing.T) {
	b := newBench(t)
	x := b.box("mount -t tmpfs x /tmp")
	privileged(b)(x.Spec)
	if _, exit := x.run(); exit.Code() != 0 {
		t.Fatal(exit)
	}
	_, _ = b.box("true").try()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	// Other tests mount at the same time: what is ours has our folder in it.
	own := filepath.Dir(t.TempDir())
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, own) {
			t.Errorf("a mount is left: %s", line)
		}
	}
}
