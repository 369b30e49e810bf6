package runtime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// leaf opens the v2 directory that a process of the control group is in. A container that runs systemd or an engine of its
// own makes groups below its own one and gives them controllers; from then on the kernel lets processes be in the leaves only.
func (c *Cgroup) leaf(pidfd *os.File) (*os.File, error) {
	pid, err := pidOf(pidfd)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return nil, err
	}
	path, err := unifiedPath(string(text))
	if err != nil {
		return nil, err
	}
	if path != c.path && !strings.HasPrefix(path, c.path+"/") {
		return nil, fmt.Errorf("process %d is in cgroup %s, not below %s", pid, path, c.path)
	}
	return openFile(filepath.Join(c.tree.Unified, path), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

// unifiedPath finds the v2 path in the text of /proc/PID/cgroup.
func unifiedPath(text string) (string, error) {
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSuffix(path, "\n"), nil
		}
	}
	return "", errors.New("the process is in no v2 cgroup")
}

// pidOf is the number of the process that a pidfd refers to, as long as it is there.
func pidOf(pidfd *os.File) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd.Fd()))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if number, ok := strings.CutPrefix(line, "Pid:"); ok {
			pid, err := strconv.Atoi(strings.TrimSpace(number))
			if err == nil && pid <= 0 {
				err = ErrNotRunning
			}
			return pid, err
		}
	}
	return 0, errors.New("not a pidfd")
}
