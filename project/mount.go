package project

import (
	"path"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// mounts translates volumes, tmpfs and volumes_from.
func mounts(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.VolumesFrom = s.VolumesFrom
	for i, v := range s.Volumes {
		m, err := mount(fault.In(s, "volumes", strconv.Itoa(i)), v)
		if err != nil {
			return err
		}
		out.Mounts = append(out.Mounts, m)
	}
	for i, text := range s.Tmpfs {
		target, options, _ := strings.Cut(text, ":")
		at := fault.In(s, "tmpfs", strconv.Itoa(i))
		if err := absolute(at, target); err != nil {
			return err
		}
		m := engine.Mount{Type: engine.MountTmpfs, Target: path.Clean(target)}
		m.TmpfsOptions = split(options)
		out.Mounts = append(out.Mounts, m)
	}
	return nil
}

func mount(where []string, v types.ServiceVolumeConfig) (engine.Mount, error) {
	out := engine.Mount{
		Type: engine.MountType(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly,
	}
	if err := absolute(where, v.Target); err != nil {
		return out, err
	}
	switch v.Type {
	case types.VolumeTypeBind:
		bind(v.Bind, &out)
	case types.VolumeTypeVolume:
		if v.Volume != nil {
			out.NoCopy, out.Subpath, out.Labels = v.Volume.NoCopy, v.Volume.Subpath, v.Volume.Labels
		}
	case types.VolumeTypeTmpfs:
		if t := v.Tmpfs; t != nil {
			out.TmpfsSize = engine.Bytes(t.Size)
			if t.Mode != 0 {
				out.TmpfsMode = &t.Mode
			}
		}
	case types.VolumeTypeImage:
		if v.Image != nil {
			out.Subpath = v.Image.SubPath
		}
	case "":
		return out, fault.At(where, "%s: the mount has no type", fault.Dotted(where)).
			Hint("Say type: volume, bind, tmpfs or image.")
	default:
		return out, fault.At(append(where, "type"), "%s: mounts of type %q do not exist on Linux", fault.Dotted(where), v.Type).
			Hint("Say type: volume, bind, tmpfs or image.").Unsupported()
	}
	if v.Source == "" && (v.Type == types.VolumeTypeBind || v.Type == types.VolumeTypeImage) {
		return out, fault.At(where, "%s: the mount has no source", fault.Dotted(where))
	}
	if v.Type == types.VolumeTypeBind && !path.IsAbs(v.Source) { // what is relative to the project was made absolute
		return out, fault.At(where, "%s: %q is no path of a Linux host", fault.Dotted(where), v.Source).
			Hint("Write the path with slashes, from / or from the project directory: ./data.")
	}
	return out, nil
}

func bind(b *types.ServiceVolumeBind, out *engine.Mount) {
	if b == nil {
		out.CreateHostPath = true // the default of the long syntax, too
		return
	}
	out.Propagation = b.Propagation
	out.CreateHostPath = bool(b.CreateHostPath)
	out.Recursive = b.Recursive
	out.SELinux = b.SELinux
}

// absolute checks a path in the container.
func absolute(where []string, target string) error {
	switch {
	case target == "":
		return fault.At(where, "%s: the mount has no target", fault.Dotted(where))
	case !path.IsAbs(target):
		return fault.At(where, "%s: %q is not an absolute path in the container", fault.Dotted(where), target).
			Hint("Begin it with /.")
	case path.Clean(target) == "/":
		return fault.At(where, "%s: nothing can be mounted on / of the container", fault.Dotted(where))
	default:
		return nil
	}
}
