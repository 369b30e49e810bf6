package builder

import (
	"context"

	"github.com/moby/buildkit/cache"
	"github.com/moby/buildkit/cache/contenthash"
	"github.com/moby/buildkit/client"
)

// forgetChecksums empties what BuildKit keeps of the last trees for the whole process: it has the database of this
// solver in it, and would use that after it was closed, for the builds of the next one.
func (s *solver) forgetChecksums(ctx context.Context) error {
	records, err := s.worker.DiskUsage(ctx, client.DiskUsageInfo{})
	for _, r := range records {
		contenthash.ClearCacheContext(named{id: r.ID})
	}
	return err
}

// named is a record of which only the name is asked for.
type named struct {
	cache.RefMetadata
	id string
}

// ID implements cache.RefMetadata.
func (n named) ID() string { return n.id }
