package shape

import (
	"github.com/moby/moby/api/types/container"

	"tiffin/engine/call"
)

// Stats is a reading of what a container uses, beside the one before. What does not run
// has but its names.
func Stats(now, before *call.Stats) container.StatsResponse {
	out := container.StatsResponse{ID: now.ID, Name: "/" + now.Name, OSType: "linux"}
	if !now.Running {
		return out
	}
	out.Read, out.CPUStats = now.Read.UTC(), cpuStats(&now.CPU)
	if before.Running {
		out.PreRead, out.PreCPUStats = before.Read.UTC(), cpuStats(&before.CPU)
	}
	m := &now.Memory
	out.MemoryStats = container.MemoryStats{Usage: m.Usage, MaxUsage: m.Max, Stats: m.Details, Failcnt: m.FailCount, Limit: m.Limit}
	out.PidsStats = container.PidsStats{Current: now.Pids.Current, Limit: now.Pids.Limit}
	for _, b := range now.Block {
		entry := container.BlkioStatEntry{Major: b.Major, Minor: b.Minor, Op: b.Op, Value: b.Bytes}
		out.BlkioStats.IoServiceBytesRecursive = append(out.BlkioStats.IoServiceBytesRecursive, entry)
		entry.Value = b.Operations
		out.BlkioStats.IoServicedRecursive = append(out.BlkioStats.IoServicedRecursive, entry)
	}
	for name, n := range now.Networks {
		if out.Networks == nil {
			out.Networks = map[string]container.NetworkStats{}
		}
		out.Networks[name] = container.NetworkStats{
			RxBytes: n.RxBytes, RxPackets: n.RxPackets, RxErrors: n.RxErrors, RxDropped: n.RxDropped,
			TxBytes: n.TxBytes, TxPackets: n.TxPackets, TxErrors: n.TxErrors, TxDropped: n.TxDropped,
		}
	}
	return out
}

func cpuStats(s *call.CPUStats) container.CPUStats {
	return container.CPUStats{
		CPUUsage: container.CPUUsage{
			TotalUsage: s.Total, PercpuUsage: s.PerCPU, UsageInKernelmode: s.System, UsageInUsermode: s.User,
		},
		SystemUsage: s.Host, OnlineCPUs: uint32(s.Online),
		ThrottlingData: container.ThrottlingData{Periods: s.Periods, ThrottledPeriods: s.ThrottledPeriods, ThrottledTime: s.ThrottledTime},
	}
}
