package builder

import (
	"context"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/util/disk"
)

// collect removes what of the cache is over its size, the oldest first, and what was
// not used for long.
//
// It is done when nobody builds any more, and not by BuildKit itself: that would do so
// at times of its own, perhaps after this solver has been closed.
func (s *solver) collect(ctx context.Context) error {
	stat, err := disk.GetDiskStat(s.cfg.Root)
	if err != nil {
		return err
	}
	removed := make(chan client.UsageInfo)
	done := make(chan int)
	go func() {
		n := 0
		for range removed {
			n++
		}
		done <- n
	}()
	err = s.worker.Prune(ctx, removed, policies(int64(s.cfg.CacheSize), stat)...)
	close(removed)
	if <-done > 0 && err == nil {
		err = s.keys.ReleaseUnreferenced(ctx)
	}
	return err
}

// policies are BuildKit's own, with the size that the engine was told.
func policies(size int64, stat disk.DiskStat) []client.PruneInfo {
	cfg := config.GCConfig{}
	if size > 0 {
		cfg.GCMaxUsedSpace = config.DiskSpace{Bytes: size}
	}
	var out []client.PruneInfo
	for _, p := range config.DefaultGCPolicy(cfg, stat) {
		out = append(out, client.PruneInfo{
			Filter: p.Filters, All: p.All, KeepDuration: p.KeepDuration.Duration,
			ReservedSpace: p.ReservedSpace.AsBytes(stat), MaxUsedSpace: p.MaxUsedSpace.AsBytes(stat), MinFreeSpace: p.MinFreeSpace.AsBytes(stat),
		})
	}
	return out
}
