package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/moby/moby/api/types/volume"

	"tiffin/engine"
	"tiffin/engine/docker/filter"
	"tiffin/engine/docker/shape"
)

func (s *Server) volumeRoutes() {
	s.handle("GET /volumes", s.listVolumes)
	s.handle("GET /volumes/{name}", s.inspectVolume)
	s.handle("POST /volumes/create", s.createVolume)
	s.handle("POST /volumes/prune", s.pruneVolumes)
	s.handle("PUT /volumes/{name}", func(*http.Request) (any, error) { return nil, shape.ErrNoSwarm }) // of swarms only
	s.handle("DELETE /volumes/{name}", s.removeVolume)
}

func (s *Server) listVolumes(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), "dangling", "driver", "label", "name")
	if err != nil {
		return nil, err
	}
	dangling, err := args.Bool("dangling", false)
	if err != nil {
		return nil, err
	}
	all, containers, err := s.volumes(r.Context())
	if err != nil {
		return nil, err
	}
	out := volume.ListResponse{Volumes: []volume.Volume{}, Warnings: []string{}}
	for i := range all {
		v := shape.Volume(&all[i])
		used := slices.ContainsFunc(containers, shape.UsesVolume(v.Name))
		if args.Has("dangling") && used == dangling ||
			!args.Is("driver", v.Driver) || !args.Matches("name", v.Name) || !args.Labels(v.Labels) {
			continue
		}
		out.Volumes = append(out.Volumes, v)
	}
	return out, nil
}

// volumes lists all volumes, and all containers that may have them.
func (s *Server) volumes(ctx context.Context) ([]engine.Volume, []engine.Container, error) {
	all, err := s.b.Volumes(ctx)
	if err != nil {
		return nil, nil, err
	}
	containers, err := s.all(ctx)
	return all, containers, err
}

func (s *Server) inspectVolume(r *http.Request) (any, error) {
	name := r.PathValue("name")
	all, err := s.b.Volumes(r.Context())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(v engine.Volume) bool { return v.Name == name })
	if i < 0 {
		return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("get %s: no such volume", name))
	}
	return shape.Volume(&all[i]), nil
}

// createVolume answers with the volume of that name, if there is one.
func (s *Server) createVolume(r *http.Request) (any, error) {
	req := &volume.CreateRequest{}
	if err := decode(r, req); err != nil {
		return nil, err
	}
	spec, err := shape.AskVolume(req)
	if err != nil {
		return nil, err
	}
	v, err := s.b.CreateVolume(r.Context(), spec)
	if err != nil {
		return nil, err
	}
	return created(shape.Volume(&v)), nil
}

// removeVolume does not mind that there is none when it is forced. One that is in use stays,
// also then.
func (s *Server) removeVolume(r *http.Request) (any, error) {
	err := s.b.RemoveVolume(context.WithoutCancel(r.Context()), r.PathValue("name"))
	if errors.Is(err, engine.ErrNotFound) && flag(r, "force") {
		err = nil
	}
	return nil, err
}

// pruneVolumes removes volumes that no container has: those whose names nobody chose, or all.
func (s *Server) pruneVolumes(r *http.Request) (any, error) {
	args, err := filter.Parse(r.URL.Query().Get("filters"), "all", "label", "label!")
	if err != nil {
		return nil, err
	}
	everything, err := args.Bool("all", false)
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	all, containers, err := s.volumes(ctx)
	if err != nil {
		return nil, err
	}
	report := volume.PruneReport{VolumesDeleted: []string{}}
	for i := range all {
		v := &all[i]
		if !v.Anonymous && !everything || slices.ContainsFunc(containers, shape.UsesVolume(v.Name)) || !args.Labels(shape.Volume(v).Labels) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err // the client went away
		}
		size := sizeBelow(v.Mountpoint)
		if err := s.b.RemoveVolume(context.WithoutCancel(ctx), v.Name); err != nil {
			s.cfg.Log.Debug("volume not pruned", "volume", v.Name, "err", err) // somebody uses it now, or was faster
			continue
		}
		report.VolumesDeleted = append(report.VolumesDeleted, v.Name)
		report.SpaceReclaimed += size
	}
	s.pruned(engine.EventVolume, report.SpaceReclaimed)
	return report, nil
}

// sizeBelow adds up the files of a folder, each once. What goes meanwhile is not counted.
func sizeBelow(root string) uint64 {
	type inode struct{ dev, ino uint64 }
	seen := map[inode]bool{}
	var sum uint64
	_ = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		info, err := e.Info()
		if err != nil || info.IsDir() {
			return nil //nolint:nilerr // see above
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			id := inode{st.Dev, st.Ino}
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		sum += uint64(info.Size())
		return nil
	})
	return sum
}
