package usage

import (
	"cmp"
	"math"
	"slices"

	"tiffin/engine/call"
	"tiffin/engine/runtime"
)

// Fill takes over what a control group has counted, and what the machine has.
func Fill(out *call.Stats, in *runtime.Stats, machine Machine) {
	cpu, throttling := &in.CpuStats.CpuUsage, &in.CpuStats.ThrottlingData
	out.CPU = call.CPUStats{
		Total: cpu.TotalUsage, User: cpu.UsageInUsermode, System: cpu.UsageInKernelmode, PerCPU: cpu.PercpuUsage,
		Host: machine.CPU, Online: machine.Online,
		Periods: throttling.Periods, ThrottledPeriods: throttling.ThrottledPeriods, ThrottledTime: throttling.ThrottledTime,
	}
	memory := &in.MemoryStats
	out.Memory = call.MemoryStats{
		Usage: memory.Usage.Usage, Max: memory.Usage.MaxUsage, FailCount: memory.Usage.Failcnt,
		Limit: limit(memory.Usage.Limit, machine.Memory), InactiveFile: inactiveFile(memory.Stats), Details: memory.Stats,
	}
	out.Pids = call.PidsStats{Current: in.PidsStats.Current, Limit: in.PidsStats.Limit}
	if out.Pids.Limit == math.MaxUint64 {
		out.Pids.Limit = 0
	}
	out.Block = block(in)
}

// limit is what a container can have: the limit of one without is a number beyond all memory.
func limit(own, machine uint64) uint64 {
	if own == 0 || machine > 0 && own > machine {
		return machine
	}
	return own
}

// inactiveFile has another name for the group with all below it on v1.
func inactiveFile(details map[string]uint64) uint64 {
	if n, ok := details["total_inactive_file"]; ok {
		return n
	}
	return details["inactive_file"]
}

// block joins the two lists of the kernel, of bytes and of operations.
func block(in *runtime.Stats) []call.BlockStat {
	type key struct {
		major, minor uint64
		op           string
	}
	var out []call.BlockStat
	at := map[key]int{}
	entry := func(k key) *call.BlockStat {
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k] = i
			out = append(out, call.BlockStat{Major: k.major, Minor: k.minor, Op: k.op})
		}
		return &out[i]
	}
	for _, e := range in.BlkioStats.IoServiceBytesRecursive {
		entry(key{e.Major, e.Minor, e.Op}).Bytes = e.Value
	}
	for _, e := range in.BlkioStats.IoServicedRecursive {
		entry(key{e.Major, e.Minor, e.Op}).Operations = e.Value
	}
	slices.SortFunc(out, func(a, b call.BlockStat) int {
		return cmp.Or(cmp.Compare(a.Major, b.Major), cmp.Compare(a.Minor, b.Minor), cmp.Compare(a.Op, b.Op))
	})
	return out
}
