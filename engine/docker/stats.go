package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/moby/moby/api/types/container"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/docker/shape"
)

// Measures says what containers use, and what they have written.
type Measures interface {
	Stats(ctx context.Context, req *call.StatsRequest) ([]call.Stats, error)
	FileChanges(ctx context.Context, ref string) ([]call.FileChange, error)
	// WritableSize is what a container's own files take, in bytes.
	WritableSize(ctx context.Context, ref string) (int64, error)
}

func (s *Server) statsRoutes() {
	s.stream("GET /containers/{id}/stats", s.stats)
	s.handle("GET /containers/{id}/changes", s.changes)
}

// statsInterval is how long two readings are apart; clients make rates of them.
const statsInterval = time.Second

// stats sends readings: one, the second of two, or one after the other until the container
// is removed. What does not run has nothing, and may be started meanwhile.
func (s *Server) stats(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	goesOn := !r.URL.Query().Has("stream") || flag(r, "stream")
	if goesOn && flag(r, "one-shot") {
		return invalid("cannot have stream=true and one-shot=true")
	}
	c, err := s.b.Inspect(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	now, err := s.reading(ctx, c.ID)
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	w.Header().Set("Content-Type", "application/json")
	switch {
	case goesOn:
		return s.sendReadings(ctx, w, &now)
	case now.Running && !flag(r, "one-shot"):
		before := now
		if now, err = s.nextReading(ctx, c.ID, time.After(statsInterval)); err != nil {
			return err
		}
		return out.Encode(shape.Stats(&now, &before))
	default:
		return out.Encode(shape.Stats(&now, &call.Stats{}))
	}
}

// sendReadings sends one reading after the other.
func (s *Server) sendReadings(ctx context.Context, w http.ResponseWriter, first *call.Stats) error {
	tick := time.NewTicker(statsInterval)
	defer tick.Stop()
	out, flush := json.NewEncoder(w), http.NewResponseController(w).Flush
	now, before := *first, call.Stats{}
	for {
		if err := errors.Join(out.Encode(shape.Stats(&now, &before)), flush()); err != nil {
			return err
		}
		next, err := s.nextReading(ctx, first.ID, tick.C)
		switch {
		case errors.Is(err, engine.ErrNotFound), ctx.Err() != nil:
			return nil // removed, or nobody listens any more
		case err != nil:
			return err
		}
		before, now = now, next
	}
}

func (s *Server) nextReading(ctx context.Context, id string, tick <-chan time.Time) (call.Stats, error) {
	select {
	case <-tick:
		return s.reading(ctx, id)
	case <-ctx.Done():
		return call.Stats{}, context.Cause(ctx)
	}
}

func (s *Server) reading(ctx context.Context, id string) (call.Stats, error) {
	list, err := s.b.Stats(ctx, &call.StatsRequest{Containers: []string{id}, Details: true})
	if err != nil {
		return call.Stats{}, err
	}
	return list[0], nil
}

func (s *Server) changes(r *http.Request) (any, error) {
	list, err := s.b.FileChanges(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := []container.FilesystemChange{}
	for _, c := range list {
		out = append(out, container.FilesystemChange{Path: c.Path, Kind: container.ChangeType(c.Kind)})
	}
	return out, nil
}

// sizes are what the files of a container take; nil if the client did not ask.
func (s *Server) sizes(r *http.Request, c *engine.Container) (*shape.Sizes, error) {
	if !flag(r, "size") {
		return nil, nil //nolint:nilnil // see above
	}
	written, err := s.b.WritableSize(r.Context(), c.ID)
	if err != nil {
		return nil, err
	}
	out := &shape.Sizes{Writable: written, Root: written}
	switch image, err := s.b.Image(r.Context(), c.ImageID); {
	case err == nil:
		out.Root += int64(image.Size)
	case !errors.Is(err, engine.ErrNotFound):
		return nil, err
	}
	return out, nil
}
