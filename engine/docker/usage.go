package docker

import (
	"context"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/api/types/volume"

	"tiffin/engine"
	"tiffin/engine/docker/classic"
	"tiffin/engine/docker/shape"
)

func (s *Server) usageRoutes() { s.handle("GET /system/df", s.usage) }

// diskUsage has what the API had before 1.52, too.
type diskUsage struct {
	system.DiskUsage
	LayersSize  int64
	Images      []shape.ImageSummary
	Containers  []container.Summary
	Volumes     []volume.Volume
	BuildCache  []build.CacheRecord
	BuilderSize int64
}

// usage counts what is on the disk: all, or the types that are named.
func (s *Server) usage(r *http.Request) (any, error) {
	types := r.URL.Query()["type"]
	for _, t := range types {
		if !slices.Contains([]string{"container", "image", "volume", "build-cache"}, t) {
			return nil, invalid("unknown object type: %s", t)
		}
	}
	wants := func(t system.DiskUsageObject) bool { return len(types) == 0 || slices.Contains(types, string(t)) }
	ctx := r.Context()
	list, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	out := &diskUsage{}
	if wants(system.ImageObject) {
		if err := s.imageUsage(ctx, out, list); err != nil {
			return nil, err
		}
	}
	if wants(system.ContainerObject) {
		s.containerUsage(ctx, out, list)
	}
	if wants(system.VolumeObject) {
		if err := s.volumeUsage(ctx, out, list); err != nil {
			return nil, err
		}
	}
	if wants(system.BuildCacheObject) {
		if out.BuildCacheUsage, err = classic.Usage(ctx, s.dialBuilder); err != nil {
			return nil, err
		}
		out.BuildCache, out.BuilderSize = out.BuildCacheUsage.Items, out.BuildCacheUsage.TotalSize
	}
	if !flag(r, "verbose") {
		trim(&out.DiskUsage)
	}
	return out, nil
}

// trim takes away the lists of the new shape, which only who asks for them gets.
func trim(u *system.DiskUsage) {
	if u.ImageUsage != nil {
		u.ImageUsage.Items = nil
	}
	if u.ContainerUsage != nil {
		u.ContainerUsage.Items = nil
	}
	if u.VolumeUsage != nil {
		u.VolumeUsage.Items = nil
	}
	if u.BuildCacheUsage != nil {
		u.BuildCacheUsage.Items = nil
	}
}

func (s *Server) imageUsage(ctx context.Context, out *diskUsage, containers []engine.Container) error {
	list, err := s.targets(ctx)
	if err != nil {
		return err
	}
	sharing, err := s.sharing(ctx)
	if err != nil {
		return err
	}
	used := map[string]int{}
	for i := range containers {
		used[containers[i].ImageID]++
	}
	u := &image.DiskUsage{TotalCount: int64(len(list)), TotalSize: sharing.Total}
	out.Images, out.LayersSize, out.ImageUsage = []shape.ImageSummary{}, sharing.Total, u
	for i := range list {
		line := shape.SummaryOfImage(&list[i], used[list[i].ID])
		line.SharedSize = sharing.Shared[line.ID]
		if line.Containers > 0 {
			u.ActiveCount++
		} else {
			u.Reclaimable += line.Size - line.SharedSize
		}
		out.Images, u.Items = append(out.Images, line), append(u.Items, line.Summary)
	}
	return nil
}

func (s *Server) containerUsage(ctx context.Context, out *diskUsage, list []engine.Container) {
	u := &container.DiskUsage{TotalCount: int64(len(list))}
	out.Containers, out.ContainerUsage = []container.Summary{}, u
	now := time.Now()
	for i := range list {
		c := &list[i]
		written, err := s.b.WritableSize(ctx, c.ID)
		if err != nil {
			continue // it was removed meanwhile
		}
		line := shape.Summary(c, now, &shape.Sizes{Writable: written})
		u.TotalSize += line.SizeRw
		if c.State.Status.Alive() || c.State.Status == engine.StatusRestarting {
			u.ActiveCount++
		} else {
			u.Reclaimable += line.SizeRw
		}
		out.Containers, u.Items = append(out.Containers, line), append(u.Items, line)
	}
}

func (s *Server) volumeUsage(ctx context.Context, out *diskUsage, containers []engine.Container) error {
	list, err := s.b.Volumes(ctx)
	if err != nil {
		return err
	}
	used := map[string]int64{}
	for i := range containers {
		for _, m := range containers[i].Mounts {
			if m.Type == engine.MountVolume {
				used[m.Name]++
			}
		}
	}
	u := &volume.DiskUsage{TotalCount: int64(len(list))}
	out.Volumes, out.VolumeUsage = []volume.Volume{}, u
	for i := range list {
		v := &list[i]
		line := shape.Volume(v)
		line.UsageData = &volume.UsageData{RefCount: used[v.Name], Size: sizeOf(v.Mountpoint)}
		u.TotalSize += line.UsageData.Size
		if line.UsageData.RefCount > 0 {
			u.ActiveCount++
		} else {
			u.Reclaimable += line.UsageData.Size
		}
		out.Volumes, u.Items = append(out.Volumes, line), append(u.Items, line)
	}
	return nil
}

// sizeOf is what the files below a folder take on the disk, those with several names once. What goes away meanwhile, or
// cannot be read, takes nothing. Other file systems below are none of it.
func sizeOf(root string) int64 {
	type file struct{ dev, inode uint64 }
	seen := map[file]bool{}
	var total int64
	var device uint64
	_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error { // the function returns what is left out, only
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		if name == root {
			device = st.Dev
		}
		if st.Dev != device {
			return fs.SkipDir
		}
		if id := (file{st.Dev, st.Ino}); !seen[id] {
			seen[id] = true
			const block = 512 // whatever the file system's is
			total += st.Blocks * block
		}
		return nil
	})
	return total
}
