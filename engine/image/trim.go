package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/platforms"

	"tiffin/engine"
)

// RemovePlatforms removes what is here of an image for some platforms, and says of which
// manifests. The rest of it stays as it is.
//
// Errors: engine.ErrNotFound; ErrConflict when a container was made of it, or when nothing would be left.
func (s *Store) RemovePlatforms(ctx context.Context, ref string, wanted []string, users func(imageID string) []User) ([]string, error) {
	gone := map[string]bool{}
	var m match
	for _, platform := range wanted {
		p, err := platforms.Parse(platform)
		if err != nil {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("platform %q: %w", platform, err))
		}
		if m, err = s.find(ctx, ref, platform); err != nil {
			return nil, err
		}
		v := m.variant
		if !platforms.OnlyStrict(p).Match(v.platform) { // what else runs there is not meant
			return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("image %q is here for %s, not for %s", ref, v.image.Platform, platform))
		}
		if u := users(v.image.ID); len(u) > 0 {
			return nil, conflict("unable to delete %s of %s - image is being used by container %s", platform, ref, engine.ShortID(u[0].Container))
		}
		gone[v.manifest.String()] = true
	}
	here, err := s.variants(ctx, m.record.target)
	if err != nil {
		return nil, err
	}
	if !images.IsIndexType(m.record.target.MediaType) || len(gone) == len(here) {
		return nil, engine.Hint(conflict("unable to delete %s of %s - nothing would be left of the image", strings.Join(wanted, ", "), ref), "remove the image")
	}
	if err := s.trim(within(ctx), m, gone); err != nil {
		return nil, fmt.Errorf("remove platforms of image %s: %w", ref, err)
	}
	var out []string
	for d := range gone {
		out = append(out, d)
	}
	slices.Sort(out)
	return out, s.GC(ctx)
}

// trim lets the index of an image keep some manifests no more, nor what attests them.
func (s *Store) trim(ctx context.Context, m match, gone map[string]bool) error {
	target := m.record.target
	idx, err := s.localIndex(ctx, target)
	if err != nil {
		return err
	}
	drop := map[string]bool{}
	for _, d := range idx.Manifests {
		if gone[d.Digest.String()] || gone[d.Annotations["vnd.docker.reference.digest"]] {
			drop[d.Digest.String()] = true
		}
	}
	info, err := s.content.Info(ctx, target.Digest)
	if err != nil {
		return err
	}
	for key, value := range info.Labels {
		if strings.HasPrefix(key, labelContent) && drop[value] {
			delete(info.Labels, key)
		}
	}
	_, err = s.content.Update(ctx, info, "labels")
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.local, target.Digest)
	return err
}
