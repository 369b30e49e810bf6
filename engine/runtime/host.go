package runtime

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Host is what this machine and the rights of the calling process allow. It does not change while the process runs.
type Host struct {
	Cgroups      *CgroupTree
	Capabilities CapabilitySet // that this process can pass on
	LastCap      int           // number of the last capability that the kernel knows
	OOMScoreAdj  int           // of this process; to go below it takes CAP_SYS_RESOURCE
	HardLimits   map[string]uint64
	Files        unix.Rlimit // RLIMIT_NOFILE as this process was started with, before Go raised it; zero: unknown
	TimeNS       bool        // whether the kernel has time namespaces
	Kcore        bool        // whether there is a /proc/kcore to link /dev/core to

	filters filters
}

// ReadHost looks the host over.
func ReadHost() (*Host, error) {
	cgroups, cgroupErr := FindCgroupTree()
	capabilities, capErr := ownCapabilities()
	lastCap, lastErr := readNumber("/proc/sys/kernel/cap_last_cap")
	oom, oomErr := readNumber("/proc/self/oom_score_adj")
	limits, limitErr := ownHardLimits()
	if err := errors.Join(cgroupErr, capErr, lastErr, oomErr, limitErr); err != nil {
		return nil, fmt.Errorf("read what this host can do: %w", err)
	}
	return &Host{
		Files: originalFiles(), Cgroups: cgroups, Capabilities: capabilities, LastCap: lastCap, OOMScoreAdj: oom, HardLimits: limits,
		TimeNS: exists("/proc/self/ns/time_for_children"), Kcore: exists("/proc/kcore"),
	}, nil
}

func ownCapabilities() (CapabilitySet, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("capget: %w", err)
	}
	return CapabilitySet(data[0].Permitted) | CapabilitySet(data[1].Permitted)<<32, nil
}

func ownHardLimits() (map[string]uint64, error) {
	limits := map[string]uint64{}
	for name, number := range rlimitNumbers() {
		var l unix.Rlimit
		if err := unix.Getrlimit(number, &l); err != nil {
			return nil, fmt.Errorf("getrlimit %s: %w", name, err)
		}
		limits[name] = l.Max
	}
	return limits, nil
}

// originalFiles finds out the limit of descriptors that this process was started with. Go raises it while it initialises and
// tells nobody what it was, but gives it back to every child: so one is looked at, before it has executed anything.
func originalFiles() unix.Rlimit {
	var limit unix.Rlimit
	cmd := exec.Command("/proc/self/exe") //nolint:noctx // it ends here
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil { // where tracing is forbidden
		return limit
	}
	err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, nil, &limit)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil {
		return unix.Rlimit{}
	}
	return limit
}

func readNumber(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
