package images

import (
	"context"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tiffin/engine"
	"tiffin/engine/call"
)

// SentFor is what a push sends of an image; "" is all of it.
func (l Library) SentFor(ctx context.Context, ref, platform string) (ocispec.Descriptor, error) {
	return l.Store.SentFor(ctx, ref, platform)
}

// PushPlatform is PushImage for one platform of several; "" is all.
func (l Library) PushPlatform(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) error {
	if err := l.Store.PushFor(ctx, ref, platform, with(auths), report); err != nil {
		return err
	}
	l.byName("push", ref, nil)
	return nil
}

// LoadPlatform is LoadImages for one platform of several; "" is all.
func (l Library) LoadPlatform(ctx context.Context, archive io.Reader, platform string, report engine.Report) ([]string, error) {
	names, err := l.Store.LoadFor(ctx, archive, platform, report)
	for _, name := range names {
		if img, err := l.Image(ctx, name); err == nil { // or it is gone again
			l.told("load", img.ID, name, &img)
		}
	}
	return names, err
}

// SavePlatform is SaveImages for one platform of several; "" is all.
func (l Library) SavePlatform(ctx context.Context, refs []string, platform string, archive io.Writer) error {
	if err := l.Store.SaveFor(ctx, archive, refs, platform); err != nil {
		return err
	}
	for _, ref := range refs {
		if img, err := l.Image(ctx, ref); err == nil { // or it is gone again
			l.told("save", img.ID, img.ID, &img)
		}
	}
	return nil
}

// RemovePlatforms removes what is here of an image for some platforms.
func (l Library) RemovePlatforms(ctx context.Context, ref string, platforms []string) ([]string, error) {
	gone, err := l.Store.RemovePlatforms(ctx, ref, platforms, l.Users)
	var out []string
	for _, digest := range gone {
		out = append(out, "Deleted: "+digest)
		l.told("delete", digest, digest, nil)
	}
	return out, err
}
