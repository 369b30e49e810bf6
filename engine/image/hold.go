package image

import (
	"context"
	"fmt"
	"slices"

	"tiffin/engine"
)

// Layers are what a container's root filesystem stands on.
type Layers struct {
	// Lower are absolute folders for overlayfs' lowerdir, top first; never none.
	Lower []string
}

// Rootfs finds the layers of an image by its ID. It reads memory only when the image was used before.
//
// Errors: engine.ErrNotFound.
func (s *Store) Rootfs(ctx context.Context, imageID string) (Layers, error) {
	m, err := s.byID(ctx, imageID)
	if err != nil {
		return Layers{}, err
	}
	return Layers{Lower: slices.Clone(m.variant.lower)}, nil
}

// byID finds an image by its whole ID, one that is only held as well.
func (s *Store) byID(ctx context.Context, imageID string) (match, error) {
	if m, ok := s.remembered(imageID); ok {
		return m, nil
	}
	for _, r := range s.allRecords() {
		if _, err := s.variants(ctx, r.target); err != nil {
			return match{}, err
		}
	}
	if m, ok := s.remembered(imageID); ok {
		return m, nil
	}
	return match{}, notHere(imageID)
}

func (s *Store) remembered(imageID string) (match, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for target, list := range s.local {
		for _, v := range list {
			if v.image.ID != imageID {
				continue
			}
			if records := s.pointingTo(target); len(records) > 0 {
				return match{record: records[0], variant: v, byID: true}, true
			}
		}
	}
	return match{}, false
}

func (s *Store) allRecords() []record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]record, 0, len(s.records))
	for _, r := range s.records {
		list = append(list, r)
	}
	return list
}

// Hold keeps the image's layers for a container, even when the image is removed by force. It is in memory only:
// the container's own record is what lasts, and the daemon holds again for each of them when it starts, before
// anything is removed.
//
// Errors: engine.ErrNotFound.
func (s *Store) Hold(ctx context.Context, containerID, imageID string) error {
	if _, err := s.byID(ctx, imageID); err != nil {
		return fmt.Errorf("hold the image of container %s: %w", engine.ShortID(containerID), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[containerID] = imageID
	return nil
}

// Release ends what Hold began. The last one lets go of an image that was removed meanwhile.
func (s *Store) Release(ctx context.Context, containerID string) error {
	s.mu.Lock()
	imageID, ok := s.holds[containerID]
	delete(s.holds, containerID)
	s.mu.Unlock()
	if !ok || len(s.holders(imageID)) > 0 {
		return nil
	}
	m, ok := s.remembered(imageID)
	if !ok || !m.record.removed {
		return nil
	}
	if err := s.images.Delete(within(ctx), m.record.name); err != nil {
		return fmt.Errorf("let go of image %s: %w", imageID, err)
	}
	if err := s.readRecords(ctx); err != nil {
		return err
	}
	return s.GC(ctx)
}

// holders lists the containers that hold an image, sorted.
func (s *Store) holders(imageID string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []string
	for c, id := range s.holds {
		if id == imageID {
			list = append(list, c)
		}
	}
	slices.Sort(list)
	return list
}
