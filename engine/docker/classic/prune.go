package classic

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/moby/moby/api/types/build"

	"tiffin/engine"
	"tiffin/engine/builder/client"
	"tiffin/engine/docker/filter"
)

// pruneFilters are those of POST /build/prune.
var pruneFilters = []string{"description", "id", "inuse", "parent", "private", "shared", "type", "until", "unused-for"}

// ParsePrune reads the query of POST /build/prune.
//
// Errors: engine.ErrInvalid.
func ParsePrune(q url.Values) (client.PruneOptions, error) {
	p := parser{query: q}
	o := client.PruneOptions{
		All: p.flag("all"), Reserved: p.size("reserved-space"), MaxUsed: p.size("max-used-space"), MinFree: p.size("min-free-space"),
	}
	if o.Reserved == 0 {
		o.Reserved = p.size("keep-storage") // before API 1.48
	}
	args, err := filter.Parse(q.Get("filters"), pruneFilters...)
	if err != nil {
		return o, err
	}
	for _, name := range []string{"until", "unused-for"} {
		for _, text := range args.Values(name) {
			d, err := time.ParseDuration(text)
			if err != nil {
				return o, invalid("filter %s=%q is not a duration", name, text)
			}
			if o.KeepFor != 0 {
				return o, invalid("filters expect only one value of until or unused-for")
			}
			o.KeepFor = d
		}
	}
	for _, name := range pruneFilters {
		for _, value := range args.Values(name) {
			switch name {
			case "until", "unused-for":
			case "inuse", "shared", "private":
				o.Filters = append(o.Filters, name)
			case "id", "parent":
				o.Filters = append(o.Filters, name+"~="+quoted(value)) // a beginning of it will do
			default:
				o.Filters = append(o.Filters, name+"=="+strconv.Quote(value))
			}
		}
	}
	slices.Sort(o.Filters)
	return o, p.err
}

func quoted(value string) string { return strconv.Quote("^" + regexp.QuoteMeta(value)) }

// size is one of bytes.
func (p *parser) size(name string) engine.Bytes {
	text := p.query.Get(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		p.fail(invalid("%s is in bytes and expects an integer, got %s", name, text))
	}
	return engine.Bytes(max(n, 0))
}

// Usage lists the build cache, and adds it up: without what is shared, which is counted where it is shared with.
func Usage(ctx context.Context, dial client.Dial) (*build.DiskUsage, error) {
	records, err := client.Usage(ctx, dial, nil)
	if err != nil {
		return nil, err
	}
	return usageOf(records), nil
}

func usageOf(records []client.Record) *build.DiskUsage {
	u := &build.DiskUsage{TotalCount: int64(len(records)), Items: []build.CacheRecord{}}
	for i := range records {
		r := &records[i]
		line := build.CacheRecord{
			ID: r.ID, Parents: r.Parents, Type: r.Type, Description: r.Description, InUse: r.InUse, Shared: r.Shared,
			Size: int64(r.Size), CreatedAt: r.Created.UTC(), UsageCount: r.UsageCount,
		}
		if used := r.LastUsed.UTC(); !used.IsZero() {
			line.LastUsedAt = &used
		}
		if r.InUse {
			u.ActiveCount++
		}
		if !r.Shared {
			u.TotalSize += line.Size
		}
		if !r.InUse && !r.Shared {
			u.Reclaimable += line.Size
		}
		u.Items = append(u.Items, line)
	}
	return u
}

// Prune takes pieces of the build cache away.
func Prune(ctx context.Context, dial client.Dial, o client.PruneOptions) (*build.CachePruneReport, error) {
	report := &build.CachePruneReport{CachesDeleted: []string{}}
	err := client.Prune(ctx, dial, o, func(r client.Record) {
		report.CachesDeleted = append(report.CachesDeleted, r.ID)
		report.SpaceReclaimed += uint64(max(r.Size, 0))
	})
	return report, err
}
