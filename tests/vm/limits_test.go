package vm

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/tests/harness"
)

const cgroupRoot = "/sys/fs/cgroup"

// The usual limits are where cgroup v2 has them, a paused container stands still, one that takes too much memory is
// known to have been killed for it, and nothing of it all is left.
func TestAProjectHasItsLimitsOnCgroupV2(t *testing.T) {
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err != nil {
		t.Skip("this host has not cgroup v2 alone")
	}
	e := harness.New(t)
	importBusybox(t, e)
	e.Write(t, "compose.yaml", `
name: limited
services:
  steady:
    image: box
    command: [sh, -c, "i=0; while :; do i=$$((i+1)); echo $$i >/tmp/count; sleep 0.05; done"]
    init: true
    mem_limit: 64m
    memswap_limit: 64m
    mem_reservation: 32m
    cpus: 0.5
    cpu_shares: 512
    pids_limit: 20
    stop_grace_period: 1s
    healthcheck:
      test: [CMD, test, -s, /tmp/count]
      interval: 1s
      start_interval: 100ms
  greedy:
    image: box
    command: [tail, /dev/zero]
    mem_limit: 16m
    memswap_limit: 16m
    depends_on:
      steady:
        condition: service_healthy
`)
	before := e.Snapshot(t)
	begin := time.Now()
	e.OK(t, "up", "-d")
	t.Logf("up -d with a health gate: %s", time.Since(begin).Round(time.Millisecond))

	t.Run("limits", func(t *testing.T) { limits(t, e) })
	t.Run("exec", func(t *testing.T) { execInto(t, e) })
	t.Run("pause", func(t *testing.T) { pause(t, e) })
	t.Run("out of memory", func(t *testing.T) { outOfMemory(t, e) })
	t.Run("devices", func(t *testing.T) { devices(t, e) })

	begin = time.Now()
	e.OK(t, "down", "-t", "1")
	t.Logf("down: %s", time.Since(begin).Round(time.Millisecond))
	e.NothingLeft(t, before)
}

func limits(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	dir := groupOf(t, e, "steady")
	for file, want := range map[string]string{
		"memory.max": "67108864", "memory.low": "33554432", "memory.swap.max": "0",
		"cpu.max": "50000 100000", "cpu.weight": "59", "pids.max": "20", // 512 shares are 1 + 510 * 9999 / 262142, or by newer libraries 59
	} {
		if got := read(t, dir, file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
	for _, controller := range []string{"memory", "cpu", "pids"} {
		for at := filepath.Dir(dir); strings.HasPrefix(at, cgroupRoot); at = filepath.Dir(at) {
			if got := read(t, at, "cgroup.subtree_control"); !strings.Contains(" "+got+" ", " "+controller+" ") {
				t.Errorf("%s hands on %q, without %s", at, got, controller)
			}
		}
	}
	const forks = "n=0; while [ $n -lt 30 ]; do sleep 1 & n=$((n+1)); done 2>&1; wait"
	if r := e.Do(t, "exec", "-T", "steady", "sh", "-c", forks); !strings.Contains(r.Stdout+r.Stderr, "can't fork") {
		t.Errorf("30 processes under a limit of 20: exit code %d, %q", r.Code, r.Stdout+r.Stderr)
	}
}

// execInto looks from inside: what is executed is in the container's control group and in its cgroup namespace.
func execInto(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	if got := e.OK(t, "exec", "-T", "steady", "cat", "/proc/self/cgroup"); got != "0::/\n" {
		t.Errorf("/proc/self/cgroup says %q", got)
	}
	if got := e.OK(t, "exec", "-T", "steady", "cat", "/sys/fs/cgroup/memory.max"); got != "67108864\n" {
		t.Errorf("memory.max inside says %q", got)
	}
	if got := e.OK(t, "exec", "-T", "steady", "grep", " /sys/fs/cgroup ", "/proc/self/mountinfo"); !strings.Contains(got, " / /sys/fs/cgroup ro,") ||
		!strings.Contains(got, " - cgroup2 ") {
		t.Errorf("the cgroup mount: %q", got)
	}
	e.Fails(t, 1, "exec", "-T", "steady", "mkdir", "/sys/fs/cgroup/x")
}

func pause(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	dir := groupOf(t, e, "steady")
	count := func() string {
		text, err := os.ReadFile("/proc/" + strings.Fields(read(t, dir, "cgroup.procs"))[0] + "/root/tmp/count")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	e.OK(t, "pause", "steady")
	if got := read(t, dir, "cgroup.events"); !strings.Contains(got, "frozen 1") {
		t.Errorf("cgroup.events of a paused container says %q", got)
	}
	paused := count()
	if harness.Eventually(500*time.Millisecond, func() bool { return count() != paused }) {
		t.Error("a paused container goes on counting")
	}
	e.OK(t, "unpause", "steady")
	harness.Until(t, 5*time.Second, "it counts again", func() bool { return count() != paused })
}

func outOfMemory(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	if code := e.Do(t, "wait", "greedy").Code; code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
	c := container(t, e, "greedy")
	if !c.State.OOMKilled || c.State.ExitCode != 137 {
		t.Errorf("OOMKilled %v, exit code %d", c.State.OOMKilled, c.State.ExitCode)
	}
}

// devices tries a node that the container may make but not open, beside one that it may.
func devices(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	r := e.Do(t, "exec", "-T", "steady", "sh", "-c", "mknod /tmp/kmsg c 1 11 && mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero | wc -c; cat /tmp/kmsg")
	if r.Code == 0 || strings.TrimSpace(r.Stdout) != "1" || !strings.Contains(r.Stderr, "kmsg': Operation not permitted") {
		t.Errorf("exit code %d, %q, %q", r.Code, r.Stdout, r.Stderr)
	}
}

// container is what the engine has of a service's only container.
func container(t *testing.T, e *harness.Tiffin, service string) engine.Container {
	t.Helper()
	list, err := api.NewClient(filepath.Join(e.Run, "tiffin.sock")).List(t.Context(), &call.ListRequest{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if strings.Contains(c.Name, service) {
			return c
		}
	}
	t.Fatalf("no container of %s among %d", service, len(list))
	return engine.Container{}
}

// groupOf is the directory of a service's control group.
func groupOf(t *testing.T, e *harness.Tiffin, service string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cgroupRoot, "tiffin*", container(t, e, service).ID))
	if err != nil || len(found) != 1 {
		t.Fatalf("control groups of %s: %v, %v", service, found, err)
	}
	return found[0]
}

func read(t *testing.T, dir, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// importBusybox makes the image box of the machine's own busybox: a machine that was just booted has no registry.
func importBusybox(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	var rootfs bytes.Buffer
	w := tar.NewWriter(&rootfs)
	add := func(h tar.Header, content []byte) {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "dev", "etc", "proc", "sys", "tmp"} {
		add(tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}, nil)
	}
	add(tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(program))}, program)
	for _, applet := range []string{"cat", "echo", "grep", "head", "mkdir", "mknod", "sh", "sleep", "tail", "test", "wc"} {
		add(tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox"}, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e.Write(t, "box.tar", rootfs.String())
	e.OK(t, "import", "box.tar", "box")
}
