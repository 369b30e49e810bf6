package router

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The tables of iptables-legacy are not nftables'. Reading them is asking the kernel;
// to change them is left to their own program, which knows their lock.

// legacyFamily is where a family's tables are found.
type legacyFamily struct {
	program string
	names   string // lists the tables that are there; to ask for another one makes it
	domain  int
	level   int
	header  int // size of what a rule begins with: struct ipt_entry, ip6t_entry
	offsets int // where in it are the offsets of the target and of the next rule
}

var legacyFamilies = []legacyFamily{
	{"iptables-legacy", "/proc/thread-self/net/ip_tables_names", unix.AF_INET, unix.SOL_IP, 112, 88},
	{"ip6tables-legacy", "/proc/thread-self/net/ip6_tables_names", unix.AF_INET6, unix.SOL_IPV6, 168, 140},
}

// legacyTable is what we need to know of a table filter.
type legacyTable struct {
	legacyFamily
	drops bool     // by policy, what is forwarded
	there []string // the comments of our rules in FORWARD
	last  bool     // they are its last
}

// Of linux/netfilter_ipv4/ip_tables.h; those of IPv6 are the same.
const (
	soGetInfo    = 64
	soGetEntries = 65

	sizeofGetInfo    = 84
	sizeofGetEntries = 40
	offsetHooks      = 36
	offsetUnderflows = 56
	offsetSize       = 80
	hookForward      = 2
	sizeofTarget     = 32 // of a struct xt_entry_target, which the verdict follows

	legacyDrop = 0xffffffff // -NF_DROP - 1
)

// legacyTables are the tables filter that are there.
func (r *Router) legacyTables() ([]legacyTable, error) {
	var tables []legacyTable
	err := r.cfg.InHost(func() error {
		for _, f := range legacyFamilies {
			names, err := os.ReadFile(f.names)
			if err != nil || !slices.Contains(strings.Fields(string(names)), "filter") {
				continue // most kernels have none of these any more
			}
			info, blob, err := f.read()
			if err != nil {
				return fmt.Errorf("read the table filter of %s: %w", f.program, err)
			}
			if t, ok := parseLegacy(f, info, blob); ok {
				tables = append(tables, t)
			}
		}
		return nil
	})
	return tables, err
}

// read gets a struct ipt_getinfo and the rules that it describes.
func (f legacyFamily) read() (info, blob []byte, err error) {
	fd, err := unix.Socket(f.domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, nil, os.NewSyscallError("socket", err)
	}
	defer func() { _ = unix.Close(fd) }() // only read from
	for range 10 {                        // EAGAIN: it has been changed in between
		info = make([]byte, sizeofGetInfo)
		copy(info, "filter")
		if err = getsockopt(fd, f.level, soGetInfo, info); err != nil {
			return nil, nil, err
		}
		size := binary.NativeEndian.Uint32(info[offsetSize:])
		blob = make([]byte, sizeofGetEntries+int(size))
		copy(blob, "filter")
		binary.NativeEndian.PutUint32(blob[32:], size)
		if err = getsockopt(fd, f.level, soGetEntries, blob); !errors.Is(err, unix.EAGAIN) {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	return info, blob[sizeofGetEntries:], nil
}

func getsockopt(fd, level, name int, b []byte) error {
	size := uint32(len(b))
	value, length := unsafe.Pointer(&b[0]), unsafe.Pointer(&size) //nolint:gosec // x/sys/unix knows no option of any size
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(value), uintptr(length), 0)
	if errno != 0 {
		return os.NewSyscallError("getsockopt", errno)
	}
	return nil
}

// parseLegacy goes through the rules of FORWARD, up to the one that is its policy.
func parseLegacy(f legacyFamily, info, blob []byte) (legacyTable, bool) {
	t := legacyTable{legacyFamily: f, last: true}
	if len(info) < sizeofGetInfo {
		return t, false
	}
	at := int(binary.NativeEndian.Uint32(info[offsetHooks+4*hookForward:]))
	policy := int(binary.NativeEndian.Uint32(info[offsetUnderflows+4*hookForward:]))
	for at >= 0 && at <= policy && at+f.header <= len(blob) {
		target := int(binary.NativeEndian.Uint16(blob[at+f.offsets:]))
		next := int(binary.NativeEndian.Uint16(blob[at+f.offsets+2:]))
		if target < f.header || next < target+sizeofTarget+4 || at+next > len(blob) {
			return t, false
		}
		if at == policy {
			t.drops = binary.NativeEndian.Uint32(blob[at+target+sizeofTarget:]) == legacyDrop
			return t, true
		}
		if comment := legacyComment(blob[at+f.header : at+target]); strings.HasPrefix(comment, own) {
			t.there = append(t.there, comment)
		} else if len(t.there) > 0 {
			t.last = false
		}
		at += next
	}
	return t, false
}

// legacyComment finds the comment among the matches of a rule: each is its size (16
// bits), a name of 29 bytes, a revision, and data.
func legacyComment(matches []byte) string {
	const head = 32
	for len(matches) >= head {
		size := int(binary.NativeEndian.Uint16(matches))
		if size < head || size > len(matches) {
			return ""
		}
		if unix.ByteSliceToString(matches[2:31]) == "comment" {
			return unix.ByteSliceToString(matches[head:size])
		}
		matches = matches[size:]
	}
	return ""
}

// openLegacy does for a table of iptables-legacy what openChain does for a chain.
func (r *Router) openLegacy(t legacyTable, want []passage) (obstacles []string) {
	if !t.drops {
		want = nil
	}
	if slices.Equal(t.there, comments(want)) && t.last {
		return nil
	}
	err := errors.New("the engine is set to leave it alone")
	if !r.cfg.LeaveFirewalls {
		err = r.cfg.InHost(func() error { return t.correct(want) })
	}
	if err != nil && len(want) > 0 {
		obstacles = append(obstacles, fmt.Sprintf("the host's firewall drops what containers send to the outside and what "+
			"comes to their ports (FORWARD of %s; %v): let it accept what comes from and goes to the interfaces %s+",
			t.program, err, BridgePrefix))
	}
	return obstacles
}

// legacyTimeout is more than the programs wait for their lock.
const legacyTimeout = 10 * time.Second

func (t legacyTable) correct(want []passage) error {
	program, err := exec.LookPath(t.program)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), legacyTimeout)
	defer cancel()
	run := func(action string, p passage) error {
		args := append([]string{"-w", "5", action, "FORWARD"}, p.iptables()...)
		out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", t.program, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	// First the new ones: what is open stays open. Of two that are the same, the first is removed.
	for _, p := range want {
		if err := run("-A", p); err != nil {
			return err
		}
	}
	for _, comment := range t.there {
		if err := run("-D", parsePassage(comment)); err != nil {
			return err
		}
	}
	return nil
}
