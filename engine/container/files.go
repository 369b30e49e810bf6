package container

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"tiffin/engine"
	"tiffin/engine/runtime"
	"tiffin/engine/volume"
)

// fillVolumes makes what is mounted ready: new volumes get the image's content,
// folders in volumes and images are opened below their root.
func (s *starter) fillVolumes(ctx context.Context) error {
	s.input.Sources = map[string]string{}
	for i := range s.record.Mounts {
		p := &s.record.Mounts[i]
		var err error
		switch p.Type {
		case engine.MountVolume:
			err = s.fillVolume(ctx, p)
		case engine.MountBind:
			_, err = volume.CheckBind(p.Spec) // it may have gone since create
		case engine.MountImage:
			err = s.openImage(ctx, p)
		default:
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *starter) fillVolume(ctx context.Context, p *engine.MountPoint) error {
	v, ok := s.rooms.Index.Volume(p.Name)
	if !ok {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such volume: %s", p.Name))
	}
	if err := s.rooms.Mounts.Use(ctx, v, s.record.ID); err != nil {
		return err
	}
	if v.Fresh && !p.Spec.NoCopy {
		fill := func(v engine.Volume) error { return volume.Populate(ctx, v, s.root, p.Destination) }
		if err := s.rooms.Index.FillVolume(ctx, p.Name, fill); err != nil {
			return err
		}
	}
	if p.Spec.Subpath == "" {
		return nil
	}
	root, err := os.Open(v.Mountpoint)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only looked through
	return s.openBelow(root, p)
}

// openBelow finds the folder of a mount below the root of its volume or image.
func (s *starter) openBelow(root *os.File, p *engine.MountPoint) error {
	f, err := volume.OpenSubpath(root, p.Spec.Subpath)
	if err != nil {
		return err
	}
	s.mountHeld(p.Destination, f)
	return nil
}

// openImage makes the root filesystem of an image that is mounted as a volume.
func (s *starter) openImage(ctx context.Context, p *engine.MountPoint) error {
	layers, err := s.rooms.Images.Rootfs(ctx, p.Name)
	if err != nil {
		return err
	}
	root, err := runtime.MountOverlay(layers.Lower, "", "")
	if err != nil {
		return err
	}
	if p.Spec.Subpath != "" {
		s.held = append(s.held, root)
		return s.openBelow(root, p)
	}
	s.mountHeld(p.Destination, root)
	return nil
}

// writeFiles writes what the container finds in /etc, and its configs and secrets.
func (s *starter) writeFiles(context.Context) error {
	files, err := s.rooms.Secrets.Fill(s.record.Spec.Files)
	if err != nil {
		return err
	}
	paths, err := s.rooms.Files.Write(s.record.ID, files)
	if err != nil {
		return err
	}
	maps.Copy(s.input.Sources, paths)
	if err := s.shareMemory(); err != nil {
		return err
	}
	return s.writeEtc()
}

// writeEtc writes the three files that containers in one network share in content:
// the addresses and the name are those of the network's owner.
func (s *starter) writeEtc() error {
	owner, err := s.rooms.networkOwner(&s.record)
	if err != nil {
		return err
	}
	hostname := s.rooms.hostname(owner)
	if owner.ID != s.record.ID {
		s.input.Hostname = hostname
		if name := s.record.Spec.Hostname; name != "" {
			hostname = name
		}
	}
	etc := &s.input.Etc
	for _, f := range []struct {
		path    *string
		name    string
		content string
	}{
		{&etc.Hostname, "hostname", hostname + "\n"},
		{&etc.Hosts, "hosts", renderHosts(s.rooms.withLinks(s.record.Spec, s.links), hostname, owner.Endpoints)},
		{&etc.ResolvConf, "resolv.conf", s.resolvConf()},
	} {
		if f.content == "" || s.mounted("/etc/"+f.name) {
			continue
		}
		*f.path = filepath.Join(s.runDir(), f.name)
		// They are made anew at each start, so that no crash can leave a half one in use.
		if err := os.WriteFile(*f.path, []byte(f.content), 0o644); err != nil { //nolint:forbidigo,gosec // see above; containers read them as any user
			return err
		}
	}
	return nil
}

// mounted says that the user mounts something of his own there.
func (s *starter) mounted(target string) bool {
	for i := range s.record.Mounts {
		if s.record.Mounts[i].Destination == target {
			return true
		}
	}
	return false
}

// mountHeld has what f is open on mounted at target. It is mounted by its descriptor's
// name, for the path may lead elsewhere a moment later.
func (s *starter) mountHeld(target string, f *os.File) {
	s.held = append(s.held, f)
	s.input.Sources[target] = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
}
