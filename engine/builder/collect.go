package builder

import (
	"context"
	"runtime"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildkitd/config"
	"github.com/moby/buildkit/util/db"
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

// reclaim takes away what builds that failed have left. BuildKit keeps the results of a
// step that failed for whoever looks at the error, until Go finds that nobody does.
func (s *solver) reclaim(ctx context.Context) error {
	if !s.failed.Swap(false) {
		return nil
	}
	// Finalizers run one after the other: when that of the second round has run, those of the first have.
	for range 2 {
		if err := finalize(ctx); err != nil {
			return err
		}
	}
	return s.worker.GarbageCollect(ctx)
}

// finalize has the garbage collector run, and waits for a finalizer.
func finalize(ctx context.Context) error {
	ran := make(chan struct{})
	runtime.AddCleanup(new([16]byte), func(ran chan struct{}) { close(ran) }, ran)
	runtime.GC()
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// compact makes the file of the records small again when most of it is empty: a context of
// a million files leaves 280 MB.
func (s *solver) compact(ctx context.Context) error {
	file, ok := s.worker.MetadataStore.DB().(interface {
		Compact(ctx context.Context, o db.CompactOptions) (db.CompactResult, error)
	})
	if !ok {
		return nil
	}
	_, err := file.Compact(ctx, db.CompactOptions{MinReclaimBytes: 32 << 20, MinReclaimPercent: 50, MinReclaimPercentFloor: 10})
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
