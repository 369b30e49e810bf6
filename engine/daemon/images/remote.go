package images

import (
	"context"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image"
	"tiffin/engine/image/registry"
)

func with(auths map[string]call.RegistryAuth) registry.Auth {
	return func(host string) (call.RegistryAuth, error) { return auths[host], nil }
}

// PullImage fetches an image.
func (l Library) PullImage(ctx context.Context, ref, platform string, auths map[string]call.RegistryAuth, report engine.Report) (engine.Image, error) {
	img, err := l.Store.Pull(ctx, ref, image.PullOptions{Platform: platform, Auth: with(auths)}, report)
	if err == nil {
		l.byName("pull", ref, &img)
	}
	return img, err
}

// PushImage sends an image to its registry.
func (l Library) PushImage(ctx context.Context, ref string, auths map[string]call.RegistryAuth, report engine.Report) error {
	return l.PushPlatform(ctx, ref, "", auths, report)
}

// RemoteImage asks a registry about an image.
func (l Library) RemoteImage(ctx context.Context, ref string, auths map[string]call.RegistryAuth) (call.RemoteImage, error) {
	return l.Store.Remote(ctx, ref, with(auths))
}

// RemoteTags asks a registry what tags a repository has.
func (l Library) RemoteTags(ctx context.Context, repository string, auths map[string]call.RegistryAuth) ([]string, error) {
	return l.Store.Tags(ctx, repository, with(auths))
}

// Login tries credentials at a registry, and returns the token that stands for them, if it gives one.
//
// Errors: engine.ErrDenied when it does not know them.
func (l Library) Login(ctx context.Context, host string, auth call.RegistryAuth) (identity string, err error) {
	return l.Store.Login(ctx, host, auth)
}
