package seccomp

import (
	"fmt"

	moby "github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// Default is Docker's default profile for a container with these bounding
// capabilities (CAP_NAME): some calls are allowed only beside the capability
// that makes them harmful. The kernel's version counts too.
func Default(bounding []string) (*specs.LinuxSeccomp, error) {
	profile, err := moby.GetDefaultProfile(holding(bounding))
	if err != nil {
		return nil, fmt.Errorf("resolve the default seccomp profile: %w", err)
	}
	return profile, nil
}

// Parse reads a profile in Docker's JSON form (includes, excludes, archMap) or
// in OCI's, for a container with these bounding capabilities. A profile that
// decides nothing is nil.
func Parse(json []byte, bounding []string) (*specs.LinuxSeccomp, error) {
	profile, err := moby.LoadProfile(string(json), holding(bounding))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return profile, nil
}

// holding is as much of a spec as the profiles look at.
func holding(bounding []string) *specs.Spec {
	return &specs.Spec{Process: &specs.Process{Capabilities: &specs.LinuxCapabilities{Bounding: bounding}}}
}
