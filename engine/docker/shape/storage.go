package shape

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"

	"tiffin/engine"
)

// storage says what is mounted where.
func (w *Wish) storage(c *container.Config, h *container.HostConfig) error {
	s := &w.Spec
	s.ShmSize = engine.Bytes(h.ShmSize)
	for _, text := range h.Binds {
		m, err := bind(text)
		if err != nil {
			return err
		}
		s.Mounts = append(s.Mounts, m)
	}
	for i := range h.Mounts {
		if err := w.mount(&h.Mounts[i]); err != nil {
			return err
		}
	}
	for _, target := range slices.Sorted(maps.Keys(h.Tmpfs)) {
		m := engine.Mount{Type: engine.MountTmpfs, Target: path.Clean(target)}
		if options := h.Tmpfs[target]; options != "" {
			m.TmpfsOptions = strings.Split(options, ",")
		}
		s.Mounts = append(s.Mounts, m)
	}
	for _, target := range slices.Sorted(maps.Keys(c.Volumes)) {
		// Old clients write -v src:dst here, too.
		if target = path.Clean(target); !w.mounted(target) {
			s.Mounts = append(s.Mounts, engine.Mount{Type: engine.MountVolume, Target: target})
		}
	}
	for _, from := range h.VolumesFrom {
		s.VolumesFrom = append(s.VolumesFrom, "container:"+from)
	}
	return w.checkMounts()
}

func (w *Wish) mounted(target string) bool {
	return slices.ContainsFunc(w.Spec.Mounts, func(m engine.Mount) bool { return m.Target == target })
}

func (w *Wish) checkMounts() error {
	seen := map[string]bool{}
	for _, m := range w.Spec.Mounts {
		switch {
		case !path.IsAbs(m.Target):
			return invalid("invalid mount config for type %q: invalid mount path: '%s' mount path must be absolute", m.Type, m.Target)
		case m.Target == "/":
			return invalid("invalid volume specification: destination can't be '/'")
		case seen[m.Target]:
			return invalid("Duplicate mount point: %s", m.Target)
		}
		seen[m.Target] = true
	}
	return nil
}

// bind reads SOURCE:TARGET[:OPTIONS]; a source that is no path is the name of a volume.
func bind(text string) (engine.Mount, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || parts[0] == "" || parts[1] == "" {
		return engine.Mount{}, engine.Problem(engine.ErrInvalid, fmt.Errorf("%w: '%s'", errVolumeSpec, text))
	}
	m := engine.Mount{Type: engine.MountVolume, Source: parts[0], Target: path.Clean(parts[1])}
	if path.IsAbs(parts[0]) {
		m.Type, m.CreateHostPath = engine.MountBind, true
		m.Source = path.Clean(parts[0])
	}
	if len(parts) == 2 {
		return m, nil
	}
	for option := range strings.SplitSeq(parts[2], ",") {
		if !setMode(&m, option) {
			return m, invalid("invalid mode: %s", parts[2])
		}
	}
	return m, nil
}

// setMode takes one option of a bind; it returns false for one that there is not.
func setMode(m *engine.Mount, option string) bool {
	switch option {
	case "", "rw", "copy", "consistent", "cached", "delegated", "default":
	case "ro":
		m.ReadOnly = true
	case "nocopy":
		m.NoCopy = true
	case "z", "Z":
		m.SELinux = option
	default:
		if m.Type != engine.MountBind || !slices.Contains(mount.Propagations, mount.Propagation(option)) {
			return false
		}
		m.Propagation = option
	}
	return true
}

// mount reads an entry of HostConfig.Mounts.
func (w *Wish) mount(from *mount.Mount) error {
	m := engine.Mount{Type: engine.MountType(from.Type), Source: from.Source, Target: from.Target, ReadOnly: from.ReadOnly}
	if m.Target != "" {
		m.Target = path.Clean(m.Target)
	}
	switch from.Type {
	case mount.TypeBind:
		if !path.IsAbs(m.Source) {
			return invalid("invalid mount config for type \"bind\": invalid mount path: '%s' mount path must be absolute", m.Source)
		}
		bindOptions(&m, from.BindOptions)
	case mount.TypeVolume:
		if err := w.volumeOptions(&m, from.VolumeOptions); err != nil {
			return err
		}
	case mount.TypeTmpfs:
		tmpfsOptions(&m, from.TmpfsOptions)
	case mount.TypeImage:
		if o := from.ImageOptions; o != nil {
			m.Subpath = o.Subpath
		}
	default:
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("invalid mount config for type %q: mount type unknown", from.Type))
	}
	w.Spec.Mounts = append(w.Spec.Mounts, m)
	return nil
}

func bindOptions(m *engine.Mount, o *mount.BindOptions) {
	if o == nil {
		return
	}
	m.Propagation, m.CreateHostPath = string(o.Propagation), o.CreateMountpoint
	switch {
	case o.NonRecursive:
		m.Recursive = "disabled"
	case o.ReadOnlyNonRecursive:
		m.Recursive = "writable"
	case o.ReadOnlyForceRecursive:
		m.Recursive = "readonly"
	}
}

// volumeOptions reads the options of a volume, which may be there to make it with.
func (w *Wish) volumeOptions(m *engine.Mount, o *mount.VolumeOptions) error {
	if o == nil {
		return nil
	}
	m.NoCopy, m.Subpath = o.NoCopy, o.Subpath
	made := engine.VolumeSpec{Name: m.Source, Labels: o.Labels}
	if o.DriverConfig != nil {
		made.Driver, made.DriverOpts = o.DriverConfig.Name, o.DriverConfig.Options
	}
	if err := LocalDriver(made.Driver); err != nil {
		return err
	}
	if len(made.Labels)+len(made.DriverOpts) == 0 {
		return nil
	}
	if made.Name == "" {
		w.Warnings = append(w.Warnings, fmt.Sprintf("the anonymous volume at %s is made without its labels and options: give it a name", m.Target))
		return nil
	}
	w.NewVolumes = append(w.NewVolumes, made)
	return nil
}

// LocalDriver refuses drivers of volumes that there are not.
func LocalDriver(name string) error {
	if name == "" || name == "local" {
		return nil
	}
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("error looking up volume plugin %s: plugin %q not found", name, name))
}

func tmpfsOptions(m *engine.Mount, o *mount.TmpfsOptions) {
	if o == nil {
		return
	}
	m.TmpfsSize = engine.Bytes(o.SizeBytes)
	if o.Mode != 0 {
		mode := uint32(o.Mode)
		m.TmpfsMode = &mode
	}
	for _, pair := range o.Options {
		m.TmpfsOptions = append(m.TmpfsOptions, strings.Join(pair, "="))
	}
}
