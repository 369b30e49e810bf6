package device

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// Of translates devices and the rules for them, gpus, and reservations of devices.
func Of(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	for i, d := range s.Devices {
		if err := mapping(fault.In(s, "devices", strconv.Itoa(i)), d, out); err != nil {
			return err
		}
	}
	for i, rule := range s.DeviceCgroupRules {
		where := fault.In(s, "device_cgroup_rules", strconv.Itoa(i))
		if !isDeviceRule(rule) {
			return fault.At(where, "%s: %q is no device rule", fault.Dotted(where), rule).Hint("Write it as \"c 1:3 rwm\".")
		}
	}
	out.DeviceCgroupRules = s.DeviceCgroupRules
	for i, r := range s.Gpus {
		if !slices.Contains(r.Capabilities, "gpu") {
			r.Capabilities = append(slices.Clone(r.Capabilities), "gpu")
		}
		if err := request(fault.In(s, "gpus", strconv.Itoa(i)), r, out); err != nil {
			return err
		}
	}
	if s.Deploy == nil || s.Deploy.Resources.Reservations == nil {
		return nil
	}
	for i, r := range s.Deploy.Resources.Reservations.Devices {
		where := fault.In(s, "deploy", "resources", "reservations", "devices", strconv.Itoa(i))
		if err := request(where, r, out); err != nil {
			return err
		}
	}
	return nil
}

// mapping translates one of devices: a node of the host, or a device by its CDI name.
func mapping(where []string, d types.DeviceMapping, out *engine.ContainerSpec) error {
	if engine.IsCDIName(d.Source) {
		name := d.Source
		// The short syntax takes the colon of nvidia.com/gpu=1:0 for that between two paths.
		if d.Target != "" && d.Target != d.Source {
			if filepath.IsAbs(d.Target) {
				return fault.At(where, "%s: a device by its CDI name has no path in the container", fault.Dotted(where)).
					Hint("Its vendor's file says where it is: write the name alone.")
			}
			name += ":" + d.Target
		}
		last := len(out.DeviceRequests) - 1
		if last < 0 {
			out.DeviceRequests = append(out.DeviceRequests, engine.DeviceRequest{Driver: engine.DriverCDI})
			last = 0
		}
		out.DeviceRequests[last].DeviceIDs = append(out.DeviceRequests[last].DeviceIDs, name)
		return nil
	}
	if !filepath.IsAbs(d.Source) {
		return fault.At(where, "%s: %q is not the path of a device", fault.Dotted(where), d.Source).
			Hint("Begin it with /, or say a CDI name, vendor.com/class=name.")
	}
	one := engine.Device{
		Source: d.Source, Target: cmp.Or(d.Target, d.Source), Permissions: cmp.Or(d.Permissions, "rwm"),
	}
	if strings.Trim(one.Permissions, "rwm") != "" {
		return fault.At(where, "%s: %q are no permissions", fault.Dotted(where), d.Permissions).Hint("Say some of r, w and m.")
	}
	out.Devices = append(out.Devices, one)
	return nil
}

// request translates what asks for devices by what they can do.
func request(where []string, r types.DeviceRequest, out *engine.ContainerSpec) error {
	one := engine.DeviceRequest{
		Driver: r.Driver, Count: int64(r.Count), DeviceIDs: r.IDs, Capabilities: r.Capabilities, Options: r.Options,
	}
	switch {
	case one.Count < -1:
		return fault.At(append(where, "count"), "%s: %d devices cannot be had", fault.Dotted(where), one.Count).Hint("Say all, or a number.")
	case one.Count != 0 && len(one.DeviceIDs) > 0:
		return fault.At(where, "%s: count and device_ids exclude each other", fault.Dotted(where)).Hint("Say how many, or which.")
	case one.Count == 0 && len(one.DeviceIDs) == 0:
		return fault.At(where, "%s: no device is asked for", fault.Dotted(where)).Hint("Say count: all, a number, or device_ids.")
	}
	out.DeviceRequests = append(out.DeviceRequests, one)
	return nil
}

// isDeviceRule checks for "type major:minor access".
func isDeviceRule(rule string) bool {
	words := strings.Split(rule, " ")
	if len(words) != 3 || !slices.Contains([]string{"a", "b", "c"}, words[0]) {
		return false
	}
	major, minor, ok := strings.Cut(words[1], ":")
	for _, n := range []string{major, minor} {
		if _, err := strconv.ParseUint(n, 10, 32); err != nil && n != "*" {
			return false
		}
	}
	access := words[2]
	return ok && access != "" && len(access) <= 3 && strings.Trim(access, "rwm") == ""
}
