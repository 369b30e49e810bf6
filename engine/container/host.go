package container

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/logs/option"
	"tiffin/engine/network"
	"tiffin/engine/ocispec"
)

// hostInfo is what of the machine shows in a spec.
func (r *Rooms) hostInfo() ocispec.Host {
	name, _ := os.Hostname() // a host without a name has the empty one
	return ocispec.Host{
		Capabilities: r.Host.Capabilities.Names(), CPUs: runtime.NumCPU(), Hostname: name,
		CgroupV2: len(r.Host.Cgroups.V1) == 0, TimeNamespace: r.Host.TimeNS, Masked: thermalPaths(),
	}
}

// Check says what a start will refuse, as far as that can be known when a container is
// made.
//
// Errors: engine.ErrInvalid, engine.ErrUnsupported.
func (r *Rooms) Check(c *engine.Container) error {
	if _, err := option.Parse(c.Spec.Log.Driver, c.Spec.Log.Options); err != nil {
		return engine.Problem(engine.ErrInvalid, err)
	}
	if sig := c.StopSignal(); sig != "" {
		if _, err := ParseSignal(sig); err != nil {
			return err
		}
	}
	for name, e := range c.Endpoints {
		if err := network.CheckEndpoint(&e.Spec); err != nil {
			return fmt.Errorf("network %s: %w", name, err)
		}
	}
	if err := r.Available(&c.Spec); err != nil {
		return err
	}
	if err := r.checkExternalLinks(c); err != nil {
		return err
	}
	if err := r.checkLinks(c); err != nil {
		return err
	}
	return ocispec.Check(c, r.hostInfo())
}

// Available looks whether there is what a container takes from the host, or from the
// engine's store, by name.
//
// Errors: engine.ErrNotFound, engine.ErrInvalid, engine.ErrUnsupported.
func (r *Rooms) Available(spec *engine.ContainerSpec) error {
	if err := r.Devices.Check(spec.DeviceRequests); err != nil {
		return err
	}
	return r.Secrets.Check(spec.Files)
}

// thermalPaths are masked for each CPU: they tell one container what another does
// (GHSA-6fw5-f8r9-fgfm).
func thermalPaths() []string {
	found, _ := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle") // the pattern is good
	return found
}

// RemoveCgroupBase removes the parent of the control groups. No container may be about
// to start meanwhile.
func (r *Rooms) RemoveCgroupBase() {
	tree := r.Host.Cgroups
	for _, dir := range append(slices.Collect(maps.Values(tree.V1)), tree.Unified) {
		if dir != "" {
			_ = unix.Rmdir(filepath.Join(dir, r.CgroupBase)) // not there in every hierarchy
		}
	}
}
