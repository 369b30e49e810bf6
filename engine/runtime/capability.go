package runtime

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// CapabilitySet has bit n set if it holds the capability with number n.
type CapabilitySet uint64

// capabilityNames are in the order of their numbers, see linux/capability.h.
func capabilityNames() []string {
	return []string{
		"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
		"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
		"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
		"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
		"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
		"CHECKPOINT_RESTORE",
	}
}

// ParseCapabilities reads names as the OCI spec writes them: CAP_CHOWN.
func ParseCapabilities(names []string) (CapabilitySet, error) {
	known := capabilityNames()
	var set CapabilitySet
	for _, name := range names {
		n := slices.Index(known, strings.TrimPrefix(name, "CAP_"))
		if n < 0 || !strings.HasPrefix(name, "CAP_") {
			return 0, fmt.Errorf("capability %q is not known: %w", name, ErrInvalid)
		}
		set |= 1 << n
	}
	return set, nil
}

// Names lists the set as the OCI spec writes it.
func (s CapabilitySet) Names() []string {
	var names []string
	for n, name := range capabilityNames() {
		if s.has(n) {
			names = append(names, "CAP_"+name)
		}
	}
	return names
}

// capabilityName is the name of one, also of one that is younger than this program.
func capabilityName(n int) string {
	if names := capabilityNames(); n < len(names) {
		return "CAP_" + names[n]
	}
	return fmt.Sprintf("CAP_%d", n)
}

func (s CapabilitySet) has(n int) bool { return s&(1<<n) != 0 }

const (
	capSysAdmin    CapabilitySet = 1 << unix.CAP_SYS_ADMIN
	capSysResource CapabilitySet = 1 << unix.CAP_SYS_RESOURCE
)
