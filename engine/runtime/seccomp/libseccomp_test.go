package seccomp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestAgreesWithLibseccomp compiles profiles with the library that runc uses
// and runs both filters on the same calls. What runc adds to the library
// (ENOSYS for newer calls and x32) is left out.
func TestAgreesWithLibseccomp(t *testing.T) {
	program := buildReference(t)
	profiles := map[string]*specs.LinuxSeccomp{"one of each kind": small()}
	for name, bounding := range map[string][]string{
		"the default profile":                   nil,
		"the default profile with capabilities": {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_PERFMON"},
	} {
		profile, err := Default(bounding)
		if err != nil {
			t.Fatal(err)
		}
		profiles[name] = olderNames(profile)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		profiles[fmt.Sprintf("random profile %d", i)] = randomSimpleProfile(random)
	}
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			filter, err := Compile(profile)
			if err != nil {
				t.Fatal(err)
			}
			reference := runReference(t, program, profile)
			probes := 0
			for _, a := range []arch{amd64, i386} {
				probes += compareWith(t, reference, filter, profile, a)
			}
			t.Logf("%d probes; %d instructions, libseccomp's %d", probes, filter.Len(), len(reference))
		})
	}
}

func compareWith(t *testing.T, reference []unix.SockFilter, filter Filter, profile *specs.LinuxSeccomp, a arch) int {
	t.Helper()
	values := interesting(profile)
	newest, probes := newestNamed(profile, a), 0
	for nr := range newest + 1 {
		args := values
		if !conditional(profile, a, nr) {
			args = args[:1]
		}
		for _, x := range args {
			for _, y := range args {
				p := probe{a: a, nr: nr, args: [6]uint64{x, y, x, y, x, y}}
				for i := range p.args {
					p.args[i] &= a.mask()
				}
				probes++
				if got, want := interpret(t, filter.code, p), interpret(t, reference, p); got != want {
					t.Fatalf("%v: %v, libseccomp says %v\n%s", p, got, want, referenceInput(t, profile))
				}
			}
		}
	}
	return probes
}

// newestNamed is the highest number of a profile.
func newestNamed(profile *specs.LinuxSeccomp, a arch) (newest uint32) {
	for _, s := range profile.Syscalls {
		for _, name := range s.Names {
			if nr, ok := a.number(name); ok {
				newest = max(newest, nr)
			}
		}
	}
	return newest
}

// randomSimpleProfile draws one rule for each of some calls. Several rules with
// several conditions for one call are left to TestRandomProfilesAreReadAsWritten:
// libseccomp 2.5.4 joins their trees so that a comparison may look at the
// wrong argument.
func randomSimpleProfile(r *rand.Rand) *specs.LinuxSeccomp {
	value := func() uint64 {
		return []uint64{0, 1, 2, 0xffffffff, 1 << 32, 5<<32 | 7, 1<<64 - 1}[r.IntN(7)]
	}
	operators := []specs.LinuxSeccompOperator{
		specs.OpEqualTo, specs.OpNotEqual, specs.OpMaskedEqual,
		specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterEqual, specs.OpGreaterThan,
	}
	profile := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86}}
	names := []string{"read", "openat", "clone", "socket", "semget", "ioctl", "mmap", "futex_waitv"}
	for _, i := range r.Perm(len(names))[:1+r.IntN(len(names))] {
		s := specs.LinuxSyscall{Names: names[i : i+1], Action: specs.ActAllow}
		for _, index := range r.Perm(6)[:r.IntN(4)] {
			c := specs.LinuxSeccompArg{Index: uint(index), Value: value(), Op: operators[r.IntN(len(operators))]}
			c.ValueTwo = value() & c.Value
			s.Args = append(s.Args, c)
		}
		profile.Syscalls = append(profile.Syscalls, s)
	}
	return profile
}

// olderNames leaves out the calls that Debian's libseccomp has no name for.
func olderNames(profile *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	older := *profile
	older.Syscalls = nil
	for _, s := range profile.Syscalls {
		s.Names = slices.DeleteFunc(slices.Clone(s.Names), func(name string) bool {
			nr, ok := amd64.number(name)
			return name == "uretprobe" || ok && nr > futexRequeue
		})
		older.Syscalls = append(older.Syscalls, s)
	}
	return &older
}

// futexRequeue is the newest call of linux 6.7.
const futexRequeue = 456

func buildReference(t *testing.T) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil || runtime.GOARCH != "amd64" {
		t.Skip("needs gcc on amd64")
	}
	program := filepath.Join(t.TempDir(), "reference")
	if out, err := exec.Command(gcc, "-o", program, "testdata/libseccomp.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Skipf("needs libseccomp-dev: %s", out)
	}
	return program
}

func runReference(t *testing.T, program string, profile *specs.LinuxSeccomp) []unix.SockFilter {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Stdin = referenceInput(t, profile)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	code := make([]unix.SockFilter, len(out)/8)
	if err := binary.Read(bytes.NewReader(out), binary.NativeEndian, code); err != nil {
		t.Fatal(err)
	}
	return code
}

func referenceInput(t *testing.T, profile *specs.LinuxSeccomp) *bytes.Buffer {
	t.Helper()
	b := &bytes.Buffer{}
	operators := []specs.LinuxSeccompOperator{ // enum scmp_compare
		1: specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpEqualTo,
		specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpMaskedEqual,
	}
	fallback := mustAction(t, profile.DefaultAction, profile.DefaultErrnoRet)
	fmt.Fprintf(b, "default %d\narch %d\n", fallback, i386.abi().audit)
	for _, s := range profile.Syscalls {
		rules, err := parseRules(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range s.Names {
			for _, r := range rules {
				if r.act == fallback {
					continue // libseccomp refuses these, runc leaves them out
				}
				fmt.Fprintf(b, "rule %d %s %d", r.act, name, len(r.conds))
				for _, c := range r.conds {
					fmt.Fprintf(b, " %d %d %d %d", c.Index, slices.Index(operators, c.Op), c.Value, c.ValueTwo)
				}
				fmt.Fprintln(b)
			}
		}
	}
	return b
}

// mask covers the bits that an argument can have.
func (a arch) mask() uint64 {
	if a.abi().wide {
		return 1<<64 - 1
	}
	return 1<<32 - 1
}
