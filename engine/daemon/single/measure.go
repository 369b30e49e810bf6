package single

import (
	"context"
	"fmt"

	"tiffin/engine/archive"
	"tiffin/engine/call"
	"tiffin/engine/container"
)

// FileChanges lists what a container has changed in the files of its image.
func (o Ops) FileChanges(ctx context.Context, ref string) (list []call.FileChange, err error) {
	err = o.on(ctx, ref, func(ctx context.Context, c *container.Container) error {
		return c.WithLayer(ctx, func(l *container.Layer) error {
			list, err = archive.Changes(ctx, (*archive.Layer)(l))
			return err
		})
	})
	return list, err
}

// WritableSize is what the files take that a container has written, in bytes, its volumes not counted.
func (o Ops) WritableSize(ctx context.Context, ref string) (int64, error) {
	c, err := o.Owner.Container(ref)
	if err != nil {
		return 0, err
	}
	upper, err := c.OpenUpper()
	if upper == nil || err != nil {
		return 0, err
	}
	defer upper.Close() //nolint:errcheck // only read
	n, err := archive.Usage(ctx, upper)
	if err != nil {
		return n, fmt.Errorf("size of container %s: %w", ref, err)
	}
	return n, nil
}
