package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image"
	"tiffin/engine/ocispec"
	enginert "tiffin/engine/runtime"
)

// Layer is what a container has changed in the files of its image.
type Layer struct {
	// Upper is the folder that overlayfs keeps the changes in; nil when the container was never started.
	Upper *os.File
	// View is what the container sees, and Base the files of the image alone; mounts that are attached nowhere.
	View, Base *os.File
	// MountPoints are where something is mounted while the container runs.
	MountPoints []string
}

// ImageConfig is the config that an image of the container has.
func (c *Container) ImageConfig() engine.ImageConfig {
	record := c.Snapshot()
	return ocispec.ImageConfig(&record)
}

// Commit makes an image with the config of the container's own image and its layer, which pack writes as a tar.
func (c *Container) Commit(
	ctx context.Context, req *call.CommitRequest, config engine.ImageConfig, pack func(io.Writer, *Layer) error,
) (engine.Image, error) {
	record := c.Snapshot()
	addition := image.Addition{
		Base: record.ImageID, Config: config, CreatedBy: strings.Join(record.Args, " "), Author: req.Author, Comment: req.Message,
	}
	return c.rooms.Images.Commit(ctx, req.Name, &addition, func(w io.Writer) error {
		return c.withLayer(ctx, freezing(!req.NoPause), func(l *Layer) error { return pack(w, l) })
	})
}

// freezing says whether the container is frozen while its layer is read.
type freezing bool

// WithLayer calls use with the container's own layer, while it runs on. Until use returns, the container is neither
// removed nor started.
func (c *Container) WithLayer(ctx context.Context, use func(*Layer) error) error {
	return c.withLayer(ctx, false, use)
}

func (c *Container) withLayer(ctx context.Context, how freezing, use func(*Layer) error) error {
	c.Removal.Lock()
	defer c.Removal.Unlock()
	if c.IsGone() {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("container %s was removed", c.Name()))
	}
	thaw := func() error { return nil }
	if how {
		var err error
		if thaw, err = c.freeze(ctx); err != nil {
			return err
		}
	}
	// A start waits for the lock in the goroutine that thaws: so the lock is given back before.
	return errors.Join(c.readLayer(ctx, use), thaw())
}

// OpenUpper opens the folder of the container's changes; nil when it was never started.
func (c *Container) OpenUpper() (*os.File, error) {
	f, err := os.Open(c.upper())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // see above
	}
	return f, err
}

func (c *Container) readLayer(ctx context.Context, use func(*Layer) error) error {
	c.still.Lock()
	defer c.still.Unlock()
	record := c.Snapshot()
	l := &Layer{MountPoints: ocispec.MountPoints(&record)}
	var err error
	if l.Upper, err = c.OpenUpper(); err != nil {
		return err
	}
	if l.Upper == nil {
		return use(l)
	}
	defer func() { _ = closeFiles(l.Upper, l.View, l.Base) }() // only read
	if l.View, err = c.stack(ctx, Reading); err != nil {
		return err
	}
	layers, err := c.rooms.Images.Rootfs(ctx, record.ImageID)
	if err != nil {
		return err
	}
	if l.Base, err = enginert.MountOverlay(layers.Lower, "", ""); err != nil {
		return err
	}
	return use(l)
}

// freeze pauses the container if it runs, and returns how to let it go on. Once it has begun it does not heed ctx: nobody
// would know whether the container was frozen.
func (c *Container) freeze(ctx context.Context) (thaw func() error, err error) {
	none := func() error { return nil }
	for {
		r := c.running()
		if r == nil {
			return none, nil
		}
		if err := os.WriteFile(c.freezeMark(), nil, 0o600); err != nil { //nolint:forbidigo // it is there or not
			return nil, fmt.Errorf("note that the container is frozen: %w", err)
		}
		err := c.Super.Pause(context.WithoutCancel(ctx))
		if err == nil {
			return func() error { return c.thaw(context.WithoutCancel(ctx), r) }, nil
		}
		if err := errors.Join(ignoring(err, engine.ErrConflict), os.Remove(c.freezeMark())); err != nil {
			return nil, err
		}
		record, changed := c.Watch()
		if record.State.Status != engine.StatusStopping {
			return none, nil // it is paused, or runs no more
		}
		select { // what it does at its end is part of it
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// thaw lets a container go on, unless somebody did meanwhile or it was killed.
func (c *Container) thaw(ctx context.Context, r *run) error {
	err := c.Super.Unpause(ctx)
	if errors.Is(err, engine.ErrUnavailable) {
		// The engine ends, and the container's goroutine has. The mark tells the next engine.
		return r.Thaw(ctx)
	}
	return errors.Join(ignoring(err, engine.ErrConflict), os.Remove(c.freezeMark()))
}

// freezeMark is a file that is there while the container is frozen on our account: should the engine be killed meanwhile,
// the next one lets the container go on.
func (c *Container) freezeMark() string { return filepath.Join(c.rooms.Run, c.ID, "frozen") }

// thawAdopted lets a container go on that an earlier engine froze to read its layer.
func (c *Container) thawAdopted(ctx context.Context, r *run) error {
	err := os.Remove(c.freezeMark())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if r.cgroup == nil {
		return err
	}
	c.Update(func(rec *engine.Container) {
		if rec.State.Status == engine.StatusPaused {
			rec.State.Status = engine.StatusRunning
		}
	})
	return errors.Join(err, r.Thaw(ctx))
}
