package ocispec

import (
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// devices fills in the nodes beside the default ones, which the runtime makes and
// allows by itself, and what may be done with them. The first rule denies everything.
func (b *builder) devices(s *specs.Spec) error {
	s.Linux.Devices = b.Devices
	s.Linux.Resources = &specs.LinuxResources{}
	if b.spec.Privileged {
		s.Linux.Resources.Devices = []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}}
		return nil
	}
	rules := append([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, b.DeviceRules...)
	for _, text := range b.spec.DeviceCgroupRules {
		rule, err := deviceRule(text)
		if err != nil {
			return err
		}
		rules = append(rules, rule)
	}
	s.Linux.Resources.Devices = rules
	return nil
}

// deviceRule reads "c 1:3 rwm": a type, numbers or stars, and what is allowed.
func deviceRule(text string) (specs.LinuxDeviceCgroup, error) {
	bad := invalid("device_cgroup_rules %q is not of the form \"c 1:3 rwm\"", text)
	fields := strings.Fields(text)
	if len(fields) != 3 || len(fields[0]) != 1 || !strings.Contains("abc", fields[0]) {
		return specs.LinuxDeviceCgroup{}, bad
	}
	first, second, _ := strings.Cut(fields[1], ":")
	major, err := deviceNumber(first)
	if err != nil {
		return specs.LinuxDeviceCgroup{}, bad
	}
	minor, err := deviceNumber(second)
	if err != nil {
		return specs.LinuxDeviceCgroup{}, bad
	}
	if access := fields[2]; access == "" || len(access) > 3 || strings.Trim(access, "rwm") != "" {
		return specs.LinuxDeviceCgroup{}, bad
	}
	return specs.LinuxDeviceCgroup{Allow: true, Type: fields[0], Major: major, Minor: minor, Access: fields[2]}, nil
}

// deviceNumber reads a number; nil is any.
func deviceNumber(s string) (*int64, error) {
	if s == "*" {
		return nil, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return nil, err
	}
	v := int64(n)
	return &v, nil
}
