package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"

	"tiffin/engine"
)

// match is an image that was found, and how.
type match struct {
	record  record // by which it was found; any of them when it was found by ID
	variant *variant
	byID    bool
}

// Resolve finds an image that is here: by name, by name and digest, or by the beginning of its ID. platform is
// os/arch[/variant]; "" takes the host's own, or else the only one there is.
//
// Errors: engine.ErrNotFound; ErrConflict when several IDs begin like that; ErrInvalid.
func (s *Store) Resolve(ctx context.Context, ref, platform string) (engine.Image, error) {
	m, err := s.find(ctx, ref, platform)
	if err != nil {
		return engine.Image{}, err
	}
	return s.describe(m), nil
}

func (s *Store) describe(m match) engine.Image {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return describe(m.variant, m.record.target.Digest, s.pointingTo(m.record.target.Digest))
}

// pointingTo lists the records of a target; the caller holds mu.
func (s *Store) pointingTo(target digest.Digest) []record {
	var list []record
	for _, name := range namesOf(s.records, target) {
		list = append(list, s.records[name])
	}
	return list
}

func (s *Store) find(ctx context.Context, ref, platform string) (match, error) {
	if hex, ok := idPrefix(ref); ok && strings.HasPrefix(ref, "sha256:") {
		return s.findID(ctx, ref, hex, platform)
	}
	named, err := parseName(ref)
	if err == nil {
		if r, ok := s.recordOf(named); ok {
			return s.suiting(ctx, r, ref, platform)
		}
	}
	if hex, ok := idPrefix(ref); ok {
		return s.findID(ctx, ref, hex, platform)
	}
	if err != nil {
		return match{}, err
	}
	return match{}, notHere(reference.FamiliarString(named))
}

func notHere(ref string) error {
	return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such image: %s", ref))
}

// recordOf finds a name. One with a digest is also found when a tag of the same repository points to the digest.
func (s *Store) recordOf(named reference.Named) (record, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r, ok := s.records[named.String()]; ok {
		return r, true
	}
	digested, ok := named.(reference.Canonical)
	if !ok {
		return record{}, false
	}
	for _, r := range s.pointingTo(digested.Digest()) {
		if strings.HasPrefix(r.name, named.Name()+":") {
			return r, true
		}
	}
	return record{}, false
}

// suiting picks the variant of a record for a platform.
func (s *Store) suiting(ctx context.Context, r record, ref, platform string) (match, error) {
	want, err := parsePlatform(platform)
	if err != nil {
		return match{}, err
	}
	list, err := s.variants(ctx, r.target)
	if err != nil {
		return match{}, err
	}
	if v := suitable(list, want, platform); v != nil {
		return match{record: r, variant: v}, nil
	}
	there := make([]string, 0, len(list))
	for _, v := range list {
		there = append(there, v.image.Platform)
	}
	return match{}, engine.Problem(engine.ErrNotFound,
		fmt.Errorf("image %q is here for %s, not for %s", ref, strings.Join(there, ", "), platform))
}

func suitable(list []*variant, want platforms.MatchComparer, platform string) *variant {
	var best *variant
	for _, v := range list {
		if want.Match(v.platform) && (best == nil || want.Less(v.platform, best.platform)) {
			best = v
		}
	}
	if best == nil && platform == "" && len(list) > 0 {
		return list[0]
	}
	return best
}

// findID finds an image by the beginning of its ID, or of the digest that its names point to.
func (s *Store) findID(ctx context.Context, ref, hex, platform string) (match, error) {
	var found []match
	for _, r := range s.targets() {
		list, err := s.variants(ctx, r.target)
		if err != nil {
			return match{}, err
		}
		if strings.HasPrefix(r.target.Digest.Encoded(), hex) {
			m, err := s.suiting(ctx, r, ref, platform)
			if err != nil {
				return match{}, err
			}
			m.byID = true
			found = append(found, m)
			continue
		}
		for _, v := range list {
			if strings.HasPrefix(strings.TrimPrefix(v.image.ID, "sha256:"), hex) {
				found = append(found, match{r, v, true})
			}
		}
	}
	if len(found) == 0 {
		return match{}, notHere(ref)
	}
	for _, m := range found[1:] {
		if m.variant.image.ID != found[0].variant.image.ID {
			return match{}, engine.Problem(engine.ErrConflict, fmt.Errorf("the image ID %s is the beginning of several", ref))
		}
	}
	return found[0], nil
}

// targets lists one record of each target that is not removed, sorted by name.
func (s *Store) targets() []record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	one := map[digest.Digest]record{}
	for _, r := range s.records {
		if old, ok := one[r.target.Digest]; !r.removed && (!ok || r.name < old.name) {
			one[r.target.Digest] = r
		}
	}
	list := make([]record, 0, len(one))
	for _, r := range one {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b record) int { return strings.Compare(a.name, b.name) })
	return list
}

// List lists the images that are here, by name; those without one come last.
func (s *Store) List(ctx context.Context) ([]engine.Image, error) {
	var list []engine.Image
	for _, r := range s.targets() {
		found, err := s.variants(ctx, r.target)
		if err != nil {
			return nil, err
		}
		for _, v := range found {
			list = append(list, s.describe(match{record: r, variant: v}))
		}
	}
	slices.SortStableFunc(list, func(a, b engine.Image) int {
		if (len(a.Names) == 0) != (len(b.Names) == 0) {
			return len(b.Names) - len(a.Names)
		}
		return slices.Compare(a.Names, b.Names)
	})
	return list, nil
}
