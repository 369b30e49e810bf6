package shape

import (
	"cmp"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/moby/api/types/blkiodev"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// HostConfig is how a container is held, as a client could ask for it.
func HostConfig(c *engine.Container) *container.HostConfig {
	s := &c.Spec
	out := &container.HostConfig{
		LogConfig:     container.LogConfig{Type: cmp.Or(s.Log.Driver, "json-file"), Config: s.Log.Options},
		NetworkMode:   container.NetworkMode(NetworkMode(s)),
		PortBindings:  portBindings(s.Ports),
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(cmp.Or(string(s.Restart.Mode), "no")), MaximumRetryCount: s.Restart.MaxAttempts},
		AutoRemove:    s.AutoRemove, VolumesFrom: volumesFrom(s.VolumesFrom), Annotations: s.Annotations,
		CapAdd: s.CapAdd, CapDrop: s.CapDrop, CgroupnsMode: container.CgroupnsMode(cmp.Or(s.CgroupMode, "private")),
		DNS: s.DNS, DNSOptions: s.DNSOptions, DNSSearch: s.DNSSearch, ExtraHosts: hostsOf(s.ExtraHosts), GroupAdd: s.GroupAdd,
		IpcMode: container.IpcMode(cmp.Or(s.IpcMode, "private")), Links: linksOf(c), OomScoreAdj: s.OomScoreAdj,
		PidMode: container.PidMode(s.PidMode), Privileged: s.Privileged, ReadonlyRootfs: s.ReadOnly, SecurityOpt: s.SecurityOpt,
		UTSMode: container.UTSMode(s.UtsMode), UsernsMode: container.UsernsMode(s.UsernsMode), ShmSize: cmp.Or(int64(s.ShmSize), defaultShm),
		Sysctls: s.Sysctls, Runtime: cmp.Or(s.Runtime, "tiffin"), Umask: s.Umask, Resources: resourcesOf(s),
	}
	if out.LogConfig.Config == nil {
		out.LogConfig.Config = map[string]string{}
	}
	if s.Init {
		out.Init = &s.Init
	}
	for i := range s.Mounts {
		addMount(out, &s.Mounts[i])
	}
	return out
}

// defaultShm is the size of /dev/shm when nobody says it.
const defaultShm = 64 << 20

// NetworkMode is the word for the network of a container: the first that it is on.
func NetworkMode(s *engine.ContainerSpec) string {
	if s.NetworkMode != "" {
		return s.NetworkMode
	}
	mode, most := network.NetworkBridge, 0
	for i, e := range s.Endpoints {
		if i == 0 || e.Priority > most {
			mode, most = e.Network, e.Priority
		}
	}
	return mode
}

func portBindings(ports []engine.PortBinding) network.PortMap {
	out := network.PortMap{}
	for _, b := range ports {
		p, ok := network.PortFrom(b.ContainerPort, network.IPProtocol(b.Protocol))
		if !ok {
			continue
		}
		host := ""
		switch {
		case b.HostPortEnd > b.HostPort:
			host = strconv.Itoa(int(b.HostPort)) + "-" + strconv.Itoa(int(b.HostPortEnd))
		case b.HostPort > 0:
			host = strconv.Itoa(int(b.HostPort))
		}
		out[p] = append(out[p], network.PortBinding{HostIP: b.HostIP, HostPort: host})
	}
	return out
}

func volumesFrom(list []string) []string {
	var out []string
	for _, from := range list {
		out = append(out, strings.TrimPrefix(from, "container:"))
	}
	return out
}

func hostsOf(list []string) []string {
	var out []string
	for _, entry := range list {
		out = append(out, strings.Replace(entry, "=", ":", 1))
	}
	return out
}

// addMount puts a mount where clients look for it: what the short form can say among the
// binds.
func addMount(out *container.HostConfig, m *engine.Mount) {
	switch {
	case m.Type == engine.MountTmpfs && m.TmpfsSize == 0 && m.TmpfsMode == nil:
		if out.Tmpfs == nil {
			out.Tmpfs = map[string]string{}
		}
		out.Tmpfs[m.Target] = strings.Join(m.TmpfsOptions, ",")
	case m.Source != "" && m.Subpath == "" && m.Recursive == "" && (m.Type == engine.MountVolume || m.Type == engine.MountBind && m.CreateHostPath):
		out.Binds = append(out.Binds, strings.Join([]string{m.Source, m.Target, bindMode(m)}, ":"))
	case isAnonymous(m):
		// It is in Config.Volumes.
	default:
		out.Mounts = append(out.Mounts, longMount(m))
	}
}

// isAnonymous says that a mount is a volume without a name, and without options.
func isAnonymous(m *engine.Mount) bool {
	return m.Type == engine.MountVolume && m.Source == "" && !m.NoCopy
}

func bindMode(m *engine.Mount) string {
	options := []string{"rw"}
	if m.ReadOnly {
		options[0] = "ro"
	}
	if m.NoCopy {
		options = append(options, "nocopy")
	}
	return strings.Join(slices.DeleteFunc(append(options, m.SELinux, m.Propagation), func(o string) bool { return o == "" }), ",")
}

func longMount(m *engine.Mount) mount.Mount {
	out := mount.Mount{Type: mount.Type(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
	switch m.Type {
	case engine.MountBind:
		out.BindOptions = &mount.BindOptions{
			Propagation: mount.Propagation(m.Propagation), CreateMountpoint: m.CreateHostPath,
			NonRecursive: m.Recursive == "disabled", ReadOnlyNonRecursive: m.Recursive == "writable", ReadOnlyForceRecursive: m.Recursive == "readonly",
		}
	case engine.MountVolume:
		out.VolumeOptions = &mount.VolumeOptions{NoCopy: m.NoCopy, Subpath: m.Subpath}
	case engine.MountImage:
		out.ImageOptions = &mount.ImageOptions{Subpath: m.Subpath}
	case engine.MountTmpfs:
		out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(m.TmpfsSize)}
		if m.TmpfsMode != nil {
			out.TmpfsOptions.Mode = fs.FileMode(*m.TmpfsMode)
		}
		for _, o := range m.TmpfsOptions {
			out.TmpfsOptions.Options = append(out.TmpfsOptions.Options, strings.SplitN(o, "=", 2))
		}
	}
	return out
}

func resourcesOf(s *engine.ContainerSpec) container.Resources {
	r := &s.Resources
	out := container.Resources{
		CPUShares: r.CPUShares, Memory: int64(r.Memory), NanoCPUs: r.NanoCPUs, CgroupParent: s.CgroupParent,
		BlkioWeight: r.BlkioWeight, CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota,
		CPURealtimePeriod: r.CPURealtimePeriod, CPURealtimeRuntime: r.CPURealtimeQuota,
		CpusetCpus: r.CpusetCpus, CpusetMems: r.CpusetMems, DeviceCgroupRules: s.DeviceCgroupRules,
		MemoryReservation: int64(r.MemoryReservation), MemorySwap: int64(r.MemorySwap), MemorySwappiness: r.Swappiness,
		OomKillDisable: &r.OomKillDisable, BlkioWeightDevice: []*blkiodev.WeightDevice{}, Devices: []container.DeviceMapping{},
		BlkioDeviceReadBps: throttles(r.BlkioReadBps), BlkioDeviceWriteBps: throttles(r.BlkioWriteBps),
		BlkioDeviceReadIOps: throttles(r.BlkioReadIOps), BlkioDeviceWriteIOps: throttles(r.BlkioWriteIOps),
	}
	if out.MemorySwap == 0 && out.Memory > 0 {
		out.MemorySwap = 2 * out.Memory
	}
	if r.PidsLimit != 0 {
		out.PidsLimit = &r.PidsLimit
	}
	for _, d := range r.BlkioWeightDevice {
		out.BlkioWeightDevice = append(out.BlkioWeightDevice, &blkiodev.WeightDevice{Path: d.Path, Weight: d.Weight})
	}
	for _, d := range s.Devices {
		out.Devices = append(out.Devices, container.DeviceMapping{PathOnHost: d.Source, PathInContainer: d.Target, CgroupPermissions: d.Permissions})
	}
	for _, u := range s.Ulimits {
		out.Ulimits = append(out.Ulimits, &units.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return out
}

func throttles(list []engine.Rate) []*blkiodev.ThrottleDevice {
	var out []*blkiodev.ThrottleDevice
	for _, d := range list {
		out = append(out, &blkiodev.ThrottleDevice{Path: d.Path, Rate: d.Rate})
	}
	return out
}
