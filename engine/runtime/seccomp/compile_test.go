package seccomp

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// small has one of each kind of rule.
func small() *specs.LinuxSeccomp {
	enosys := uint(38)
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "write", "close", "futex", "no_such_call"}, Action: specs.ActAllow},
			{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &enosys},
			{Names: []string{"ptrace"}, Action: specs.ActKillProcess},
			{Names: []string{"personality"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: 0, Op: specs.OpEqualTo},
				{Index: 0, Value: 8, Op: specs.OpEqualTo},
			}},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: 0x7e020000, ValueTwo: 0, Op: specs.OpMaskedEqual},
			}},
			{Names: []string{"socket"}, Action: specs.ActLog, Args: []specs.LinuxSeccompArg{
				{Index: 0, Value: 2, Op: specs.OpGreaterEqual},
				{Index: 1, Value: 3, Op: specs.OpNotEqual},
			}},
		},
	}
}

func TestListing(t *testing.T) {
	for _, goarch := range []string{"amd64", "arm64"} {
		t.Run(goarch, func(t *testing.T) {
			filter, err := compileFor(goarch, small())
			if err != nil {
				t.Fatal(err)
			}
			checkCode(t, filter.code)
			golden := filepath.Join("testdata", "small-"+goarch+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(filter.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(filter.String(), "\n")); diff != "" {
				t.Errorf("listing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDefaultProfileIsReadAsWritten(t *testing.T) {
	every := []string{"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_CHROOT", "CAP_BPF", "CAP_SYS_NICE"}
	for name, bounding := range map[string][]string{"no capabilities": nil, "many capabilities": every} {
		profile, err := Default(bounding)
		if err != nil {
			t.Fatal(err)
		}
		profile.Architectures = []specs.Arch{specs.ArchX86, specs.ArchX86_64, specs.ArchARM, specs.ArchAARCH64}
		for _, goarch := range []string{"amd64", "arm64"} {
			t.Run(name+" on "+goarch, func(t *testing.T) {
				filter, err := compileFor(goarch, profile)
				if err != nil {
					t.Fatal(err)
				}
				checkCode(t, filter.code)
				compareAll(t, filter, profile, compatible(goarch))
			})
		}
	}
}

// compareAll runs every number, those with conditions with arguments around
// the profile's constants.
func compareAll(t *testing.T, filter Filter, profile *specs.LinuxSeccomp, arches []arch) {
	t.Helper()
	around := interesting(profile)
	for _, a := range arches {
		for _, nr := range numbers() {
			values := around
			if !conditional(profile, a, nr) {
				values = []uint64{0, 1<<63 | 1}
			}
			for _, v := range values {
				for i := range 2 {
					p := probe{a: a, nr: nr}
					p.args[i] = v
					if got, want := interpret(t, filter.code, p), read(t, profile, p); got != want {
						t.Fatalf("%v: %v, want %v", p, got, want)
					}
				}
			}
		}
	}
}

// conditional reports whether a profile looks at the arguments of a call.
func conditional(profile *specs.LinuxSeccomp, a arch, nr uint32) bool {
	carrier, _ := a.number("socketcall")
	return nr == carrier || slices.ContainsFunc(profile.Syscalls, func(s specs.LinuxSyscall) bool {
		return len(s.Args) > 0 && slices.ContainsFunc(s.Names, func(name string) bool {
			named, ok := a.number(name)
			return ok && named == nr
		})
	})
}

func numbers() []uint32 {
	var all []uint32
	for nr := range uint32(520) {
		all = append(all, nr)
	}
	for nr := range uint32(10) {
		all = append(all, armPrivate-2+nr)
	}
	return append(all, x32Bit-1, x32Bit, x32Bit+1, x32Bit+41, 1<<31, 1<<32-1)
}

// interesting are the constants of a profile and their neighbours.
func interesting(profile *specs.LinuxSeccomp) []uint64 {
	values := []uint64{0, 1, 1 << 31, 1 << 32, 1<<63 | 1}
	for _, s := range profile.Syscalls {
		for _, c := range s.Args {
			values = append(values, c.Value, c.Value-1, c.Value+1, c.Value|1<<32, c.Value<<32)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func TestUnknownArchitectureKills(t *testing.T) {
	profile := small()
	profile.Architectures = nil
	filter, err := compileFor("amd64", profile)
	if err != nil {
		t.Fatal(err)
	}
	if got := interpret(t, filter.code, probe{a: i386, nr: 3}); got != killThread {
		t.Errorf("i386 without its architecture in the profile: %v", got)
	}
	if got := interpret(t, filter.code, probe{a: amd64, nr: 0}); got != allow {
		t.Errorf("read on the machine's own architecture, which goes without saying: %v", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	errno := uint(1)
	huge := uint(1 << 16)
	rule := func(s specs.LinuxSyscall) specs.LinuxSeccomp {
		s.Names = []string{"read"}
		return specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Syscalls: []specs.LinuxSyscall{s}}
	}
	arg := func(c specs.LinuxSeccompArg) specs.LinuxSeccomp {
		return rule(specs.LinuxSyscall{Action: specs.ActErrno, Args: []specs.LinuxSeccompArg{c}})
	}
	tests := map[string]struct {
		profile specs.LinuxSeccomp
		want    error
	}{
		"an unknown default action":      {specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_HOPE"}, ErrInvalid},
		"no default action":              {specs.LinuxSeccomp{}, ErrInvalid},
		"an unknown action":              {rule(specs.LinuxSyscall{Action: "x"}), ErrInvalid},
		"an errno for an action without": {rule(specs.LinuxSyscall{Action: specs.ActKill, ErrnoRet: &errno}), ErrInvalid},
		"an errno that does not fit":     {rule(specs.LinuxSyscall{Action: specs.ActErrno, ErrnoRet: &huge}), ErrInvalid},
		"a seventh argument":             {arg(specs.LinuxSeccompArg{Index: 6, Op: specs.OpEqualTo}), ErrInvalid},
		"an unknown operator":            {arg(specs.LinuxSeccompArg{Op: "SCMP_CMP_SIMILAR"}), ErrInvalid},
		"user notification":              {rule(specs.LinuxSyscall{Action: specs.ActNotify}), ErrUnsupported},
		"an architecture nobody has heard of": {
			specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Architectures: []specs.Arch{"SCMP_ARCH_PDP11"}}, ErrInvalid,
		},
		"an unknown flag": {
			specs.LinuxSeccomp{DefaultAction: specs.ActAllow, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_X"}}, ErrInvalid,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := compileFor("amd64", &test.profile); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
		})
	}
	if _, err := compileFor("s390x", small()); !errors.Is(err, ErrUnsupported) {
		t.Errorf("an architecture without a table: %v", err)
	}
}

func BenchmarkCompile(b *testing.B) {
	profile, err := Default(nil)
	if err != nil {
		b.Fatal(err)
	}
	filter := Filter{}
	for b.Loop() {
		if filter, err = Compile(profile); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(filter.Len()), "instructions")
}
