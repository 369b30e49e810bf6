package image

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/containerd/v2/core/metadata/boltutil"
	"github.com/distribution/reference"
	bolt "go.etcd.io/bbolt"

	"tiffin/engine"
)

// User is a container that was made of an image.
type User struct {
	Container string
	Running   bool
}

// RemoveOptions say how far a removal may go.
type RemoveOptions struct {
	// Force removes an image with several names, and one that stopped containers were made of.
	Force bool
	// Users lists the containers of an image by its ID; nil: none.
	Users func(imageID string) []User
}

// Removed is what a removal did: names taken away, and IDs of images that are gone.
type Removed struct {
	Untagged []string
	Deleted  []string
}

// Remove takes a name from an image, and removes the image with its last one. By ID, all names go at once. By force, an
// image whose containers run loses its last name and stays without one. The rules and texts are docker's.
//
// Errors: engine.ErrNotFound, ErrConflict.
func (s *Store) Remove(ctx context.Context, ref string, o RemoveOptions) (Removed, error) {
	m, err := s.find(ctx, ref, "")
	if err != nil {
		return Removed{}, err
	}
	s.mu.RLock()
	records := s.pointingTo(m.record.target.Digest)
	s.mu.RUnlock()
	var users []User
	if o.Users != nil {
		users = o.Users(m.variant.image.ID)
	}
	elsewhere, err := s.isElsewhere(ctx, m)
	if err != nil {
		return Removed{}, err
	}
	gone, err := decideRemoval(ref, m, records, users, o)
	if elsewhere && !m.byID {
		gone, err = []record{m.record}, nil
	}
	if err != nil {
		return Removed{}, err
	}
	last := len(gone) == len(records) && !elsewhere
	var after func(context.Context) error
	untagOnly := last && slices.ContainsFunc(users, func(u User) bool { return u.Running })
	switch {
	case untagOnly:
		after = func(ctx context.Context) error { return s.keepUnnamed(ctx, m.record.target, nil) }
	case last && s.isUsed(m, users):
		after = func(ctx context.Context) error { // the layers stay, under a record that is not listed
			return s.keepUnnamed(ctx, m.record.target, map[string]string{labelRemoved: "true"})
		}
	}
	if err := s.deleteRecords(ctx, gone, after); err != nil {
		return Removed{}, fmt.Errorf("remove image %s: %w", ref, err)
	}
	done := Removed{}
	for _, r := range gone {
		if !isDangling(r.name) {
			done.Untagged = append(done.Untagged, familiar(r.name))
		}
	}
	if !last || untagOnly {
		if elsewhere {
			return done, s.GC(ctx)
		}
		return done, nil
	}
	done.Deleted = []string{m.variant.image.ID}
	return done, s.GC(ctx)
}

// isElsewhere says that the same image has a name by another target: one by the index that
// a registry had, one by the manifest that was loaded from an archive.
func (s *Store) isElsewhere(ctx context.Context, m match) (bool, error) {
	for _, r := range s.targets() {
		if r.target.Digest == m.record.target.Digest {
			continue
		}
		list, err := s.variants(ctx, r.target)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(list, func(v *variant) bool { return v.image.ID == m.variant.image.ID }) {
			return true, nil
		}
	}
	return false, nil
}

// decideRemoval says which of an image's records go.
func decideRemoval(ref string, m match, records []record, users []User, o RemoveOptions) ([]record, error) {
	if !m.byID && len(records) > 1 {
		return []record{m.record}, nil
	}
	short := engine.ShortID(m.variant.image.ID[len("sha256:"):])
	what := fmt.Sprintf("unable to delete %s", short)
	if !m.byID {
		what = fmt.Sprintf("unable to remove repository reference %q", ref)
	}
	if m.byID && !o.Force && len(repositories(records)) > 1 {
		return nil, conflict("%s (must be forced) - image is referenced in multiple repositories", what)
	}
	for _, u := range users {
		container := engine.ShortID(u.Container)
		switch {
		case u.Running && m.byID:
			return nil, conflict("unable to delete %s (cannot be forced) - image is being used by running container %s", short, container)
		case o.Force:
		case m.byID:
			return nil, conflict("%s (must be forced) - image is being used by stopped container %s", what, container)
		default:
			return nil, conflict("%s (must force) - container %s is using its referenced image %s", what, container, short)
		}
	}
	return records, nil
}

func conflict(format string, args ...any) error {
	return engine.Problem(engine.ErrConflict, fmt.Errorf("conflict: "+format, args...))
}

func repositories(records []record) []string {
	var list []string
	for _, r := range records {
		list = append(list, repository(r.name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// isUsed tells whether the layers must outlive the image.
func (s *Store) isUsed(m match, users []User) bool {
	return len(users) > 0 || len(s.holders(m.variant.image.ID)) > 0
}

// deleteRecords takes names away, and does what comes after in the same transaction.
func (s *Store) deleteRecords(ctx context.Context, gone []record, after func(context.Context) error) error {
	err := s.meta.Update(func(tx *bolt.Tx) error {
		ctx := boltutil.WithTransaction(within(ctx), tx)
		for _, r := range gone {
			if err := s.images.Delete(ctx, r.name); err != nil {
				return err
			}
		}
		if after == nil {
			return nil
		}
		return after(ctx)
	})
	if err != nil {
		return err
	}
	return s.readRecords(ctx)
}

// Prune removes the images without a name that no container was made of, and what nothing refers to.
func (s *Store) Prune(ctx context.Context, users func(imageID string) []User) (Removed, error) {
	var done Removed
	for _, r := range s.targets() {
		if !isDangling(r.name) {
			continue
		}
		one, err := s.Remove(ctx, r.target.Digest.String(), RemoveOptions{Users: users})
		if kindOf(err) == engine.ErrConflict { //nolint:errorlint // kindOf returns the kind itself
			continue
		}
		if err != nil {
			return done, err
		}
		done.Deleted = append(done.Deleted, one.Deleted...)
	}
	return done, s.GC(ctx)
}

// Tag gives the image that ref names one more name.
//
// Errors: engine.ErrNotFound, ErrInvalid.
func (s *Store) Tag(ctx context.Context, ref, name string) error {
	named, err := parseTag(name)
	if err != nil {
		return err
	}
	m, err := s.find(ctx, ref, "")
	if err != nil {
		return err
	}
	return s.rename(ctx, named, m)
}

func (s *Store) rename(ctx context.Context, named reference.Named, m match) error {
	err := s.meta.Update(func(tx *bolt.Tx) error {
		return s.point(boltutil.WithTransaction(within(ctx), tx), named.String(), m.record.target)
	})
	if err != nil {
		return fmt.Errorf("name an image %s: %w", reference.FamiliarString(named), err)
	}
	return s.readRecords(ctx)
}
