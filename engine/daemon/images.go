package daemon

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image"
	"tiffin/engine/plan"
)

// pull fetches an image with the caller's credentials.
func (d *Daemon) pull(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) error {
	_, err := d.PullImage(ctx, ref, platform, auths, report)
	return err
}

// PullImage fetches an image.
func (d *Daemon) PullImage(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error) {
	img, err := d.rooms.Images.Pull(ctx, ref, image.PullOptions{
		Platform: platform,
		Auth:     func(host string) (call.RegistryAuth, error) { return auths[host], nil },
	}, report)
	if err == nil {
		d.events.Publish(engine.Event{Type: engine.EventImage, Action: "pull", ID: ref, Attributes: map[string]string{"name": ref}})
	}
	return img, err
}

// fresh says whether an image whose policy is a refresh now and then may be used as it is.
func (d *Daemon) fresh(svc *engine.Service) bool {
	if svc.PullPolicy != engine.PullRefresh {
		return false
	}
	img, err := d.rooms.Images.Resolve(d.life, svc.Container.Image, svc.Container.Platform)
	return err == nil && time.Since(img.TaggedAt) < time.Duration(svc.PullRefreshAfter)
}

// Pull fetches the images of a Stack.
func (d *Daemon) Pull(ctx context.Context, req *call.PullRequest, report engine.Report) error {
	stack := &req.Stack
	obs, err := d.observe(ctx, stack.Name, stack)
	if err != nil {
		return err
	}
	p, err := plan.PullOnly(req, stack, obs)
	if err != nil {
		return err
	}
	return d.newWalk(stack, req.Auths, report).apply(ctx, p, 0)
}

// PushImage sends an image to its registry.
func (d *Daemon) PushImage(ctx context.Context, ref string, auths map[string]call.RegistryAuth, report engine.Report) error {
	return d.rooms.Images.Push(ctx, ref, func(host string) (call.RegistryAuth, error) { return auths[host], nil }, report)
}

// Images lists the images in the store.
func (d *Daemon) Images(ctx context.Context) ([]engine.Image, error) { return d.rooms.Images.List(ctx) }

// Image returns one image.
func (d *Daemon) Image(ctx context.Context, ref string) (engine.Image, error) {
	return d.rooms.Images.Resolve(ctx, ref, "")
}

// TagImage gives an image a further name.
func (d *Daemon) TagImage(ctx context.Context, ref, name string) error {
	return d.rooms.Images.Tag(ctx, ref, name)
}

// RemoveImage removes a name, and with the last one the image.
func (d *Daemon) RemoveImage(ctx context.Context, ref string, force call.ForceRemove) ([]string, error) {
	gone, err := d.rooms.Images.Remove(ctx, ref, image.RemoveOptions{Force: bool(force), Users: d.usersOf})
	var out []string
	for _, name := range gone.Untagged {
		out = append(out, "Untagged: "+name)
	}
	for _, id := range gone.Deleted {
		out = append(out, "Deleted: "+id)
	}
	return out, err
}

func (d *Daemon) removeImage(ctx context.Context, ref string) error {
	_, err := d.RemoveImage(ctx, ref, false)
	return err
}

// usersOf lists the containers that were made of an image.
func (d *Daemon) usersOf(imageID string) []image.User {
	var out []image.User
	for _, c := range d.all(func(c *engine.Container) bool { return c.ImageID == imageID }) {
		out = append(out, image.User{Container: c.ID, Running: c.State.Status.Alive()})
	}
	return out
}

// LoadImages reads an archive.
func (d *Daemon) LoadImages(ctx context.Context, archive io.Reader, report engine.Report) ([]string, error) {
	return d.rooms.Images.Load(ctx, archive, report)
}

// SaveImages writes an archive.
func (d *Daemon) SaveImages(ctx context.Context, refs []string, archive io.Writer) error {
	return d.rooms.Images.Save(ctx, archive, refs)
}

// ImportImage makes an image of a root filesystem's tar.
func (d *Daemon) ImportImage(ctx context.Context, rootfs io.Reader, name string, config engine.ImageConfig) (engine.Image, error) {
	if strings.HasPrefix(name, "-") || name == "" {
		return engine.Image{}, engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no name for an image", name))
	}
	return d.rooms.Images.Import(ctx, rootfs, name, config)
}
