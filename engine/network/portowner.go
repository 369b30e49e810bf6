package network

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portOwner says who has a port that we want: "container x", or "process y (pid 1)",
// or "" when that cannot be seen.
func (m *Manager) portOwner(protocol string, ips []netip.Addr, port uint16) string {
	if name := m.reservedBy(protocol, ips, port); name != "" {
		return "container " + name
	}
	for _, file := range []string{protocol, protocol + "6"} {
		table, err := os.ReadFile("/proc/thread-self/net/" + file)
		if err != nil {
			continue
		}
		for _, inode := range holders(string(table), ips, port) {
			if who := processWith(inode); who != "" {
				return who
			}
		}
	}
	return ""
}

func (m *Manager) reservedBy(protocol string, ips []netip.Addr, port uint16) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.reservations {
		for _, s := range r.sockets {
			if s.Protocol == protocol && s.HostPort == port && clashes(s.HostIP, ips) {
				return r.owner
			}
		}
	}
	return ""
}

// clashes says whether an address that is bound is in the way of one of ips.
func clashes(bound netip.Addr, ips []netip.Addr) bool {
	for _, ip := range ips {
		if bound.Unmap() == ip || bound.IsUnspecified() || ip.IsUnspecified() {
			return true
		}
	}
	return false
}

// holders reads a table like /proc/net/tcp, and returns the inodes of the sockets
// that are bound to the port, under an address that clashes, and to no peer.
//
//	sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …
func holders(table string, ips []netip.Addr, port uint16) []string {
	var inodes []string
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasSuffix(f[2], ":0000") {
			continue
		}
		local, ok := parseSocketAddr(f[1])
		if ok && local.Port() == port && clashes(local.Addr(), ips) {
			inodes = append(inodes, f[9])
		}
	}
	return inodes
}

// parseSocketAddr reads an address as the kernel's tables write it: 32-bit words in
// hexadecimal, in the host's byte order.
func parseSocketAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.BigEndian.PutUint32(raw[i:], binary.NativeEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(n)), ok
}

// processWith finds the process that holds the socket with that inode.
func processWith(inode string) string {
	want := "socket:[" + inode + "]"
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is good
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err != nil || link != want {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			continue
		}
		return fmt.Sprintf("process %s (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return ""
}
