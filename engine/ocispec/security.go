package ocispec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

// securityOptions are what security_opt says.
type securityOptions struct {
	noNewPrivileges bool
	seccomp         string // "": not given; unconfined, builtin or JSON
	apparmor        string // "": not given
	openPaths       bool   // systempaths=unconfined
	writableCgroups bool
}

const (
	unconfined = "unconfined"
	builtin    = "builtin"
)

// parseSecurity reads entries of the form name, name=value or name:value.
func parseSecurity(entries []string) (securityOptions, error) {
	var o securityOptions
	for _, entry := range entries {
		name, value := entry, ""
		if i := strings.IndexAny(entry, "=:"); i >= 0 {
			name, value = entry[:i], entry[i+1:]
		}
		if err := o.take(name, value); err != nil {
			return o, err
		}
	}
	return o, nil
}

func (o *securityOptions) take(name, value string) error {
	var err error
	switch name {
	case "no-new-privileges":
		o.noNewPrivileges, err = truth(name, value)
	case "writable-cgroups":
		o.writableCgroups, err = truth(name, value)
	case "seccomp":
		o.seccomp = value
	case "apparmor":
		o.apparmor = value
	case "systempaths":
		if value != unconfined {
			return invalid("security_opt systempaths=%s: the only value is unconfined", value)
		}
		o.openPaths = true
	case "label":
		if value != "disable" {
			return unsupported("security_opt label=%s: the engine sets no SELinux labels", value)
		}
	default:
		return invalid("security_opt %q is not known", name)
	}
	if err == nil && (name == "seccomp" || name == "apparmor") && value == "" {
		return invalid("security_opt %s needs a value", name)
	}
	return err
}

// truth reads the value of an option that may stand alone.
func truth(name, value string) (bool, error) {
	if value == "" {
		return true, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, invalid("security_opt %s: %q is neither true nor false", name, value)
	}
	return b, nil
}

// secure fills in masks and system call filter; the process must be there already.
func (b *builder) secure(s *specs.Spec) error {
	if !b.spec.Privileged && !b.security.openPaths {
		s.Linux.MaskedPaths = append(maskedPaths(), b.Host.Masked...)
		s.Linux.ReadonlyPaths = readonlyPaths()
	}
	var err error
	s.Linux.Seccomp, err = b.seccomp(s)
	return err
}

func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
		"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
		"/sys/firmware",
	}
}

func readonlyPaths() []string {
	return []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
}

// Seccomp is the filter of all processes of a container, nil for none.
func Seccomp(c *engine.Container, host Host) (*specs.LinuxSeccomp, error) {
	security, err := parseSecurity(c.Spec.SecurityOpt)
	if err != nil {
		return nil, err
	}
	caps, err := capabilities(&c.Spec, host.Capabilities)
	if err != nil {
		return nil, err
	}
	b := builder{Input: Input{Container: c, Host: host}, spec: &c.Spec, security: security}
	return b.seccomp(&specs.Spec{Process: &specs.Process{Capabilities: capabilitySets(caps)}})
}

// seccomp resolves the profile for the capabilities in s. A privileged container has none unless it names one.
func (b *builder) seccomp(s *specs.Spec) (*specs.LinuxSeccomp, error) {
	switch profile := b.security.seccomp; {
	case profile == unconfined, profile == "" && b.spec.Privileged:
		return nil, nil
	case profile == "", profile == builtin:
		return seccomp.GetDefaultProfile(s)
	case !strings.HasPrefix(strings.TrimSpace(profile), "{"):
		return nil, invalid("security_opt seccomp=%s: the engine reads no files, it takes unconfined, builtin or the profile's JSON", profile)
	default:
		loaded, err := seccomp.LoadProfile(profile, s)
		if err != nil {
			return nil, engine.Problem(engine.ErrInvalid, err)
		}
		return loaded, nil
	}
}

// apparmor is the profile of the container's processes; "" leaves them as the engine is.
func (b *builder) apparmor() (string, error) {
	profile := b.security.apparmor
	switch {
	case profile != "" && profile != unconfined && !b.Host.AppArmor:
		return "", unsupported("security_opt apparmor=%s: this host has no AppArmor", profile)
	case !b.Host.AppArmor:
		return "", nil
	case profile != "":
		return profile, nil
	case b.spec.Privileged:
		return unconfined, nil
	default:
		return b.Host.AppArmorProfile, nil
	}
}

// writable takes "ro" from the options of a mount.
func writable(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool { return o == "ro" })
}
