// Package storage says what is mounted where in a new container.
package storage

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/volume"
)

// Host has the volumes, images and other containers.
type Host interface {
	Volume(name string) (engine.Volume, bool)
	MakeVolume(ctx context.Context, spec engine.VolumeSpec, project string) (engine.Volume, error)
	DropVolume(ctx context.Context, name string) error
	// FindImage finds a local image by name or ID.
	FindImage(ctx context.Context, ref string) (engine.Image, error)
	Container(ref string) (*container.Container, error)
}

// Request is about one container.
type Request struct {
	Spec  *engine.ContainerSpec
	Image *engine.ImageConfig
	Stack *engine.Stack // nil: outside of a project
	// Replaces is the container whose anonymous volumes are taken over; nil: none.
	Replaces *engine.Container
	// Back is told what is to be taken back if the container does not come to be.
	Back *container.Undo
}

// Resolve says what is mounted where in a new container: what the spec asks for, what
// volumes_from brings, and anonymous volumes for the image's VOLUMEs, which it makes.
func Resolve(ctx context.Context, h Host, req Request) ([]engine.MountPoint, error) {
	r := resolver{Host: h, Request: req}
	for _, m := range req.Spec.Mounts {
		if err := r.add(ctx, m); err != nil {
			return nil, err
		}
	}
	for _, from := range req.Spec.VolumesFrom {
		if err := r.addFrom(from); err != nil {
			return nil, err
		}
	}
	for _, target := range req.Image.Volumes {
		if !r.has(target) {
			if err := r.add(ctx, engine.Mount{Type: engine.MountVolume, Target: target}); err != nil {
				return nil, err
			}
		}
	}
	return r.points, nil
}

type resolver struct {
	Host
	Request
	points []engine.MountPoint
}

func (r *resolver) has(target string) bool {
	return slices.ContainsFunc(r.points, func(p engine.MountPoint) bool { return p.Destination == target })
}

func (r *resolver) add(ctx context.Context, m engine.Mount) error {
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
func (r *resolver) addVolume(ctx context.Context, p *engine.MountPoint) error {
	p.Driver = "local"
	if p.Spec.Source != "" {
		p.Name = p.Spec.Source
		if r.Stack != nil {
			if spec, ok := r.Stack.Volume(p.Spec.Source); ok {
				p.Name = spec.Name
			}
		}
		v, ok := r.Volume(p.Name)
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
	if r.Stack != nil {
		project = r.Stack.Name
	}
	v, err := r.MakeVolume(ctx, engine.VolumeSpec{Labels: p.Spec.Labels}, project)
	if err != nil {
		return err
	}
	r.Back.Add(func(ctx context.Context) error { return r.DropVolume(ctx, v.Name) })
	p.Name, p.Source = v.Name, v.Mountpoint
	return nil
}

// former is the anonymous volume that the replaced container has at the same place.
func (r *resolver) former(target string) *engine.MountPoint {
	if r.Replaces == nil {
		return nil
	}
	for i := range r.Replaces.Mounts {
		p := &r.Replaces.Mounts[i]
		if _, there := r.Volume(p.Name); p.Anonymous && p.Destination == target && there {
			return p
		}
	}
	return nil
}

func (r *resolver) addImage(ctx context.Context, p *engine.MountPoint) error {
	img, err := r.FindImage(ctx, p.Spec.Source)
	if err != nil {
		return err
	}
	p.Name, p.ReadOnly = img.ID, true
	return nil
}

// addFrom copies the mounts of another container: container:ID[:ro|rw].
func (r *resolver) addFrom(from string) error {
	ref, access, _ := strings.Cut(strings.TrimPrefix(from, "container:"), ":")
	owner, err := r.Container(ref)
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
