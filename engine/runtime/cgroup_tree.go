package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// ErrNoCgroups says that this host mounts no cgroup tree that containers could be put in.
var ErrNoCgroups = errors.New("no cgroup file system with a devices controller is mounted")

// CgroupTree is where the kernel's cgroup hierarchies are mounted on this host. There are three kinds of host:
//
//	v2      Unified only, with all controllers
//	v1      one V1 entry a controller
//	hybrid  both; the unified tree has no controllers, but can freeze and kill
type CgroupTree struct {
	Unified string            // mount point of the v2 tree; "" if there is none
	V1      map[string]string // controller → mount point; "name=systemd" is a key, too
	Swap    bool              // whether the kernel accounts swap to a cgroup of its own
	Systemd bool              // whether systemd runs this host, and counts processes in its hierarchy
}

// FindCgroupTree reads the mount table of the calling process. The result does not change while the host runs.
func FindCgroupTree() (*CgroupTree, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("read the cgroup mounts: %w", err)
	}
	t := cgroupTreeOf(mounts)
	if !t.v2() && t.V1["devices"] == "" {
		return nil, ErrNoCgroups
	}
	t.Swap = t.accountsSwap()
	_, err = os.Stat("/run/systemd/system")
	t.Systemd = err == nil
	return t, nil
}

func cgroupTreeOf(mounts []*mountinfo.Info) *CgroupTree {
	t := &CgroupTree{V1: map[string]string{}}
	for _, m := range mounts {
		if m.FSType == "cgroup2" {
			if t.Unified == "" {
				t.Unified = m.Mountpoint
			}
			continue
		}
		for option := range strings.SplitSeq(m.VFSOptions, ",") {
			if isV1Controller(option) && t.V1[option] == "" {
				t.V1[option] = m.Mountpoint
			}
		}
	}
	return t
}

// isV1Controller tells the controllers among a v1 mount's options from its flags.
func isV1Controller(option string) bool {
	return slices.Contains([]string{
		"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb", "net_cls",
		"net_prio", "perf_event", "rdma", "misc", "name=systemd",
	}, option)
}

func (t *CgroupTree) v2() bool     { return len(t.V1) == 0 && t.Unified != "" }
func (t *CgroupTree) hybrid() bool { return len(t.V1) != 0 && t.Unified != "" }

func (t *CgroupTree) accountsSwap() bool {
	if m := t.V1["memory"]; m != "" {
		return exists(filepath.Join(m, "memory.memsw.limit_in_bytes"))
	}
	// On v2 the root has no memory.swap.max to look at; the kernel has /proc/swaps exactly if it was built with swap.
	return exists("/proc/swaps")
}

// has says whether a v2 controller is available at the root of the tree.
func (t *CgroupTree) has(controller string) bool {
	if !t.v2() {
		return t.V1[controller] != ""
	}
	list, err := os.ReadFile(filepath.Join(t.Unified, "cgroup.controllers"))
	return err == nil && slices.Contains(strings.Fields(string(list)), controller)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
