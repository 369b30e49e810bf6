package ocispec

import (
	"path"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"tiffin/engine"
)

const (
	minMemory = 6 << 20
	// A quota is counted in a tenth of a second unless told otherwise.
	defaultPeriod = 100_000 // microseconds
	nanoPerCPU    = 1_000_000_000
)

// CgroupPath is where the group of a container lies: below the engine's own, whatever
// cgroup_parent says.
func CgroupPath(base string, c *engine.Container) string {
	return path.Join(base, path.Clean("/"+c.Spec.CgroupParent), c.ID)
}

// resources fills in limits and weights; the rules for devices are there already.
func (b *builder) resources(s *specs.Spec) error {
	r := &b.spec.Resources
	out := s.Linux.Resources
	for _, section := range []func(*engine.Resources, *specs.LinuxResources) error{
		memory, b.cpu, pids, b.blockIO,
	} {
		if err := section(r, out); err != nil {
			return err
		}
	}
	return nil
}

// Limits are the limits and weights of a container that runs, after a change.
//
// Errors: as New.
func Limits(in Input) (*specs.LinuxResources, error) {
	b := builder{Input: in, spec: &in.Container.Spec}
	s := &specs.Spec{Linux: &specs.Linux{Resources: &specs.LinuxResources{}}}
	err := b.resources(s)
	return s.Linux.Resources, err
}

func memory(r *engine.Resources, out *specs.LinuxResources) error {
	if err := checkMemory(r); err != nil {
		return err
	}
	m := &specs.LinuxMemory{}
	if r.Memory > 0 {
		m.Limit = new(int64(r.Memory))
		m.Swap = new(2 * int64(r.Memory))
	}
	if r.MemorySwap != 0 {
		m.Swap = new(int64(r.MemorySwap))
	}
	if r.MemoryReservation > 0 {
		m.Reservation = new(int64(r.MemoryReservation))
	}
	if r.Swappiness != nil && *r.Swappiness >= 0 {
		m.Swappiness = new(uint64(*r.Swappiness))
	}
	if r.OomKillDisable {
		m.DisableOOMKiller = new(true)
	}
	if *m != (specs.LinuxMemory{}) {
		out.Memory = m
	}
	return nil
}

func checkMemory(r *engine.Resources) error {
	switch {
	case r.Memory < 0 || r.MemoryReservation < 0 || r.MemorySwap < -1:
		return invalid("memory limits cannot be negative; only swap may be -1, for unlimited")
	case r.Memory > 0 && r.Memory < minMemory:
		return invalid("a memory limit is at least 6 MiB")
	case r.Memory == 0 && r.MemorySwap > 0:
		return invalid("a limit of memory and swap needs a memory limit")
	case r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return invalid("the limit of memory and swap together (%d) is below that of memory (%d)", r.MemorySwap, r.Memory)
	case r.Memory > 0 && r.MemoryReservation > r.Memory:
		return invalid("the memory reservation (%d) is above the limit (%d)", r.MemoryReservation, r.Memory)
	case r.Swappiness != nil && (*r.Swappiness < -1 || *r.Swappiness > 100):
		return invalid("swappiness %d is not one of 0 to 100", *r.Swappiness)
	default:
		return nil
	}
}

func (b *builder) cpu(r *engine.Resources, out *specs.LinuxResources) error {
	if err := b.checkCPU(r); err != nil {
		return err
	}
	c := &specs.LinuxCPU{Cpus: r.CpusetCpus, Mems: r.CpusetMems}
	if r.CPUShares > 0 {
		c.Shares = new(uint64(r.CPUShares))
	}
	if r.NanoCPUs > 0 {
		c.Period = new(uint64(defaultPeriod))
		c.Quota = new(r.NanoCPUs * defaultPeriod / nanoPerCPU)
	}
	if r.CPUPeriod > 0 {
		c.Period = new(uint64(r.CPUPeriod))
	}
	if r.CPUQuota != 0 {
		c.Quota = new(r.CPUQuota)
	}
	if r.CPURealtimePeriod > 0 {
		c.RealtimePeriod = new(uint64(r.CPURealtimePeriod))
	}
	if r.CPURealtimeQuota != 0 {
		c.RealtimeRuntime = new(r.CPURealtimeQuota)
	}
	if *c != (specs.LinuxCPU{}) {
		out.CPU = c
	}
	return nil
}

func (b *builder) checkCPU(r *engine.Resources) error {
	switch cpus := b.Host.CPUs; {
	case r.NanoCPUs > 0 && (r.CPUPeriod > 0 || r.CPUQuota > 0):
		return invalid("cpus and cpu_quota or cpu_period say the same thing twice: give one of them")
	case r.NanoCPUs < 0 || r.NanoCPUs > 0 && r.NanoCPUs < nanoPerCPU/100:
		return invalid("cpus: at least 0.01")
	case cpus > 0 && r.NanoCPUs > int64(cpus)*nanoPerCPU:
		return invalid("range of CPUs is from 0.01 to %d.00, as there are only %d CPUs available", cpus, cpus)
	case r.CPUShares < 0:
		return invalid("cpu_shares cannot be negative")
	case r.CPUPeriod != 0 && (r.CPUPeriod < 1000 || r.CPUPeriod > 1_000_000):
		return invalid("cpu_period is between 1 ms (1000) and 1 s (1000000)")
	case r.CPUQuota > 0 && r.CPUQuota < 1000:
		return invalid("cpu_quota is at least 1 ms (1000)")
	}
	if err := checkList("cpuset", r.CpusetCpus, b.Host.CPUs); err != nil {
		return err
	}
	return checkList("cpuset memory nodes", r.CpusetMems, 0)
}

// checkList checks a list like 0-2,7 against how many there are; 0 is unknown.
func checkList(what, list string, count int) error {
	if list == "" {
		return nil
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, errFrom := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
		to, errTo := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
		if errFrom != nil || errTo != nil || from > to {
			return invalid("%s %q is not a list like 0-2,7", what, list)
		}
		if count > 0 && to >= uint64(count) {
			return invalid("%s %q: the last one here is %d", what, list, count-1)
		}
	}
	return nil
}

func pids(r *engine.Resources, out *specs.LinuxResources) error {
	if r.PidsLimit > 0 {
		out.Pids = &specs.LinuxPids{Limit: new(r.PidsLimit)}
	}
	return nil
}

func (b *builder) blockIO(r *engine.Resources, out *specs.LinuxResources) error {
	var err error
	io := &specs.LinuxBlockIO{}
	if r.BlkioWeight != 0 {
		if err := checkWeight(r.BlkioWeight); err != nil {
			return err
		}
		io.Weight = new(r.BlkioWeight)
	}
	if io.WeightDevice, err = b.weights(r.BlkioWeightDevice); err != nil {
		return err
	}
	for _, list := range []struct {
		rates []engine.Rate
		to    *[]specs.LinuxThrottleDevice
	}{
		{r.BlkioReadBps, &io.ThrottleReadBpsDevice},
		{r.BlkioWriteBps, &io.ThrottleWriteBpsDevice},
		{r.BlkioReadIOps, &io.ThrottleReadIOPSDevice},
		{r.BlkioWriteIOps, &io.ThrottleWriteIOPSDevice},
	} {
		if *list.to, err = b.throttles(list.rates); err != nil {
			return err
		}
	}
	if r.BlkioWeight != 0 || len(r.BlkioWeightDevice)+len(r.BlkioReadBps)+len(r.BlkioWriteBps)+len(r.BlkioReadIOps)+len(r.BlkioWriteIOps) > 0 {
		out.BlockIO = io
	}
	return nil
}

func checkWeight(w uint16) error {
	if w < 10 || w > 1000 {
		return invalid("blkio weight %d is not one of 10 to 1000", w)
	}
	return nil
}

func (b *builder) weights(list []engine.Weight) ([]specs.LinuxWeightDevice, error) {
	var out []specs.LinuxWeightDevice
	for _, w := range list {
		if err := checkWeight(w.Weight); err != nil {
			return nil, err
		}
		number, ok := b.BlockDevices[w.Path]
		if !ok {
			return nil, invalid("blkio weight: there is no block device %s", w.Path)
		}
		d := specs.LinuxWeightDevice{Weight: new(w.Weight)}
		d.Major, d.Minor = number[0], number[1]
		out = append(out, d)
	}
	return out, nil
}

func (b *builder) throttles(list []engine.Rate) ([]specs.LinuxThrottleDevice, error) {
	var out []specs.LinuxThrottleDevice
	for _, r := range list {
		number, ok := b.BlockDevices[r.Path]
		if !ok {
			return nil, invalid("blkio limit: there is no block device %s", r.Path)
		}
		d := specs.LinuxThrottleDevice{Rate: r.Rate}
		d.Major, d.Minor = number[0], number[1]
		out = append(out, d)
	}
	return out, nil
}
