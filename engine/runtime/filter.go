package runtime

import (
	"fmt"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine/runtime/seccomp"
)

// compileFilter compiles a seccomp profile, if there is one, to an array of sock_filter and the flags for seccomp(2).
func compileFilter(profile *specs.LinuxSeccomp) ([]byte, uint, error) {
	if profile == nil {
		return nil, 0, nil
	}
	f, err := seccomp.Compile(profile)
	if err != nil {
		return nil, 0, fmt.Errorf("seccomp profile: %w", err)
	}
	return f.Bytes(), f.Flags(), nil
}
