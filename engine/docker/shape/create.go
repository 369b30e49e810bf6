package shape

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"

	"tiffin/engine"
)

// CreateRequest is the body of POST /containers/create.
type CreateRequest struct {
	container.CreateRequest
	// MacAddress is where clients before API 1.44 say it.
	MacAddress string
}

// Wish is a container that a client asks for.
type Wish struct {
	Spec engine.ContainerSpec
	// NewVolumes are volumes with options, which are to be made if there are none of these names.
	NewVolumes []engine.VolumeSpec
	// PublishAll publishes every port that the spec or the image exposes.
	PublishAll bool
	// Warnings name what is left out.
	Warnings []string
}

// Ask reads what a client asks for. References to other containers are as the client wrote
// them.
//
// Errors: engine.ErrInvalid for what makes no sense, engine.ErrUnsupported, with the
// field's name, for what tiffin does not carry out.
func Ask(req *CreateRequest) (*Wish, error) {
	if req.Config == nil {
		return nil, invalid("config cannot be empty in order to create a container")
	}
	host := req.HostConfig
	if host == nil {
		host = &container.HostConfig{}
	}
	if err := supported(host); err != nil {
		return nil, err
	}
	w := &Wish{Spec: process(req.Config), PublishAll: host.PublishAllPorts}
	for _, fill := range []func() error{
		func() error { return w.life(req.Config, host) },
		func() error { return w.storage(req.Config, host) },
		func() error { return w.networks(req, host) },
		func() error { return w.ports(req.Config, host) },
		func() error { return w.isolation(host) },
		func() error { return w.resources(&host.Resources) },
	} {
		if err := fill(); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

// process is what runs, as whom, and how it is called.
func process(c *container.Config) engine.ContainerSpec {
	// An empty command is the image's, as none is; an entrypoint of one empty word is cleared.
	entrypoint, cmd := c.Entrypoint, c.Cmd
	if len(entrypoint) == 0 {
		entrypoint = nil
	}
	if len(cmd) == 0 {
		cmd = nil
	}
	return engine.ContainerSpec{
		Image: c.Image, Entrypoint: entrypoint, Cmd: cmd,
		Env: c.Env, WorkingDir: c.WorkingDir, User: c.User,
		Hostname: c.Hostname, Domainname: c.Domainname, Labels: c.Labels,
		TTY: c.Tty, OpenStdin: c.OpenStdin, StdinOnce: c.StdinOnce,
		StopSignal: c.StopSignal,
	}
}

// life is when it is asked how it is, ended, started again, removed.
func (w *Wish) life(c *container.Config, h *container.HostConfig) error {
	s := &w.Spec
	if c.StopTimeout != nil {
		s.StopTimeout = seconds(*c.StopTimeout)
	}
	var err error
	if s.Healthcheck, err = healthcheck(c.Healthcheck); err != nil {
		return err
	}
	s.Restart = Restart(h.RestartPolicy)
	s.AutoRemove = h.AutoRemove
	s.Log, err = logConfig(&h.LogConfig)
	return err
}

// forever is a time that nothing lasts: what a negative number of seconds means.
const forever = 100 * 365 * 24 * time.Hour

func seconds(n int) *engine.Duration {
	d := engine.Duration(time.Duration(n) * time.Second)
	if n < 0 {
		d = engine.Duration(forever)
	}
	return &d
}

// Restart translates a restart policy that is valid.
func Restart(p container.RestartPolicy) engine.RestartPolicy {
	if p.IsNone() {
		return engine.RestartPolicy{}
	}
	return engine.RestartPolicy{Mode: engine.RestartMode(p.Name), MaxAttempts: p.MaximumRetryCount}
}

func healthcheck(h *container.HealthConfig) (*engine.Healthcheck, error) {
	if h == nil {
		return nil, nil //nolint:nilnil // none is what the image says
	}
	for name, d := range map[string]time.Duration{
		"Interval": h.Interval, "Timeout": h.Timeout, "StartPeriod": h.StartPeriod, "StartInterval": h.StartInterval,
	} {
		if d != 0 && d < container.MinimumDuration {
			return nil, invalid("%s in Healthcheck cannot be less than %s", name, container.MinimumDuration)
		}
	}
	if h.Retries < 0 {
		return nil, invalid("Retries in Healthcheck cannot be negative")
	}
	if len(h.Test) > 0 && !slices.Contains([]string{"NONE", "CMD", "CMD-SHELL"}, h.Test[0]) {
		return nil, invalid("Unknown healthcheck type %q (expected 'CMD')", h.Test[0])
	}
	return &engine.Healthcheck{
		Test: h.Test, Interval: engine.Duration(h.Interval), Timeout: engine.Duration(h.Timeout), Retries: h.Retries,
		StartPeriod: engine.Duration(h.StartPeriod), StartInterval: engine.Duration(h.StartInterval),
	}, nil
}

// isolation is what keeps it from the host, and from others.
func (w *Wish) isolation(h *container.HostConfig) error {
	s := &w.Spec
	s.PidMode, s.UtsMode, s.UsernsMode = string(h.PidMode), string(h.UTSMode), string(h.UsernsMode)
	s.IpcMode, s.CgroupMode = private(string(h.IpcMode)), private(string(h.CgroupnsMode))
	s.Privileged, s.ReadOnly = h.Privileged, h.ReadonlyRootfs
	s.CapAdd, s.CapDrop = h.CapAdd, h.CapDrop
	s.SecurityOpt = slices.Clone(h.SecurityOpt)
	// Lists that are there and empty are how clients say it.
	if h.MaskedPaths != nil && h.ReadonlyPaths != nil && !h.Privileged {
		s.SecurityOpt = append(s.SecurityOpt, "systempaths=unconfined")
	}
	s.GroupAdd, s.Umask, s.Annotations = h.GroupAdd, h.Umask, h.Annotations
	s.Sysctls, s.OomScoreAdj, s.CgroupParent, s.Runtime = h.Sysctls, h.OomScoreAdj, h.CgroupParent, h.Runtime
	s.Init = h.Init != nil && *h.Init
	for _, d := range h.Devices {
		s.Devices = append(s.Devices, engine.Device{
			Source: d.PathOnHost, Target: cmp.Or(d.PathInContainer, d.PathOnHost), Permissions: cmp.Or(d.CgroupPermissions, "rwm"),
		})
	}
	s.DeviceCgroupRules = h.DeviceCgroupRules
	for _, u := range h.Ulimits {
		s.Ulimits = append(s.Ulimits, engine.Ulimit{Name: u.Name, Soft: u.Soft, Hard: u.Hard})
	}
	return nil
}

// private drops the word for what a namespace is anyway.
func private(mode string) string {
	if mode == "private" {
		return ""
	}
	return mode
}

// resources are limits and weights.
func (w *Wish) resources(r *container.Resources) error {
	out, err := Resources(r)
	w.Spec.Resources = out
	return err
}

// Resources translates limits and weights.
func Resources(r *container.Resources) (engine.Resources, error) {
	if r.NanoCPUs > 0 && (r.CPUQuota > 0 || r.CPUPeriod > 0) {
		return engine.Resources{}, invalid("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set")
	}
	if r.Memory != 0 && r.Memory < minMemory {
		return engine.Resources{}, invalid("Minimum memory limit allowed is 6MB")
	}
	if r.Memory > 0 && r.MemorySwap > 0 && r.MemorySwap < r.Memory {
		return engine.Resources{}, invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
	}
	out := engine.Resources{
		Memory: engine.Bytes(r.Memory), MemoryReservation: engine.Bytes(r.MemoryReservation), MemorySwap: engine.Bytes(r.MemorySwap),
		Swappiness: r.MemorySwappiness, OomKillDisable: r.OomKillDisable != nil && *r.OomKillDisable,
		NanoCPUs: r.NanoCPUs, CPUPeriod: r.CPUPeriod, CPUQuota: r.CPUQuota,
		CPURealtimePeriod: r.CPURealtimePeriod, CPURealtimeQuota: r.CPURealtimeRuntime,
		CPUShares: r.CPUShares, CpusetCpus: r.CpusetCpus, CpusetMems: r.CpusetMems, BlkioWeight: r.BlkioWeight,
	}
	if s := out.Swappiness; s != nil && *s == -1 {
		out.Swappiness = nil
	}
	if r.PidsLimit != nil {
		out.PidsLimit = *r.PidsLimit
	}
	for _, d := range r.BlkioWeightDevice {
		out.BlkioWeightDevice = append(out.BlkioWeightDevice, engine.Weight{Path: d.Path, Weight: d.Weight})
	}
	out.BlkioReadBps, out.BlkioWriteBps = rates(r.BlkioDeviceReadBps), rates(r.BlkioDeviceWriteBps)
	out.BlkioReadIOps, out.BlkioWriteIOps = rates(r.BlkioDeviceReadIOps), rates(r.BlkioDeviceWriteIOps)
	return out, nil
}

// minMemory is the least that Docker gives a container.
const minMemory = 6 << 20

// networks says on which networks it is, and how.
func (w *Wish) networks(req *CreateRequest, h *container.HostConfig) error {
	s := &w.Spec
	s.DNS, s.DNSOptions, s.DNSSearch, s.ExtraHosts, s.Links = h.DNS, h.DNSOptions, h.DNSSearch, extraHosts(h.ExtraHosts), nil
	for _, text := range h.Links {
		link, err := parseLink(text)
		if err != nil {
			return err
		}
		s.Links = append(s.Links, link)
	}
	s.MacAddress = req.MacAddress
	mode := string(h.NetworkMode)
	if req.NetworkDisabled {
		mode = network.NetworkNone
	}
	var ends map[string]*network.EndpointSettings
	if req.NetworkingConfig != nil {
		ends = req.NetworkingConfig.EndpointsConfig
	}
	switch {
	case mode == network.NetworkHost && len(s.Links) > 0:
		return invalid("conflicting options: host type networking can't be used with links. This would result in undefined behavior")
	case h.NetworkMode.IsContainer() && len(s.Links) > 0:
		return invalid("conflicting options: container type network can't be used with links. This would result in undefined behavior")
	case mode == network.NetworkHost, mode == network.NetworkNone, h.NetworkMode.IsContainer():
		s.NetworkMode = mode
		if mode == network.NetworkHost && len(h.PortBindings) > 0 {
			w.Warnings = append(w.Warnings, "Published ports are discarded when using host network mode")
		}
		return w.alone(mode, ends)
	case mode != "" && mode != network.NetworkDefault && mode != network.NetworkBridge:
	case len(ends) == 0 || onIt(ends, network.NetworkBridge) || onIt(ends, network.NetworkDefault):
		mode = network.NetworkBridge
		s.NetworkMode = mode
	default: // who names networks, and not this one, is on theirs alone
		mode = slices.Min(slices.Collect(maps.Keys(ends)))
	}
	return w.endpoints(mode, ends)
}

func onIt(ends map[string]*network.EndpointSettings, name string) bool {
	_, ok := ends[name]
	return ok
}

// alone checks that a container whose network is not its own is on no other.
func (w *Wish) alone(mode string, ends map[string]*network.EndpointSettings) error {
	for name, set := range ends {
		if name != mode {
			return invalid("conflicting options: a container with network mode %s cannot be on network %s", mode, name)
		}
		if set != nil && set.IPAMConfig != nil && (set.IPAMConfig.IPv4Address.IsValid() || set.IPAMConfig.IPv6Address.IsValid()) {
			return invalid("user specified IP address is supported on user defined networks only")
		}
	}
	if w.Spec.MacAddress != "" {
		return invalid("conflicting options: mac-address and the network mode")
	}
	return nil
}

// endpoints lists the networks: the one of the mode first.
func (w *Wish) endpoints(mode string, ends map[string]*network.EndpointSettings) error {
	s := &w.Spec
	names := slices.Sorted(maps.Keys(ends))
	if mode != network.NetworkBridge {
		names = append([]string{mode}, slices.DeleteFunc(names, func(n string) bool { return n == mode })...)
	}
	for i, name := range names {
		settings := ends[name]
		if name == network.NetworkDefault {
			name = network.NetworkBridge
		}
		e, err := Endpoint(name, settings)
		if err != nil {
			return err
		}
		if name == network.NetworkBridge {
			if mode == network.NetworkBridge {
				if e.IPv4.IsValid() || e.IPv6.IsValid() {
					return invalid("user specified IP address is supported on user defined networks only")
				}
				s.MacAddress = cmp.Or(e.MacAddress, s.MacAddress)
				continue
			}
		}
		if i == 0 && e.MacAddress == "" {
			e.MacAddress = s.MacAddress
		}
		e.Priority = len(names) - i // they are joined in this order
		s.Endpoints = append(s.Endpoints, e)
	}
	return nil
}

// Endpoint reads how a container is to be on a network.
func Endpoint(name string, set *network.EndpointSettings) (engine.EndpointSpec, error) {
	e := engine.EndpointSpec{Network: name}
	if set == nil {
		return e, nil
	}
	e.Aliases, e.Links, e.DriverOpts, e.GwPriority = set.Aliases, set.Links, set.DriverOpts, set.GwPriority
	if len(set.MacAddress) > 0 {
		e.MacAddress = set.MacAddress.String()
	}
	if ipam := set.IPAMConfig; ipam != nil {
		e.IPv4, e.IPv6, e.LinkLocal = ipam.IPv4Address, ipam.IPv6Address, ipam.LinkLocalIPs
	}
	if e.IPv4.IsValid() && !e.IPv4.Is4() {
		return e, invalid("invalid endpoint settings:\ninvalid IPv4 address: %s", e.IPv4)
	}
	if e.IPv6.IsValid() && !e.IPv6.Is6() {
		return e, invalid("invalid endpoint settings:\ninvalid IPv6 address: %s", e.IPv6)
	}
	return e, nil
}

// extraHosts writes name:address as name=address: addresses may have colons.
func extraHosts(list []string) []string {
	var out []string
	for _, entry := range list {
		if name, address, ok := strings.Cut(entry, ":"); ok && !strings.Contains(name, "=") {
			entry = name + "=" + address
		}
		out = append(out, entry)
	}
	return out
}

var errVolumeSpec = errors.New("invalid volume specification")

// MergeResources lays the limits that a client names over those that there are.
//
// Errors: engine.ErrInvalid for limits that contradict each other.
func MergeResources(old *engine.Resources, r *container.Resources) (merged engine.Resources, changed bool, err error) {
	merged = *old
	changed = slices.Contains([]bool{
		over(&merged.Memory, engine.Bytes(r.Memory)),
		over(&merged.MemoryReservation, engine.Bytes(r.MemoryReservation)),
		over(&merged.MemorySwap, engine.Bytes(r.MemorySwap)),
		over(&merged.NanoCPUs, r.NanoCPUs),
		over(&merged.CPUPeriod, r.CPUPeriod),
		over(&merged.CPUQuota, r.CPUQuota),
		over(&merged.CPUShares, r.CPUShares),
		over(&merged.CPURealtimePeriod, r.CPURealtimePeriod),
		over(&merged.CPURealtimeQuota, r.CPURealtimeRuntime),
		over(&merged.BlkioWeight, r.BlkioWeight),
		over(&merged.CpusetCpus, r.CpusetCpus),
		over(&merged.CpusetMems, r.CpusetMems),
		r.PidsLimit != nil,
	}, true)
	if r.PidsLimit != nil {
		merged.PidsLimit = *r.PidsLimit
	}
	if r.NanoCPUs > 0 && (r.CPUPeriod > 0 || r.CPUQuota > 0) {
		return *old, false, invalid("Conflicting options: Nano CPUs and CPU Period/Quota cannot both be set")
	}
	if merged.Memory > 0 && merged.MemorySwap > 0 && merged.MemorySwap < merged.Memory {
		return *old, false, invalid("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
	}
	return merged, changed, nil
}

// over puts a value that is there in the place of another one, and says whether it is.
func over[T comparable](to *T, value T) bool {
	var none T
	if value == none {
		return false
	}
	*to = value
	return true
}
