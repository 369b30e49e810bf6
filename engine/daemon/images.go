package daemon

import (
	"context"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image"
	"tiffin/engine/plan"
)

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

// usersOf lists the containers that were made of an image.
func (d *Daemon) usersOf(imageID string) []image.User {
	var out []image.User
	for _, c := range d.all(func(c *engine.Container) bool { return c.ImageID == imageID }) {
		out = append(out, image.User{Container: c.ID, Running: c.State.Status.Alive()})
	}
	return out
}
