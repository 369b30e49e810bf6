package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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
	if err := s.rooms.Volumes.Mount(ctx, v); err != nil {
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

// openBelow finds the folder of a mount below the root of its volume or image. It is
// mounted by its descriptor's name, for the path may lead elsewhere a moment later.
func (s *starter) openBelow(root *os.File, p *engine.MountPoint) error {
	f, err := volume.OpenSubpath(root, p.Spec.Subpath)
	if err != nil {
		return err
	}
	s.held = append(s.held, f)
	s.input.Sources[p.Destination] = fmt.Sprintf("/proc/self/fd/%d", f.Fd())
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
	s.held = append(s.held, root)
	if p.Spec.Subpath != "" {
		return s.openBelow(root, p)
	}
	s.input.Sources[p.Destination] = fmt.Sprintf("/proc/self/fd/%d", root.Fd())
	return nil
}

// writeFiles writes what the container finds in /etc, and its configs and secrets.
func (s *starter) writeFiles(context.Context) error {
	paths, err := s.rooms.Files.Write(s.record.ID, s.record.Spec.Files)
	if err != nil {
		return err
	}
	for target, path := range paths {
		s.input.Sources[target] = path
	}
	if err := s.shareMemory(); err != nil {
		return err
	}
	etc := &s.input.Etc
	for _, f := range []struct {
		path    *string
		name    string
		content string
	}{
		{&etc.Hostname, "hostname", s.hostname() + "\n"},
		{&etc.Hosts, "hosts", s.hosts()},
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

// shareMemory finds the shared memory of the container whose IPC namespace is shared.
func (s *starter) shareMemory() error {
	id, ok := strings.CutPrefix(s.record.Spec.IpcMode, "container:")
	if !ok {
		return nil
	}
	owner, err := s.rooms.Index.Container(id)
	if err != nil {
		return fmt.Errorf("share IPC namespace: %w", err)
	}
	pid := owner.Snapshot().State.Pid
	if pid == 0 {
		return engine.Problem(engine.ErrConflict, errors.New("share IPC namespace: container "+owner.Name()+" is not running"))
	}
	s.input.Sources["/dev/shm"] = fmt.Sprintf("/proc/%d/root/dev/shm", pid)
	return nil
}

// hostname is the container's name for itself; on the host's network, the host's.
func (s *starter) hostname() string {
	switch {
	case s.record.Spec.Hostname != "":
		return s.record.Spec.Hostname
	case s.record.Spec.NetworkMode == "host" || s.record.Spec.UtsMode == "host":
		return s.rooms.hostInfo().Hostname
	default:
		return engine.ShortID(s.record.ID)
	}
}
