package shape

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/moby/moby/api/types/volume"

	"tiffin/engine"
)

// driverLocal is the driver of all volumes.
const driverLocal = "local"

// labelAnonymous is on volumes whose name nobody chose.
const labelAnonymous = "com.docker.volume.anonymous"

// Volume is a volume in lists, and by itself.
func Volume(v *engine.Volume) volume.Volume {
	out := volume.Volume{
		Name: v.Name, Driver: driverLocal, Mountpoint: v.Mountpoint, Scope: scopeLocal, CreatedAt: v.Created.Format(time.RFC3339),
		Labels: v.Labels(), Options: map[string]string{},
	}
	maps.Copy(out.Options, v.Spec.DriverOpts)
	if v.Anonymous {
		out.Labels[labelAnonymous] = ""
	}
	return out
}

// UsesVolume says that a container has a volume, whether it runs or not.
func UsesVolume(name string) func(engine.Container) bool {
	return func(c engine.Container) bool {
		return slices.ContainsFunc(c.Mounts, func(m engine.MountPoint) bool { return m.Type == engine.MountVolume && m.Name == name })
	}
}

// AskVolume reads the volume that a client asks for.
//
// Errors: engine.ErrUnsupported, engine.ErrNotFound for a driver.
func AskVolume(req *volume.CreateRequest) (*engine.VolumeSpec, error) {
	if req.ClusterVolumeSpec != nil {
		return nil, engine.Problem(engine.ErrUnsupported, errors.New("ClusterVolumeSpec is not supported by tiffin: there is no swarm"))
	}
	if d := req.Driver; d != "" && d != driverLocal {
		return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("create %s: error looking up volume plugin %s: plugin %q not found", req.Name, d, d))
	}
	return &engine.VolumeSpec{Name: req.Name, Driver: req.Driver, DriverOpts: req.DriverOpts, Labels: req.Labels}, nil
}
