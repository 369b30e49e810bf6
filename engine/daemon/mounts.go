package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/volume"
)

// resolveMounts says what is mounted where in a new container: what the spec asks
// for, what volumes_from brings, and anonymous volumes for the image's VOLUMEs.
// Anonymous volumes of the container that this one replaces are taken over.
func (d *Daemon) resolveMounts(ctx context.Context, spec *engine.ContainerSpec, img *engine.Image, req createRequest, back *container.Undo) ([]engine.MountPoint, error) {
	r := mountResolver{d: d, req: req, back: back}
	for _, m := range spec.Mounts {
		if err := r.add(ctx, m); err != nil {
			return nil, err
		}
	}
	for _, from := range spec.VolumesFrom {
		if err := r.addFrom(from); err != nil {
			return nil, err
		}
	}
	for _, target := range img.Config.Volumes {
		if !r.has(target) {
			if err := r.add(ctx, engine.Mount{Type: engine.MountVolume, Target: target}); err != nil {
				return nil, err
			}
		}
	}
	return r.points, nil
}

type mountResolver struct {
	d      *Daemon
	req    createRequest
	back   *container.Undo
	points []engine.MountPoint
}

func (r *mountResolver) has(target string) bool {
	return slices.ContainsFunc(r.points, func(p engine.MountPoint) bool { return p.Destination == target })
}

func (r *mountResolver) add(ctx context.Context, m engine.Mount) error {
	p := engine.MountPoint{Type: m.Type, Destination: m.Target, ReadOnly: m.ReadOnly, Propagation: m.Propagation, Spec: m}
	var err error
	switch m.Type {
	case engine.MountVolume:
		err = r.addVolume(ctx, &p)
	case engine.MountBind:
		p.Source, err = volume.CheckBind(m)
	case engine.MountImage:
		err = r.addImage(ctx, &p)
	case engine.MountTmpfs:
	default:
		err = engine.Problem(engine.ErrUnsupported, fmt.Errorf("mount type %q at %s", m.Type, m.Target))
	}
	if err != nil {
		return err
	}
	r.points = append(r.points, p)
	return nil
}

// addVolume finds the named volume, or the anonymous one to take over, or makes one.
func (r *mountResolver) addVolume(ctx context.Context, p *engine.MountPoint) error {
	p.Driver = "local"
	if p.Spec.Source != "" {
		p.Name = p.Spec.Source
		if r.req.stack != nil {
			if spec, ok := r.req.stack.Volume(p.Spec.Source); ok {
				p.Name = spec.Name
			}
		}
		v, ok := r.d.Volume(p.Name)
		if !ok {
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such volume: %s", p.Name))
		}
		p.Source = v.Mountpoint
		return nil
	}
	p.Anonymous = true
	if old := r.former(p.Destination); old != nil {
		p.Name, p.Source = old.Name, old.Source
		return nil
	}
	project := ""
	if r.req.stack != nil {
		project = r.req.stack.Name
	}
	v, err := r.d.makeVolume(ctx, engine.VolumeSpec{Labels: p.Spec.Labels}, project)
	if err != nil {
		return err
	}
	r.back.Add(func(ctx context.Context) error { return r.d.removeVolume(ctx, v.Name) })
	p.Name, p.Source = v.Name, v.Mountpoint
	return nil
}

// former is the anonymous volume that the replaced container has at the same place.
func (r *mountResolver) former(target string) *engine.MountPoint {
	if r.req.replaces == nil || r.req.renewVolumes {
		return nil
	}
	for i := range r.req.replaces.Mounts {
		p := &r.req.replaces.Mounts[i]
		if _, there := r.d.Volume(p.Name); p.Anonymous && p.Destination == target && there {
			return p
		}
	}
	return nil
}

func (r *mountResolver) addImage(ctx context.Context, p *engine.MountPoint) error {
	img, err := r.d.rooms.Images.Resolve(ctx, p.Spec.Source, "")
	if err != nil {
		return missingImage(p.Spec.Source, err)
	}
	p.Name, p.ReadOnly = img.ID, true
	return nil
}

// addFrom copies the mounts of another container: container:ID[:ro|rw].
func (r *mountResolver) addFrom(from string) error {
	ref, access, _ := strings.Cut(strings.TrimPrefix(from, "container:"), ":")
	owner, err := r.d.Container(ref)
	if err != nil {
		return fmt.Errorf("volumes_from: %w", err)
	}
	for _, p := range owner.Snapshot().Mounts {
		if r.has(p.Destination) {
			continue
		}
		p.ReadOnly = p.ReadOnly || access == "ro"
		r.points = append(r.points, p)
	}
	return nil
}
