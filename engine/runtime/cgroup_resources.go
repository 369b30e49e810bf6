package runtime

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// resourcesOf translates the limits of an OCI spec into those of the cgroup library. What the host has no
// controller for is left out, and named in the warnings.
func resourcesOf(t *CgroupTree, r *specs.LinuxResources) (*cgroups.Resources, []string, error) {
	if r == nil {
		r = &specs.LinuxResources{}
	}
	rules, err := deviceRules(r.Devices)
	if err != nil {
		return nil, nil, err
	}
	out := &cgroups.Resources{Devices: rules}
	c := converter{tree: t, out: out}
	c.memory(r.Memory)
	c.cpu(r.CPU)
	c.pids(r.Pids)
	c.blockIO(r.BlockIO)
	c.rest(r)
	if t.v2() {
		out.CpuWeight = cgroups.ConvertCPUSharesToCgroupV2Value(out.CpuShares)
		out.Unified = r.Unified
	}
	return out, c.warnings, nil
}

// converter collects what could not be carried over.
type converter struct {
	tree     *CgroupTree
	out      *cgroups.Resources
	warnings []string
}

// lacks says whether the host has no such controller, and notes that the limit was left out.
func (c *converter) lacks(controller, limit string) bool {
	if c.tree.has(controller) {
		return false
	}
	c.warn(limit, "this host has no "+controller+" cgroup controller")
	return true
}

func (c *converter) warn(limit, why string) {
	c.warnings = append(c.warnings, limit+" limit left out: "+why)
}

func (c *converter) memory(m *specs.LinuxMemory) {
	if m == nil || c.lacks("memory", "memory") {
		return
	}
	c.out.Memory = deref(m.Limit)
	c.out.MemoryReservation = deref(m.Reservation)
	c.out.OomKillDisable = deref(m.DisableOOMKiller)
	c.out.MemoryCheckBeforeUpdate = deref(m.CheckBeforeUpdate)
	switch {
	case deref(m.Swap) == 0:
	case !c.tree.Swap:
		c.warn("swap", "this kernel does not account swap")
	default:
		c.out.MemorySwap = *m.Swap
	}
	switch {
	case m.Swappiness == nil:
	case c.tree.v2():
		c.warn("swappiness", "cgroup v2 has none")
	default:
		c.out.MemorySwappiness = m.Swappiness
	}
}

func (c *converter) cpu(p *specs.LinuxCPU) {
	if p == nil {
		return
	}
	wantsTime := p.Shares != nil || p.Quota != nil || p.Period != nil || p.Burst != nil || p.Idle != nil ||
		p.RealtimeRuntime != nil || p.RealtimePeriod != nil
	if wantsTime && !c.lacks("cpu", "cpu") {
		c.out.CpuShares = deref(p.Shares)
		c.out.CpuQuota = deref(p.Quota)
		c.out.CpuPeriod = deref(p.Period)
		c.out.CpuBurst = p.Burst
		c.out.CPUIdle = p.Idle
		c.out.CpuRtRuntime = deref(p.RealtimeRuntime)
		c.out.CpuRtPeriod = deref(p.RealtimePeriod)
	}
	if (p.Cpus != "" || p.Mems != "") && !c.lacks("cpuset", "cpuset") {
		c.out.CpusetCpus, c.out.CpusetMems = p.Cpus, p.Mems
	}
}

func (c *converter) pids(p *specs.LinuxPids) {
	if p == nil || p.Limit == nil || c.lacks("pids", "pids") {
		return
	}
	c.out.PidsLimit = p.Limit
}

func (c *converter) blockIO(b *specs.LinuxBlockIO) {
	controller := "blkio"
	if c.tree.v2() {
		controller = "io"
	}
	if b == nil || c.lacks(controller, "block I/O") {
		return
	}
	c.out.BlkioWeight = deref(b.Weight)
	c.out.BlkioLeafWeight = deref(b.LeafWeight)
	for _, d := range b.WeightDevice {
		c.out.BlkioWeightDevice = append(c.out.BlkioWeightDevice,
			cgroups.NewWeightDevice(d.Major, d.Minor, deref(d.Weight), deref(d.LeafWeight)))
	}
	c.out.BlkioThrottleReadBpsDevice = throttles(b.ThrottleReadBpsDevice)
	c.out.BlkioThrottleWriteBpsDevice = throttles(b.ThrottleWriteBpsDevice)
	c.out.BlkioThrottleReadIOPSDevice = throttles(b.ThrottleReadIOPSDevice)
	c.out.BlkioThrottleWriteIOPSDevice = throttles(b.ThrottleWriteIOPSDevice)
}

func throttles(in []specs.LinuxThrottleDevice) []*cgroups.ThrottleDevice {
	var out []*cgroups.ThrottleDevice
	for _, d := range in {
		out = append(out, cgroups.NewThrottleDevice(d.Major, d.Minor, d.Rate))
	}
	return out
}

func (c *converter) rest(r *specs.LinuxResources) {
	if len(r.HugepageLimits) > 0 && !c.lacks("hugetlb", "huge page") {
		for _, h := range r.HugepageLimits {
			c.out.HugetlbLimit = append(c.out.HugetlbLimit, &cgroups.HugepageLimit{Pagesize: h.Pagesize, Limit: h.Limit})
		}
	}
	if n := r.Network; n != nil && n.ClassID != nil && !c.lacks("net_cls", "network class") {
		c.out.NetClsClassid = *n.ClassID
	}
	if n := r.Network; n != nil && len(n.Priorities) > 0 && !c.lacks("net_prio", "network priority") {
		for _, p := range n.Priorities {
			c.out.NetPrioIfpriomap = append(c.out.NetPrioIfpriomap,
				&cgroups.IfPrioMap{Interface: p.Name, Priority: int64(p.Priority)})
		}
	}
	if len(r.Rdma) > 0 && !c.lacks("rdma", "rdma") {
		c.out.Rdma = map[string]cgroups.LinuxRdma{}
		for name, l := range r.Rdma {
			c.out.Rdma[name] = cgroups.LinuxRdma{HcaHandles: l.HcaHandles, HcaObjects: l.HcaObjects}
		}
	}
}

// deviceRules are the spec's rules in order, then the devices that every container may use: the nodes of
// defaultDevices, its own pseudo-terminals, and making (not opening) any node.
func deviceRules(in []specs.LinuxDeviceCgroup) ([]*devices.Rule, error) {
	var rules []*devices.Rule
	for i, d := range in {
		some, err := deviceRule(d)
		if err != nil {
			return nil, fmt.Errorf("device rule %d: %w", i, err)
		}
		rules = append(rules, some...)
	}
	allow := func(kind devices.Type, major, minor int64, access devices.Permissions) {
		rules = append(rules, &devices.Rule{Type: kind, Major: major, Minor: minor, Permissions: access, Allow: true})
	}
	allow(devices.CharDevice, devices.Wildcard, devices.Wildcard, "m")
	allow(devices.BlockDevice, devices.Wildcard, devices.Wildcard, "m")
	for _, d := range defaultDevices() {
		allow(devices.CharDevice, d.Major, d.Minor, "rwm")
	}
	allow(devices.CharDevice, 5, 1, "rwm")                  // /dev/console
	allow(devices.CharDevice, 5, 2, "rwm")                  // /dev/ptmx
	allow(devices.CharDevice, 136, devices.Wildcard, "rwm") // /dev/pts/*
	return rules, nil
}

// deviceRule is one rule of the spec as the library has them. For the library a rule of type a means every access to
// every device, whatever else it says; so one that says less becomes a rule for each type.
func deviceRule(d specs.LinuxDeviceCgroup) ([]*devices.Rule, error) {
	access, err := deviceAccess(d.Access)
	if err != nil {
		return nil, err
	}
	rule := devices.Rule{Major: devices.Wildcard, Minor: devices.Wildcard, Permissions: access, Allow: d.Allow}
	if d.Major != nil {
		rule.Major = *d.Major
	}
	if d.Minor != nil {
		rule.Minor = *d.Minor
	}
	var kinds string
	switch d.Type {
	case "b", "c":
		kinds = d.Type
	case "", "a":
		kinds = "bc"
		if rule.Major == devices.Wildcard && rule.Minor == devices.Wildcard && access == "rwm" {
			kinds = "a"
		}
	default:
		return nil, fmt.Errorf("type %q is none of a, b and c", d.Type)
	}
	var rules []*devices.Rule
	for _, kind := range kinds {
		r := rule
		r.Type = devices.Type(kind)
		rules = append(rules, &r)
	}
	return rules, nil
}

func deviceAccess(s string) (devices.Permissions, error) {
	var access devices.Permissions
	for _, c := range s {
		if !strings.ContainsRune("rwm", c) {
			return "", fmt.Errorf("access %q is made of other letters than r, w and m", s)
		}
		access = access.Union(devices.Permissions(c))
	}
	if access.IsEmpty() {
		return "", errors.New("no access is named")
	}
	return access, nil
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
