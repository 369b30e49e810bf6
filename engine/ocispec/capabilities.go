package ocispec

import (
	"slices"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

// defaultCapabilities are Docker's fourteen.
func defaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
}

const allCapabilities = "ALL"

// capabilities are what the container may have of what the engine has. ALL among the
// adds means everything but the drops, ALL among the drops nothing but the adds.
func capabilities(spec *engine.ContainerSpec, has []string) ([]string, error) {
	if spec.Privileged {
		return has, nil
	}
	known := knownCapabilities()
	add, err := capabilityNames(spec.CapAdd, known)
	if err != nil {
		return nil, err
	}
	drop, err := capabilityNames(spec.CapDrop, known)
	if err != nil {
		return nil, err
	}
	for _, name := range add {
		if name != allCapabilities && !slices.Contains(has, name) {
			return nil, engine.Hint(unsupported("cap_add: the engine itself has no %s, so it cannot give it", name),
				"start the engine with more capabilities, or leave this one out")
		}
	}
	var want []string
	switch {
	case slices.Contains(add, allCapabilities):
		want = without(has, drop)
	case slices.Contains(drop, allCapabilities):
		want = add
	default:
		want = append(without(defaultCapabilities(), drop), add...)
	}
	return slices.DeleteFunc(known, func(name string) bool {
		return !slices.Contains(want, name) || !slices.Contains(has, name)
	}), nil
}

// capabilityNames brings names into the form CAP_NAME.
func capabilityNames(names, known []string) ([]string, error) {
	var out []string
	for _, name := range names {
		upper := strings.ToUpper(name)
		if upper != allCapabilities {
			upper = "CAP_" + strings.TrimPrefix(upper, "CAP_")
		}
		if upper != allCapabilities && !slices.Contains(known, upper) {
			return nil, invalid("capability %q is not known", name)
		}
		out = append(out, upper)
	}
	return out, nil
}

// knownCapabilities are all that there are, by number.
func knownCapabilities() []string {
	list := capability.ListKnown()
	out := make([]string, 0, len(list))
	for _, c := range list {
		out = append(out, "CAP_"+strings.ToUpper(c.String()))
	}
	return out
}

func without(list, drop []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(drop, s) })
}

// capabilitySets leaves the inheritable and ambient sets empty: a file in the image
// could else turn them into more than the container was given (CVE-2022-24769).
func capabilitySets(caps []string) *specs.LinuxCapabilities {
	return &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
}
