package usage

import (
	"fmt"
	"strconv"
	"strings"

	"tiffin/engine/call"
)

// nanosecondsPerTick is that of USER_HZ, which is 100 on all architectures that Linux has today.
const nanosecondsPerTick = 1_000_000_000 / 100

// Machine is what the machine has, and has done.
type Machine struct {
	// CPU is the time of all processors so far, being idle included, in nanoseconds; Online is how many they are.
	CPU    uint64
	Online int
	Memory uint64
}

// Processors reads /proc/stat, see proc_stat(5). Time that was stolen is left out, as it is by docker, and that of guests,
// which is part of user time.
func Processors(text string) (total uint64, online int, err error) {
	const user, softirq = 1, 7
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || !strings.HasPrefix(fields[0], "cpu"):
		case fields[0] != "cpu":
			online++
		case len(fields) <= softirq:
			return 0, 0, fmt.Errorf("/proc/stat: too few times in %q", strings.TrimSpace(line))
		default:
			for _, f := range fields[user : softirq+1] {
				ticks, err := strconv.ParseUint(f, 10, 64)
				if err != nil {
					return 0, 0, fmt.Errorf("/proc/stat: %w", err)
				}
				total += ticks * nanosecondsPerTick
			}
		}
	}
	if total == 0 {
		return 0, 0, fmt.Errorf("/proc/stat: no times of processors")
	}
	return total, max(online, 1), nil
}

// Interfaces reads /proc/PID/net/dev, see proc_pid_net(5), without the loopback.
func Interfaces(text string) (map[string]call.InterfaceStats, error) {
	out := map[string]call.InterfaceStats{}
	for line := range strings.Lines(text) {
		// The two lines of headings have no colon. A name may have one, of an alias: the last one ends it.
		i := strings.LastIndexByte(line, ':')
		if i < 0 {
			continue
		}
		name, fields := strings.TrimSpace(line[:i]), strings.Fields(line[i+1:])
		if name == "lo" {
			continue
		}
		var n [12]uint64 // bytes packets errs drop fifo frame compressed multicast | bytes packets errs drop
		if len(fields) < len(n) {
			return nil, fmt.Errorf("counters of interface %s: %d of them", name, len(fields))
		}
		for i := range n {
			var err error
			if n[i], err = strconv.ParseUint(fields[i], 10, 64); err != nil {
				return nil, fmt.Errorf("counters of interface %s: %w", name, err)
			}
		}
		out[name] = call.InterfaceStats{
			RxBytes: n[0], RxPackets: n[1], RxErrors: n[2], RxDropped: n[3],
			TxBytes: n[8], TxPackets: n[9], TxErrors: n[10], TxDropped: n[11],
		}
	}
	return out, nil
}
