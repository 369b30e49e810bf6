package single

import (
	"context"
	"io"

	"tiffin/engine"
	"tiffin/engine/archive"
	"tiffin/engine/builder/change"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
)

// Commit makes an image of a container: of its image, and of what it has changed in its files.
func (o Ops) Commit(ctx context.Context, req *call.CommitRequest) (img engine.Image, err error) {
	err = o.on(ctx, req.Container, func(ctx context.Context, c *container.Container) error {
		config, err := change.Apply(c.ImageConfig(), req.Changes)
		if err != nil {
			return err
		}
		img, err = c.Commit(ctx, req, config, func(w io.Writer, l *container.Layer) error {
			return archive.PackLayer(ctx, w, (*archive.Layer)(l))
		})
		if err != nil {
			return err
		}
		for _, name := range img.Names {
			o.Owner.Publish(events.OfImage(&img, "tag", name))
		}
		record := c.Snapshot()
		o.Owner.Publish(events.OfContainer(&record, "commit", map[string]string{"comment": req.Message, "imageID": img.ID, "imageRef": req.Name}))
		return nil
	})
	return img, err
}
