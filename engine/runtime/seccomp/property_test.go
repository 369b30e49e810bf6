package seccomp

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"pgregory.net/rapid"
)

// TestRandomProfilesAreReadAsWritten compares the filter with a direct reading
// of the profile, near the constants that the profile names.
func TestRandomProfilesAreReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profile := randomProfile(t)
		goarch := rapid.SampledFrom([]string{"amd64", "arm64"}).Draw(t, "goarch")
		filter, err := compileFor(goarch, profile)
		if err != nil {
			t.Fatal(err)
		}
		checkCode(t, filter.code)
		values := interesting(profile)
		for range 50 {
			p := randomProbe(t, compatible(goarch), values)
			if got, want := interpret(t, filter.code, p), read(t, profile, p); got != want {
				t.Fatalf("%v: %v, want %v\n%s", p, got, want, filter)
			}
		}
	})
}

func randomProbe(t *rapid.T, arches []arch, values []uint64) probe {
	p := probe{a: rapid.SampledFrom(arches).Draw(t, "arch")}
	if nr, ok := p.a.number(rapid.SampledFrom(callNames).Draw(t, "call")); ok {
		p.nr = nr
	} else {
		p.nr = rapid.SampledFrom(numbers()).Draw(t, "number")
	}
	for i := range p.args {
		p.args[i] = rapid.SampledFrom(values).Draw(t, "argument")
	}
	return p
}

// callNames are few, so that rules meet; some are carried on i386.
var callNames = []string{"read", "openat", "clone", "socket", "semop", "ipc", "socketcall", "ioctl", "set_tls", "stat64"}

func randomProfile(t *rapid.T) *specs.LinuxSeccomp {
	action := func(label string) specs.LinuxSeccompAction {
		return rapid.SampledFrom([]specs.LinuxSeccompAction{
			specs.ActAllow, specs.ActErrno, specs.ActKillProcess, specs.ActLog,
		}).Draw(t, label)
	}
	profile := &specs.LinuxSeccomp{
		DefaultAction: action("default"),
		Architectures: []specs.Arch{specs.ArchX86, specs.ArchARM, specs.ArchX86_64},
	}
	for range rapid.IntRange(0, 12).Draw(t, "rules") {
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{
			Names:  rapid.SliceOfN(rapid.SampledFrom(callNames), 1, 3).Draw(t, "names"),
			Action: action("action"),
			Args:   rapid.SliceOfN(rapid.Custom(randomCondition), 0, 3).Draw(t, "args"),
		})
	}
	return profile
}

func randomCondition(t *rapid.T) specs.LinuxSeccompArg {
	value := rapid.SampledFrom([]uint64{0, 1, 2, 5, 1 << 31, 1<<32 - 1, 1 << 32, 5<<32 | 5, 1<<64 - 1})
	return specs.LinuxSeccompArg{
		Index:    uint(rapid.IntRange(0, 5).Draw(t, "index")),
		Value:    value.Draw(t, "value"),
		ValueTwo: value.Draw(t, "value two"),
		Op: rapid.SampledFrom([]specs.LinuxSeccompOperator{
			specs.OpEqualTo, specs.OpNotEqual, specs.OpMaskedEqual,
			specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterEqual, specs.OpGreaterThan,
		}).Draw(t, "operator"),
	}
}

// FuzzProfile: whatever the file says, the answer is an error or a filter that
// the kernel would take and that agrees with the profile.
func FuzzProfile(f *testing.F) {
	seed, err := json.Marshal(small())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed, uint16(56), uint64(0))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]}],
		"syscalls":[{"names":["mount"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_SYS_ADMIN"],"minKernel":"4.8"}}]}`), uint16(165), uint64(1))
	f.Fuzz(func(t *testing.T, file []byte, nr uint16, arg uint64) {
		profile, err := Parse(file, nil)
		if err != nil || profile == nil {
			return
		}
		for _, goarch := range []string{"amd64", "arm64"} {
			filter, err := compileFor(goarch, profile)
			if err != nil {
				continue
			}
			checkCode(t, filter.code)
			for _, a := range compatible(goarch)[:1] {
				p := probe{a: a, nr: uint32(nr), args: [6]uint64{arg, arg, arg, arg, arg, arg}}
				if got, want := interpret(t, filter.code, p), read(t, profile, p); got != want {
					t.Fatalf("%v: %v, want %v", p, got, want)
				}
			}
		}
	})
}
