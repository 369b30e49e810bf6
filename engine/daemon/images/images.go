package images

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/distribution/reference"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/daemon/events"
	"tiffin/engine/image"
)

// Library are the images of an engine. Methods may be called by many at once.
type Library struct {
	Store *image.Store
	// Users lists the containers that were made of an image.
	Users func(imageID string) []image.User
	// Tell tells who listens.
	Tell func(engine.Event)
}

// told tells of an image; name is what docker's events call it.
func (l Library) told(action, id, name string, img *engine.Image) {
	ev := events.OfImage(cmp.Or(img, &engine.Image{}), action, name)
	ev.ID = id
	l.Tell(ev)
}

// byName tells of what was done with a name in a registry.
func (l Library) byName(action, ref string, img *engine.Image) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return // it was refused
	}
	l.told(action, reference.FamiliarString(named), reference.FamiliarName(named), img)
}

// Built tells of an image that was built.
func (l Library) Built(img *engine.Image, names []string) {
	l.told("create", img.ID, img.ID, img)
	for _, name := range names {
		if named, err := reference.ParseDockerRef(name); err == nil { // else nothing got it
			l.told("tag", img.ID, reference.FamiliarString(named), img)
		}
	}
}

// Images lists the images in the store.
func (l Library) Images(ctx context.Context) ([]engine.Image, error) { return l.Store.List(ctx) }

// Image returns one image.
func (l Library) Image(ctx context.Context, ref string) (engine.Image, error) {
	return l.Store.Resolve(ctx, ref, "")
}

// ImageFor returns one image for a platform; "" is the host's.
func (l Library) ImageFor(ctx context.Context, ref, platform string) (engine.Image, error) {
	return l.Store.Resolve(ctx, ref, platform)
}

// ImageDetails tells more of one image.
func (l Library) ImageDetails(ctx context.Context, ref, platform string) (call.ImageDetails, error) {
	return l.Store.Details(ctx, ref, platform)
}

// TagImage gives an image a further name.
func (l Library) TagImage(ctx context.Context, ref, name string) error {
	if err := l.Store.Tag(ctx, ref, name); err != nil {
		return err
	}
	if img, err := l.Image(ctx, name); err == nil { // or it is gone again
		l.told("tag", img.ID, name, &img)
	}
	return nil
}

// RemoveImage removes a name, and with the last one the image.
func (l Library) RemoveImage(ctx context.Context, ref string, force call.ForceRemove) ([]string, error) {
	img, err := l.Image(ctx, ref)
	if err != nil {
		return nil, err
	}
	gone, err := l.Store.Remove(ctx, ref, image.RemoveOptions{Force: bool(force), Users: l.Users})
	var out []string
	for _, name := range gone.Untagged {
		out = append(out, "Untagged: "+name)
		l.told("untag", img.ID, img.ID, &img)
	}
	for _, id := range gone.Deleted {
		out = append(out, "Deleted: "+id)
		l.told("delete", id, id, &img)
	}
	return out, err
}

// LoadImages reads an archive.
func (l Library) LoadImages(ctx context.Context, archive io.Reader, report engine.Report) ([]string, error) {
	return l.LoadPlatform(ctx, archive, "", report)
}

// SaveImages writes an archive.
func (l Library) SaveImages(ctx context.Context, refs []string, archive io.Writer) error {
	return l.SavePlatform(ctx, refs, "", archive)
}

// ImportImage makes an image of a root filesystem's tar.
func (l Library) ImportImage(ctx context.Context, rootfs io.Reader, name string, config engine.ImageConfig) (engine.Image, error) {
	if name == "" {
		return engine.Image{}, noName(name)
	}
	return l.Import(ctx, rootfs, &call.ImportRequest{Name: name, Config: config})
}

// Import is ImportImage for those who say more; the image need not have a name.
func (l Library) Import(ctx context.Context, rootfs io.Reader, req *call.ImportRequest) (engine.Image, error) {
	if strings.HasPrefix(req.Name, "-") {
		return engine.Image{}, noName(req.Name)
	}
	img, err := l.Store.Import(ctx, rootfs, req)
	if err == nil {
		l.told("import", img.ID, img.ID, &img)
	}
	return img, err
}

func noName(name string) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf("%q is no name for an image", name))
}
