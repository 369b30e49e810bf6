package container

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/runtime"
	"tiffin/engine/runtime/hook"
)

// findDevices looks up what the devices of the spec are.
func (s *starter) findDevices(context.Context) error {
	spec := &s.record.Spec
	in := &s.input
	in.BlockDevices = map[string][2]int64{}
	for _, path := range limitedDevices(&spec.Resources) {
		d, err := deviceAt(path)
		if err != nil {
			return fmt.Errorf("blkio_config %s: %w", path, err)
		}
		in.BlockDevices[path] = [2]int64{d.Major, d.Minor}
	}
	if spec.Privileged {
		all, err := devicesBelow("/dev", "/dev")
		in.Devices = all
		return err
	}
	for _, d := range spec.Devices {
		if err := s.addDevice(d); err != nil {
			return fmt.Errorf("device %s: %w", d.Source, err)
		}
	}
	return nil
}

// addRequested changes the spec as the vendors of devices say, whose hooks may come with it.
func (s *starter) addRequested(spec *specs.Spec) error {
	if len(s.record.Spec.DeviceRequests) == 0 {
		return nil
	}
	if err := os.RemoveAll(string(s.c.bundle())); err != nil { // an earlier start's
		return err
	}
	if err := s.rooms.Devices.Inject(spec, s.record.Spec.DeviceRequests); err != nil {
		return err
	}
	s.back.Add(func(ctx context.Context) error { return runtime.Stopped(ctx, s.c.ID, s.c.bundle()) })
	return nil
}

// bundle is where hooks find what they are told of a container.
func (c *Container) bundle() hook.Bundle {
	return hook.Bundle(filepath.Join(c.rooms.Run, c.ID, "bundle"))
}

func limitedDevices(r *engine.Resources) []string {
	var out []string
	for _, w := range r.BlkioWeightDevice {
		out = append(out, w.Path)
	}
	for _, list := range [][]engine.Rate{r.BlkioReadBps, r.BlkioWriteBps, r.BlkioReadIOps, r.BlkioWriteIOps} {
		for _, rate := range list {
			out = append(out, rate.Path)
		}
	}
	return out
}

// addDevice adds a node, or all nodes of a folder.
func (s *starter) addDevice(d engine.Device) error {
	source, err := filepath.EvalSymlinks(d.Source)
	if err != nil {
		return engine.Problem(engine.ErrNotFound, err)
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	var nodes []specs.LinuxDevice
	if info.IsDir() {
		nodes, err = devicesBelow(source, d.Target)
	} else {
		var node specs.LinuxDevice
		node, err = deviceAt(source)
		node.Path = d.Target
		nodes = []specs.LinuxDevice{node}
	}
	if err != nil {
		return err
	}
	for _, n := range nodes {
		s.input.Devices = append(s.input.Devices, n)
		s.input.DeviceRules = append(s.input.DeviceRules, specs.LinuxDeviceCgroup{
			Allow: true, Type: n.Type, Major: &n.Major, Minor: &n.Minor, Access: d.Permissions,
		})
	}
	return nil
}

// deviceAt describes the device node at path.
func deviceAt(path string) (specs.LinuxDevice, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return specs.LinuxDevice{}, engine.Problem(engine.ErrNotFound, &os.PathError{Op: "stat", Path: path, Err: err})
	}
	d := specs.LinuxDevice{
		Path: path, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		FileMode: new(os.FileMode(st.Mode & 0o777)), UID: &st.Uid, GID: &st.Gid,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR:
		d.Type = "c"
	case unix.S_IFBLK:
		d.Type = "b"
	default:
		return d, engine.Problem(engine.ErrInvalid, fmt.Errorf("%s is no device", path))
	}
	return d, nil
}

// devicesBelow lists the nodes of a folder as they shall lie below target. What is a
// container's own is left out.
func devicesBelow(dir, target string) ([]specs.LinuxDevice, error) {
	own := []string{"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"}
	var out []specs.LinuxDevice
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case slices.Contains(own, e.Name()) && path != dir:
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.Type()&fs.ModeDevice == 0:
			return nil
		}
		d, err := deviceAt(path)
		if err != nil {
			return nil //nolint:nilerr // it went away meanwhile
		}
		d.Path = filepath.Join(target, strings.TrimPrefix(path, dir))
		out = append(out, d)
		return nil
	})
	return out, err
}
