package ocispec

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

const (
	shmTarget      = "/dev/shm"
	defaultShmSize = 64 << 20
)

// mounts fills in the kernel's file systems, then everything else from the top of the
// tree down. What the container mounts itself takes the place of the default.
func (b *builder) mounts(s *specs.Spec) error {
	own, err := b.ownMounts()
	if err != nil {
		return err
	}
	covered := map[string]bool{}
	for _, m := range own {
		if covered[m.Destination] {
			return invalid("duplicate mount point: %s", m.Destination)
		}
		covered[m.Destination] = true
	}
	for _, m := range b.defaultMounts() {
		underDev := covered["/dev"] && strings.HasPrefix(m.Destination, "/dev/")
		if !covered[m.Destination] && !underDev {
			s.Mounts = append(s.Mounts, m)
		}
	}
	for _, m := range b.etcMounts() {
		if !covered[m.Destination] {
			own = append(own, m)
		}
	}
	slices.SortStableFunc(own, func(a, b specs.Mount) int { return depth(a.Destination) - depth(b.Destination) })
	s.Mounts = append(s.Mounts, own...)
	return nil
}

func depth(dir string) int { return strings.Count(dir, "/") }

func (b *builder) defaultMounts() []specs.Mount {
	mount := func(target, fstype, options string) specs.Mount {
		return specs.Mount{Destination: target, Type: fstype, Source: fstype, Options: strings.Split(options, ",")}
	}
	list := []specs.Mount{
		mount("/proc", "proc", "nosuid,noexec,nodev"),
		mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
		mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
		mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
		mount("/sys/fs/cgroup", "cgroup", "ro,nosuid,noexec,nodev"),
		mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
	}
	for i, m := range list {
		switch {
		case m.Destination == "/sys" && b.spec.Privileged,
			m.Type == "cgroup" && (b.spec.Privileged || b.security.writableCgroups):
			list[i].Options = writable(m.Options)
		}
	}
	if !sharesShm(b.spec.IpcMode) && b.spec.IpcMode != modeNone {
		size := b.spec.ShmSize
		if size == 0 {
			size = defaultShmSize
		}
		list = append(list, specs.Mount{
			Destination: shmTarget, Type: "tmpfs", Source: "shm",
			Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(int64(size), 10)},
		})
	}
	return list
}

// sharesShm says that /dev/shm is not the container's alone.
func sharesShm(ipcMode string) bool { return ipcMode == modeShareable || !ownNamespace(ipcMode) }

// etcMounts are the files that the engine writes.
func (b *builder) etcMounts() []specs.Mount {
	var out []specs.Mount
	for _, f := range []struct{ target, source string }{
		{"/etc/hostname", b.Etc.Hostname}, {"/etc/hosts", b.Etc.Hosts}, {"/etc/resolv.conf", b.Etc.ResolvConf},
	} {
		if f.source == "" {
			continue
		}
		options := []string{"rbind", "rprivate"}
		if b.spec.ReadOnly {
			options = append(options, "ro")
		}
		out = append(out, specs.Mount{Destination: f.target, Type: "bind", Source: f.source, Options: options})
	}
	return out
}

// ownMounts are the storage mounts, configs and secrets, and a /dev/shm that is shared.
func (b *builder) ownMounts() ([]specs.Mount, error) {
	var out []specs.Mount
	for _, point := range b.Container.Mounts {
		m, err := b.storageMount(point)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	for _, f := range b.spec.Files {
		m, err := b.fileMount(f)
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	mounted := slices.ContainsFunc(out, func(m specs.Mount) bool { return m.Destination == shmTarget })
	if sharesShm(b.spec.IpcMode) && !mounted {
		source := b.Sources[shmTarget]
		if b.spec.IpcMode == modeHost {
			source = shmTarget
		}
		if source == "" {
			return nil, invalid("ipc mode %s: there is no shared memory to be mounted", b.spec.IpcMode)
		}
		out = append(out, specs.Mount{
			Destination: shmTarget, Type: "bind", Source: source, Options: []string{"rbind", "rprivate"},
		})
	}
	return out, nil
}

func (b *builder) fileMount(f engine.FileMount) (specs.Mount, error) {
	target, err := mountTarget(f.Target)
	if err != nil {
		return specs.Mount{}, err
	}
	source := b.Sources[f.Target]
	if source == "" {
		return specs.Mount{}, invalid("%s %s was not written", f.Kind, f.Name)
	}
	return specs.Mount{
		Destination: target, Type: "bind", Source: source, Options: []string{"bind", "ro", "nosuid", "nodev", "rprivate"},
	}, nil
}

func (b *builder) storageMount(point engine.MountPoint) (specs.Mount, error) {
	target, err := mountTarget(point.Destination)
	if err != nil {
		return specs.Mount{}, err
	}
	if point.Type == engine.MountTmpfs {
		options, err := tmpfsOptions(point)
		return specs.Mount{Destination: target, Type: "tmpfs", Source: "tmpfs", Options: options}, err
	}
	source := point.Source
	if replaced, ok := b.Sources[point.Destination]; ok {
		source = replaced
	}
	if !path.IsAbs(source) {
		return specs.Mount{}, invalid("mount %s: source %q is not an absolute path", target, source)
	}
	options, err := bindOptions(point)
	return specs.Mount{Destination: target, Type: "bind", Source: source, Options: options}, err
}

// mountTarget checks where something is to be mounted.
func mountTarget(target string) (string, error) {
	clean := path.Clean(target)
	if !path.IsAbs(clean) {
		return "", invalid("mount path %q must be absolute", target)
	}
	if clean == "/" {
		return "", invalid("invalid mount: the destination cannot be /")
	}
	return clean, nil
}

// bindOptions translates a bind or a volume. Read-only goes all the way down, unless the mount says otherwise.
func bindOptions(point engine.MountPoint) ([]string, error) {
	propagation := point.Propagation
	if propagation == "" {
		propagation = "rprivate"
	}
	if !slices.Contains([]string{"rprivate", "private", "rshared", "shared", "rslave", "slave"}, propagation) {
		return nil, invalid("mount %s: propagation %q is not known", point.Destination, propagation)
	}
	bind, readOnly := "rbind", "rro"
	switch point.Spec.Recursive {
	case "", "enabled":
	case "disabled":
		bind, readOnly = "bind", "ro"
	case "writable":
		readOnly = "ro"
	case "readonly":
		if !point.ReadOnly || propagation != "rprivate" {
			return nil, invalid("mount %s: recursive readonly needs read_only and propagation rprivate", point.Destination)
		}
	default:
		return nil, invalid("mount %s: recursive %q is none of enabled, disabled, writable, readonly", point.Destination, point.Spec.Recursive)
	}
	options := []string{bind, propagation}
	if point.ReadOnly || point.Type == engine.MountImage {
		options = append(options, readOnly)
	}
	return options, nil
}

// Marker is an empty file by which programs tell that they run in a container, as in Docker's:
// Testcontainers, and what asks is-docker.
const Marker = "/.dockerenv"

// MountPoints are where something is mounted in a container that runs, and its Marker.
func MountPoints(c *engine.Container) []string {
	etc := Etc{Hostname: "-", Hosts: "-", ResolvConf: "-"} // their mount points alone count
	b := builder{Input: Input{Container: c, Etc: etc}, spec: &c.Spec}
	out := []string{Marker, shmTarget}
	for _, m := range slices.Concat(b.defaultMounts(), b.etcMounts()) {
		out = append(out, m.Destination)
	}
	for i := range c.Mounts {
		out = append(out, c.Mounts[i].Destination)
	}
	for i := range c.Spec.Files {
		out = append(out, c.Spec.Files[i].Target)
	}
	return out
}
