package runtime

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestCgroupTreeOfAMountTable(t *testing.T) {
	v1 := func(options, at string) *mountinfo.Info {
		return &mountinfo.Info{FSType: "cgroup", VFSOptions: "rw," + options, Mountpoint: at}
	}
	unified := func(at string) *mountinfo.Info { return &mountinfo.Info{FSType: "cgroup2", Mountpoint: at} }
	cases := map[string]struct {
		mounts []*mountinfo.Info
		want   *CgroupTree
	}{
		"a v2 host has one tree": {
			[]*mountinfo.Info{unified("/sys/fs/cgroup")},
			&CgroupTree{Unified: "/sys/fs/cgroup", V1: map[string]string{}},
		},
		"v1 controllers can share a mount, and options that are no controllers are left out": {
			[]*mountinfo.Info{v1("cpu,cpuacct", "/c/cpu,cpuacct"), v1("xattr,name=systemd", "/c/systemd")},
			&CgroupTree{V1: map[string]string{
				"cpu": "/c/cpu,cpuacct", "cpuacct": "/c/cpu,cpuacct", "name=systemd": "/c/systemd",
			}},
		},
		"a hybrid host has both, and the first mount of a tree counts": {
			[]*mountinfo.Info{v1("devices", "/c/devices"), unified("/c/unified"), v1("devices", "/jail/devices"), unified("/jail/u")},
			&CgroupTree{Unified: "/c/unified", V1: map[string]string{"devices": "/c/devices"}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, cgroupTreeOf(c.mounts)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestCgroupHoldsItsLimitsAndLeavesNothing(t *testing.T) {
	tree := testTree(t)
	path := testCgroupPath(t, tree)
	limits := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20))},
		Pids:   &specs.LinuxPids{Limit: new(int64(50))},
		CPU:    &specs.LinuxCPU{Quota: new(int64(50_000)), Period: new(uint64(100_000))},
	}
	c, warnings, err := tree.Create(path, limits)
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings: %q", warnings)
	}
	s, err := c.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.MemoryStats.Usage.Limit != 64<<20 || s.PidsStats.Limit != 50 {
		t.Errorf("memory limit %d, pids limit %d", s.MemoryStats.Usage.Limit, s.PidsStats.Limit)
	}
	if kills, err := c.OOMKills(); kills != 0 || err != nil {
		t.Errorf("OOMKills: %d, %v", kills, err)
	}
	if _, err := c.Update(&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: new(int64(60))}}); err != nil {
		t.Error(err)
	}
	again, err := tree.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := again.Stats(); err != nil || s.PidsStats.Limit != 60 {
		t.Errorf("pids limit after the update: %d, %v", s.PidsStats.Limit, err)
	}
	if err := again.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := tree.Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open after destroy: %v", err)
	}
}

func TestCgroupPathMustBeBelowTheRoot(t *testing.T) {
	tree := testTree(t)
	for _, path := range []string{"", "/", "relative", "/a/../..", "/a/"} {
		if _, _, err := tree.Create(path, nil); err == nil {
			t.Errorf("%q was accepted", path)
		}
	}
}

func TestCgroupDeviceRulesAreTheSameBothWays(t *testing.T) {
	tree := testTree(t)
	if tree.v2() {
		t.Skip("v2 has no list of rules to read")
	}
	list := func(rules ...specs.LinuxDeviceCgroup) string {
		t.Helper()
		c, _, err := tree.Create(testCgroupPath(t, tree), &specs.LinuxResources{Devices: rules})
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(c.dirs["devices"], "devices.list"))
		if err := errors.Join(err, c.Destroy(t.Context())); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	denyAll := specs.LinuxDeviceCgroup{Allow: false, Access: "rwm"}
	fuse := specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: new(int64(10)), Minor: new(int64(229)), Access: "wr"}
	// To allow and deny again takes the library.
	again := specs.LinuxDeviceCgroup{Allow: false, Type: "c", Major: new(int64(10)), Minor: new(int64(229)), Access: "rwm"}
	if diff := cmp.Diff(list(denyAll, fuse, again), list()); diff != "" {
		t.Errorf("-library +ours\n%s", diff)
	}
	if got := list(denyAll, fuse); !strings.Contains(got, "c 10:229 rw\n") || strings.Contains(got, "a *:*") {
		t.Errorf("got %s", got)
	}
	if got := list(specs.LinuxDeviceCgroup{Allow: true, Access: "rwm"}); !strings.Contains(got, "a *:* rwm") {
		t.Errorf("all allowed: %s", got)
	}
}

func TestCgroupFreezesThawsAndKills(t *testing.T) {
	tree := testTree(t)
	c, _, err := tree.Create(testCgroupPath(t, tree), nil)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := c.entry()
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Close()
	// The shell puts itself in, as a container's first process does, and has a child.
	cmd := exec.Command("/bin/sh", "-c", `for t in "$@"; do echo 0 >$t/tasks; done; sleep 60 & echo in; wait`, "sh")
	cmd.Args = append(cmd.Args, entry.dirs...)
	if entry.unified != nil {
		cmd.SysProcAttr = intoCgroup(entry.unified)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 2 {
		t.Errorf("pids %v, %v", pids, err)
	}
	if err := c.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); !frozen || err != nil {
		t.Errorf("frozen: %v, %v", frozen, err)
	}
	if err := c.Thaw(); err != nil {
		t.Fatal(err)
	}
	if frozen, err := c.Frozen(); frozen || err != nil {
		t.Errorf("frozen after thaw: %v, %v", frozen, err)
	}
	reaped := make(chan error, 1)
	go func() { reaped <- cmd.Wait() }()
	if err := c.Destroy(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-reaped; err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the shell ended with %v", err)
	}
	for _, dir := range c.uniqueDirs() {
		if exists(dir) {
			t.Errorf("%s is left", dir)
		}
	}
}

func TestCgroupWatchOOMSeesTheKill(t *testing.T) {
	tree := testTree(t)
	c, _, err := tree.Create(testCgroupPath(t, tree), &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: new(int64(16 << 20)), Swap: new(int64(16 << 20))},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Destroy(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	seen, watched := make(chan struct{}, 100), make(chan error, 1)
	go func() { watched <- c.WatchOOM(t.Context(), func() { seen <- struct{}{} }) }()
	// tail keeps the last line, and this one never ends.
	cmd := exec.Command("/bin/sh", "-c", `for t in "$@"; do echo 0 >$t/tasks; done; exec tail /dev/zero`, "sh")
	entry, err := c.entry()
	if err != nil {
		t.Fatal(err)
	}
	defer entry.Close()
	cmd.Args = append(cmd.Args, entry.dirs...)
	if entry.unified != nil {
		cmd.SysProcAttr = intoCgroup(entry.unified)
	}
	if err := cmd.Run(); err == nil {
		t.Error("tail survived")
	}
	if kills, err := c.OOMKills(); kills != 1 || err != nil {
		t.Errorf("OOMKills: %d, %v", kills, err)
	}
	select {
	case <-seen:
	case err := <-watched:
		t.Fatalf("the watch ended: %v", err)
	case <-time.After(5 * time.Second):
		t.Error("the watch saw nothing")
	}
}

func BenchmarkCgroupCreateDestroy(b *testing.B) {
	tree := testTree(b)
	path := testCgroupPath(b, tree)
	for b.Loop() {
		c, _, err := tree.Create(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Destroy(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	_ = os.Remove(filepath.Dir(path))
}
