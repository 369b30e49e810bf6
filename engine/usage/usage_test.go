package usage

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/cgroups"

	"tiffin/engine/call"
)

const devHead = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`

func TestInterfaces(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want map[string]call.InterfaceStats
		err  string
	}{
		"none but loopback": {
			text: devHead + "    lo: 17 3 0 0 0 0 0 0 17 3 0 0 0 0 0 0\n", want: map[string]call.InterfaceStats{},
		},
		"each counter has its place": {
			text: devHead + "  eth0:       1       2    3    4    5     6          7         8        9      10   11   12   13    14      15         16\n",
			want: map[string]call.InterfaceStats{"eth0": {
				RxBytes: 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, TxBytes: 9, TxPackets: 10, TxErrors: 11, TxDropped: 12,
			}},
		},
		"a number may follow the colon at once": {
			text: devHead + "eth10:1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n", want: map[string]call.InterfaceStats{"eth10": {RxBytes: 1, TxBytes: 2}},
		},
		"a name may have a colon": {
			text: devHead + "a:b: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n", want: map[string]call.InterfaceStats{"a:b": {RxBytes: 1, TxBytes: 2}},
		},
		"too few counters":     {text: devHead + "eth0: 1 2\n", err: "counters of interface eth0: 2 of them"},
		"a counter is no word": {text: devHead + "eth0: x 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n", err: "counters of interface eth0: "},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Interfaces(tc.text)
			if (err != nil) != (tc.err != "") || err != nil && !strings.HasPrefix(err.Error(), tc.err) {
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func TestProcessors(t *testing.T) {
	for name, tc := range map[string]struct {
		text   string
		total  uint64
		online int
		fails  bool
	}{
		"two processors, without stolen and guests' time": {
			text:  "cpu  1 2 3 4 5 6 7 1000 1000 1000\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 1 2 3 4 5 6 7 0 0 0\nintr 5\nctxt 7\n",
			total: 28 * 10_000_000, online: 2,
		},
		"no line for one of them": {text: "cpu  1 0 0 0 0 0 0\n", total: 10_000_000, online: 1},
		"too few times":           {text: "cpu 1 2 3\n", fails: true},
		"no number":               {text: "cpu 1 2 3 4 5 6 x\n", fails: true},
		"nothing":                 {fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			total, online, err := Processors(tc.text)
			if (err != nil) != tc.fails || total != tc.total || err == nil && online != tc.online {
				t.Errorf("%d of %d, %v", total, online, err)
			}
		})
	}
}

func TestFill(t *testing.T) {
	entry := func(op string, value uint64) cgroups.BlkioStatEntry {
		return cgroups.BlkioStatEntry{Major: 8, Op: op, Value: value}
	}
	machine := Machine{CPU: 900, Online: 2, Memory: 4096}
	for name, tc := range map[string]struct {
		change func(*cgroups.Stats)
		want   call.Stats
	}{
		"processors": {
			func(s *cgroups.Stats) {
				s.CpuStats.CpuUsage = cgroups.CpuUsage{TotalUsage: 10, UsageInUsermode: 6, UsageInKernelmode: 4, PercpuUsage: []uint64{7, 3}}
				s.CpuStats.ThrottlingData = cgroups.ThrottlingData{Periods: 3, ThrottledPeriods: 2, ThrottledTime: 1}
			},
			call.Stats{
				CPU:    call.CPUStats{Total: 10, User: 6, System: 4, PerCPU: []uint64{7, 3}, Host: 900, Online: 2, Periods: 3, ThrottledPeriods: 2, ThrottledTime: 1},
				Memory: call.MemoryStats{Limit: 4096},
			},
		},
		"memory of v1 is that of the whole group": {
			func(s *cgroups.Stats) {
				s.MemoryStats.Usage = cgroups.MemoryData{Usage: 100, MaxUsage: 200, Failcnt: 3, Limit: 1024}
				s.MemoryStats.Stats = map[string]uint64{"inactive_file": 1, "total_inactive_file": 40}
			},
			call.Stats{
				CPU: call.CPUStats{Host: 900, Online: 2},
				Memory: call.MemoryStats{
					Usage: 100, Max: 200, FailCount: 3, Limit: 1024, InactiveFile: 40,
					Details: map[string]uint64{"inactive_file": 1, "total_inactive_file": 40},
				},
			},
		},
		"memory of v2, without limits": {
			func(s *cgroups.Stats) {
				s.MemoryStats.Usage = cgroups.MemoryData{Usage: 100, Limit: math.MaxUint64}
				s.MemoryStats.Stats = map[string]uint64{"inactive_file": 30}
				s.PidsStats = cgroups.PidsStats{Current: 2, Limit: math.MaxUint64}
			},
			call.Stats{
				CPU:    call.CPUStats{Host: 900, Online: 2},
				Memory: call.MemoryStats{Usage: 100, Limit: 4096, InactiveFile: 30, Details: map[string]uint64{"inactive_file": 30}},
				Pids:   call.PidsStats{Current: 2},
			},
		},
		"block devices, in an order of their own": {
			func(s *cgroups.Stats) {
				s.BlkioStats.IoServiceBytesRecursive = []cgroups.BlkioStatEntry{entry("Write", 5), entry("Read", 7)}
				s.BlkioStats.IoServicedRecursive = []cgroups.BlkioStatEntry{entry("Read", 1), entry("Write", 2)}
			},
			call.Stats{
				CPU: call.CPUStats{Host: 900, Online: 2}, Memory: call.MemoryStats{Limit: 4096},
				Block: []call.BlockStat{{Major: 8, Op: "Read", Bytes: 7, Operations: 1}, {Major: 8, Op: "Write", Bytes: 5, Operations: 2}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var in cgroups.Stats
			tc.change(&in)
			var got call.Stats
			Fill(&got, &in, machine)
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("want -, got +\n%s", d)
			}
		})
	}
}

func FuzzInterfaces(f *testing.F) {
	f.Add(devHead + "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = Interfaces(text) })
}
