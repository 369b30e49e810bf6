package project

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/suggest"
)

// resources translates limits. deploy.resources has the last word, as in docker compose.
func (p *Project) resources(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	out.ShmSize = engine.Bytes(s.ShmSize)
	out.OomScoreAdj = int(s.OomScoreAdj)
	r := &out.Resources
	r.Memory, r.MemoryReservation = engine.Bytes(s.MemLimit), engine.Bytes(s.MemReservation)
	r.MemorySwap = engine.Bytes(s.MemSwapLimit)
	r.OomKillDisable = s.OomKillDisable
	r.NanoCPUs = nanoCPUs(s.CPUS)
	r.CPUPeriod, r.CPUQuota, r.CPUShares = s.CPUPeriod, s.CPUQuota, s.CPUShares
	r.CPURealtimePeriod, r.CPURealtimeQuota = s.CPURTPeriod, s.CPURTRuntime
	r.CpusetCpus = s.CPUSet
	r.PidsLimit = s.PidsLimit
	if p.given(s, "mem_swappiness") {
		n := int64(s.MemSwappiness)
		if n < 0 || n > 100 {
			return fault.At(fault.In(s, "mem_swappiness"), "%s is between 0 and 100", fault.Dotted(fault.In(s, "mem_swappiness")))
		}
		r.Swappiness = &n
	}
	if s.Deploy != nil {
		deployed(s.Deploy.Resources, r)
	}
	if r.NanoCPUs < 0 || r.Memory < 0 || r.MemoryReservation < 0 {
		return fault.At(fault.In(s), "service %q: limits of memory and cpus are not negative", s.Name)
	}
	if r.Memory > 0 && r.MemorySwap > 0 && r.MemorySwap < r.Memory {
		return fault.At(fault.In(s, "memswap_limit"),
			"service %q: memswap_limit is memory and swap together, so it is at least the memory limit", s.Name)
	}
	blkio(s.BlkioConfig, r)
	return nil
}

func deployed(from types.Resources, r *engine.Resources) {
	if l := from.Limits; l != nil {
		r.Memory = override(r.Memory, engine.Bytes(l.MemoryBytes))
		r.NanoCPUs = override(r.NanoCPUs, nanoCPUs(float32(l.NanoCPUs)))
		r.PidsLimit = override(r.PidsLimit, l.Pids)
	}
	if l := from.Reservations; l != nil {
		r.MemoryReservation = override(r.MemoryReservation, engine.Bytes(l.MemoryBytes))
	}
}

func override[T ~int64](old, by T) T {
	if by != 0 {
		return by
	}
	return old
}

// nanoCPUs takes the decimal that the user wrote, not the nearest binary fraction.
func nanoCPUs(cores float32) int64 {
	exact, err := strconv.ParseFloat(strconv.FormatFloat(float64(cores), 'f', -1, 32), 64)
	if err != nil {
		return 0 // cannot be: it was formatted just now
	}
	return int64(math.Round(exact * 1e9))
}

func blkio(b *types.BlkioConfig, r *engine.Resources) {
	if b == nil {
		return
	}
	r.BlkioWeight = b.Weight
	for _, w := range b.WeightDevice {
		r.BlkioWeightDevice = append(r.BlkioWeightDevice, engine.Weight{Path: w.Path, Weight: w.Weight})
	}
	r.BlkioReadBps, r.BlkioWriteBps = rates(b.DeviceReadBps), rates(b.DeviceWriteBps)
	r.BlkioReadIOps, r.BlkioWriteIOps = rates(b.DeviceReadIOps), rates(b.DeviceWriteIOps)
}

func rates(list []types.ThrottleDevice) []engine.Rate {
	var out []engine.Rate
	for _, d := range list {
		out = append(out, engine.Rate{Path: d.Path, Rate: uint64(max(d.Rate, 0))})
	}
	return out
}

// The resource limits of setrlimit(2), by the names that Compose has for them.
const rlimits = "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"

func ulimits(s *types.ServiceConfig, out *engine.ContainerSpec) error {
	var err error
	out.Ulimits, err = limits(fault.In(s, "ulimits"), s.Ulimits)
	return err
}

// limits translates the ulimits that stand at a path.
func limits(where []string, from map[string]*types.UlimitsConfig) ([]engine.Ulimit, error) {
	known := strings.Fields(rlimits)
	var out []engine.Ulimit
	for _, name := range slices.Sorted(maps.Keys(from)) {
		path := append(slices.Clip(where), name)
		if !slices.Contains(known, name) {
			return nil, fault.At(path, "%s: there is no such limit", fault.Dotted(path)).Hint("%s", suggest.Meant(name, known))
		}
		u := from[name]
		limit := engine.Ulimit{Name: name, Soft: int64(u.Soft), Hard: int64(u.Hard)}
		if u.Single != 0 {
			limit.Soft, limit.Hard = int64(u.Single), int64(u.Single)
		}
		if limit.Hard >= 0 && (limit.Soft > limit.Hard || limit.Soft < 0) {
			return nil, fault.At(path, "%s: the soft limit is above the hard limit", fault.Dotted(path))
		}
		out = append(out, limit)
	}
	return out, nil
}

// given says whether the user wrote an attribute of a service.
func (p *Project) given(s *types.ServiceConfig, attribute string) bool {
	services, _ := p.attributes["services"].(map[string]any)
	service, _ := services[s.Name].(map[string]any)
	_, ok := service[attribute]
	return ok
}
