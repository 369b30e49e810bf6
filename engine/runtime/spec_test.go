package runtime

import (
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine/runtime/seccomp"
)

// dockerCapabilities are what a container has by default.
func dockerCapabilities() []string {
	return strings.Fields(`CAP_CHOWN CAP_DAC_OVERRIDE CAP_FSETID CAP_FOWNER CAP_MKNOD CAP_NET_RAW CAP_SETGID CAP_SETUID
		CAP_SETFCAP CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_KILL CAP_AUDIT_WRITE`)
}

// testSpec is the default profile.
func testSpec(tb testing.TB, args ...string) *specs.Spec {
	tb.Helper()
	caps := dockerCapabilities()
	profile, err := seccomp.Default(caps)
	if err != nil {
		tb.Fatal(err)
	}
	opt := func(s string) []string { return strings.Split(s, ",") }
	return &specs.Spec{
		Version:  specs.Version,
		Hostname: "box",
		Root:     &specs.Root{},
		Process: &specs.Process{
			Args: args, Cwd: "/", Env: []string{"PATH=/usr/bin:/bin", "HOME=/root"},
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			OOMScoreAdj:  new(0),
		},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: opt("nosuid,noexec,nodev")},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: opt("nosuid,strictatime,mode=755,size=65536k")},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: opt("nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5")},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: opt("nosuid,noexec,nodev,ro")},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: opt("ro,nosuid,noexec,nodev")},
			{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: opt("nosuid,noexec,nodev")},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: opt("nosuid,noexec,nodev,mode=1777,size=67108864")},
		},
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.MountNamespace},
				{Type: specs.PIDNamespace},
				{Type: specs.NetworkNamespace},
				{Type: specs.IPCNamespace},
				{Type: specs.UTSNamespace},
				{Type: specs.CgroupNamespace},
				{Type: specs.TimeNamespace},
			},
			Sysctl: map[string]string{
				"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647",
			},
			Seccomp: profile,
			MaskedPaths: strings.Fields(`/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug
				/proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware`),
			ReadonlyPaths: strings.Fields("/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger"),
		},
	}
}

// testHost is a host for tests that execute nothing.
func testHost() *Host {
	return &Host{
		Cgroups:      &CgroupTree{Unified: "/sys/fs/cgroup", V1: map[string]string{}},
		Capabilities: 1<<41 - 1, LastCap: 40, TimeNS: true, Kcore: true,
		HardLimits: map[string]uint64{"RLIMIT_NOFILE": 1 << 20},
	}
}
