package shape

import (
	"fmt"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/blkiodev"
	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
)

// supported refuses by name what tiffin does not carry out, and what contradicts itself.
func supported(h *container.HostConfig) error {
	refuse := map[string]bool{
		"HostConfig.Cgroup":             h.Cgroup != "",
		"HostConfig.Isolation":          !h.Isolation.IsDefault(),
		"HostConfig.VolumeDriver":       h.VolumeDriver != "" && h.VolumeDriver != "local",
		"HostConfig.IOMaximumIOps":      h.IOMaximumIOps != 0,
		"HostConfig.CpuCount":           h.CPUCount != 0,
		"HostConfig.CpuPercent":         h.CPUPercent != 0,
		"HostConfig.MaskedPaths":        len(h.MaskedPaths) > 0,
		"HostConfig.ReadonlyPaths":      len(h.ReadonlyPaths) > 0,
		"HostConfig.StorageOpt":         len(h.StorageOpt) > 0,
		"HostConfig.IOMaximumBandwidth": h.IOMaximumBandwidth != 0,
	}
	for _, field := range slices.Sorted(maps.Keys(refuse)) {
		if refuse[field] {
			return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s is not supported", field))
		}
	}
	if len(h.DeviceRequests) > 0 {
		r := h.DeviceRequests[0]
		return engine.Problem(engine.ErrUnsupported,
			fmt.Errorf("could not select device driver %q with capabilities: %v", r.Driver, r.Capabilities))
	}
	if h.Runtime != "" && !slices.Contains(runtimes, h.Runtime) {
		return engine.Hint(invalid("unknown or invalid runtime name: %s", h.Runtime), "tiffin runs containers itself: leave the runtime out")
	}
	if err := noNulls(&h.Resources); err != nil {
		return err
	}
	if err := container.ValidateRestartPolicy(h.RestartPolicy); err != nil {
		return engine.Problem(engine.ErrInvalid, err)
	}
	if h.AutoRemove && !h.RestartPolicy.IsNone() {
		return invalid("can't create 'AutoRemove' container with restart policy")
	}
	return nil
}

// runtimes are the names under which clients ask for what tiffin does itself.
var runtimes = []string{"tiffin", "runc", "io.containerd.runc.v2"}

// noNulls refuses entries of lists that are null.
func noNulls(r *container.Resources) error {
	for _, list := range [][]*blkiodev.ThrottleDevice{r.BlkioDeviceReadBps, r.BlkioDeviceWriteBps, r.BlkioDeviceReadIOps, r.BlkioDeviceWriteIOps} {
		if slices.Contains(list, nil) {
			return invalid("a limit of a block device is null")
		}
	}
	if slices.Contains(r.BlkioWeightDevice, nil) {
		return invalid("a weight of a block device is null")
	}
	if slices.Contains(r.Ulimits, nil) {
		return invalid("a ulimit is null")
	}
	return nil
}
