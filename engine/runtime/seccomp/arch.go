package seccomp

import (
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// arch is a column of the table of system calls.
type arch int

const (
	amd64 arch = iota
	i386
	arm64
	arm
)

// abi is what a filter has to know of an architecture. All four are
// little-endian, so the low half of an argument lies at its own offset.
type abi struct {
	audit uint32 // seccomp_data.arch
	// wide: arguments have 64 bits; elsewhere the upper half is always zero.
	wide bool
	// foreign is the first number that belongs to another ABI with the same
	// audit value; 0 for none. Calls from there on get ENOSYS.
	foreign uint32
	// private is the first number of the architecture's own calls, far above
	// the common ones; 0 for none.
	private uint32
}

const (
	x32Bit     = 0x40000000 // __X32_SYSCALL_BIT
	armPrivate = 0x0f0000   // __ARM_NR_BASE
)

func (a arch) abi() abi {
	switch a {
	case amd64:
		return abi{audit: unix.AUDIT_ARCH_X86_64, wide: true, foreign: x32Bit}
	case i386:
		return abi{audit: unix.AUDIT_ARCH_I386}
	case arm64:
		return abi{audit: unix.AUDIT_ARCH_AARCH64, wide: true}
	default:
		return abi{audit: unix.AUDIT_ARCH_ARM, private: armPrivate}
	}
}

// compatible lists the architectures whose calls a kernel of goarch may see,
// its own first, with the names OCI gives them; nil for one we do not know.
func compatible(goarch string) []arch {
	switch goarch {
	case "amd64":
		return []arch{amd64, i386}
	case "386":
		return []arch{i386}
	case "arm64":
		return []arch{arm64, arm}
	case "arm":
		return []arch{arm}
	}
	return nil
}

// ociName is the architecture's name in a profile.
func (a arch) ociName() specs.Arch {
	return [...]specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchAARCH64, specs.ArchARM}[a]
}

// knownArch tells an architecture of the OCI spec from a misspelled one. The
// kernel never reports one that is not compatible with it, so there is nothing
// to compile for those.
func knownArch(name specs.Arch) bool {
	return slices.Contains([]specs.Arch{
		specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64,
		specs.ArchMIPS, specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64,
		specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390,
		specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64,
		specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
	}, name)
}

// syscall is a row of the table: a name and its number on each arch, -1 where
// it does not exist.
type syscall struct {
	name    string
	numbers [4]int32
}

// find looks a name up in the table; nil for none.
func find(name string) *syscall {
	i, found := slices.BinarySearchFunc(syscalls[:], name, func(s syscall, name string) int {
		return strings.Compare(s.name, name)
	})
	if !found {
		return nil
	}
	return &syscalls[i]
}

// carriers are the calls of i386 that carry others, and whom by the value of
// their first argument: see linux/net.h and linux/ipc.h.
var carriers = [...]struct {
	name    string
	carried []string
}{
	{"socketcall", []string{
		1: "socket", 2: "bind", 3: "connect", 4: "listen", 5: "accept", 6: "getsockname", 7: "getpeername",
		8: "socketpair", 9: "send", 10: "recv", 11: "sendto", 12: "recvfrom", 13: "shutdown", 14: "setsockopt",
		15: "getsockopt", 16: "sendmsg", 17: "recvmsg", 18: "accept4", 19: "recvmmsg", 20: "sendmmsg",
	}},
	{"ipc", []string{
		1: "semop", 2: "semget", 3: "semctl", 4: "semtimedop", 11: "msgsnd", 12: "msgrcv", 13: "msgget",
		14: "msgctl", 21: "shmat", 22: "shmdt", 23: "shmget", 24: "shmctl",
	}},
}

// carrier tells which call carries the named one, if any, and the first
// argument that selects it. Programs on i386 use both ways, so a rule for one
// has to cover the other.
func (a arch) carrier(name string) (carrier string, selector uint64) {
	if a != i386 {
		return "", 0
	}
	for _, c := range carriers {
		if i := slices.Index(c.carried, name); i > 0 {
			return c.name, uint64(i)
		}
	}
	return "", 0
}
