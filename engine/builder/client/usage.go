package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	bk "github.com/moby/buildkit/client"

	"tiffin/engine"
)

// Record is one piece of the build cache.
type Record struct {
	ID          string
	Parents     []string
	Type        string // regular, source.local, exec.cachemount, …
	Description string
	Size        engine.Bytes
	Created     time.Time
	LastUsed    time.Time // zero: never
	UsageCount  int
	InUse       bool
	Mutable     bool
	Shared      bool
}

// Usage lists the build cache, small pieces first.
func Usage(ctx context.Context, dial Dial, filters []string) ([]Record, error) {
	client, err := connect(ctx, dial)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // it was only read
	list, err := client.DiskUsage(ctx, bk.WithFilter(filters))
	if err != nil {
		return nil, cacheError(ctx, "list build cache", err)
	}
	out := make([]Record, len(list))
	for i, info := range list {
		out[i] = recordOf(*info)
	}
	return out, nil
}

// PruneOptions say what of the build cache goes. The zero value takes away what no build uses and nothing else shares.
type PruneOptions struct {
	All     bool // what the engine itself keeps, too
	Filters []string
	// KeepFor keeps what was used within that time.
	KeepFor time.Duration
	// Reserved is kept in any case, no more than MaxUsed is; MinFree is what the disk shall have free.
	Reserved, MaxUsed, MinFree engine.Bytes
}

// Prune takes pieces of the build cache away and hands each to gone.
func Prune(ctx context.Context, dial Dial, o PruneOptions, gone func(Record)) error {
	client, err := connect(ctx, dial)
	if err != nil {
		return err
	}
	defer client.Close() //nolint:errcheck // it was only read
	opts := []bk.PruneOption{
		bk.WithFilter(o.Filters),
		bk.WithKeepOpt(o.KeepFor, int64(o.Reserved), int64(o.MaxUsed), int64(o.MinFree)),
	}
	if o.All {
		opts = append(opts, bk.PruneAll)
	}
	ch := make(chan bk.UsageInfo)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for info := range ch {
			gone(recordOf(info))
		}
	}()
	err = client.Prune(ctx, ch, opts...)
	close(ch)
	<-done
	return cacheError(ctx, "prune build cache", err)
}

func cacheError(ctx context.Context, doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	d := describe(plain(err), location{})
	text := fmt.Errorf("%s: %s", doing, d.text)
	if d.kind == nil {
		return text
	}
	return engine.Problem(d.kind, errors.New(text.Error()))
}

func recordOf(info bk.UsageInfo) Record {
	r := Record{
		ID: info.ID, Parents: info.Parents, Type: string(info.RecordType), Description: info.Description, Size: engine.Bytes(info.Size),
		Created: info.CreatedAt, UsageCount: info.UsageCount, InUse: info.InUse, Mutable: info.Mutable, Shared: info.Shared,
	}
	if info.LastUsedAt != nil {
		r.LastUsed = *info.LastUsedAt
	}
	return r
}
