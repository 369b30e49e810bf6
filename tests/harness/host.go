package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Main runs the tests of a package, and then sees whether the host is as it was. What engines change of it they share:
// the last of them on the host puts it back, so this can be told when none is left, and not after each test.
func Main(m *testing.M) int {
	before, err := readHost()
	if err != nil {
		fmt.Fprintln(os.Stderr, "look at the host:", err)
		return 1
	}
	code := m.Run()
	if left := leftOnHost(before, settle); left != "" {
		fmt.Fprintf(os.Stderr, "FAIL: left on the host:\n%s", left)
		code = max(code, 1)
	}
	return code
}

// host is what engines change of a host's settings, as it is without them.
type host map[string]string

var hostSettings = []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"}

func readHost() (host, error) {
	h := host{}
	for _, name := range hostSettings {
		b, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			continue // a kernel without IPv6
		}
		h[name] = strings.TrimSpace(string(b))
	}
	// Engines that are there already have noted what it was before them.
	var record struct {
		Sysctls []struct{ Name, Was string }
	}
	path, err := hostRecord()
	if err != nil {
		return nil, err
	}
	if b, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(b, &record); err != nil {
			return nil, err
		}
	}
	for _, c := range record.Sysctls {
		if _, ok := h[c.Name]; ok {
			h[c.Name] = c.Was
		}
	}
	return h, nil
}

// hostRecord is the file in which engines note what they have changed in this network namespace.
func hostRecord() (string, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	return filepath.Join("/run/tiffin-host", strconv.FormatUint(cookie, 16)+".json"), err
}

// leftOnHost says what differs from before, once no engine needs it; "" is nothing. As long as another engine has a
// network, nothing can be said.
func leftOnHost(before host, limit time.Duration) string {
	var left []string
	Eventually(limit, func() bool {
		left = nil
		for _, name := range hostSettings {
			b, _ := os.ReadFile("/proc/sys/" + name)
			if now := strings.TrimSpace(string(b)); now != before[name] {
				left = append(left, fmt.Sprintf("  %s is %s, and was %s\n", name, now, before[name]))
			}
		}
		if len(left) > 0 && networksThere() {
			left = nil
		}
		return len(left) == 0
	})
	return strings.Join(left, "")
}

// networksThere says whether any engine has a network on this host.
func networksThere() bool {
	links, _ := netlink.LinkList() // one that changed meanwhile will do
	return slices.ContainsFunc(links, func(l netlink.Link) bool { return strings.HasPrefix(l.Attrs().Alias, "tiffin ") })
}
