package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
	"tiffin/engine/daemon/storage"
	"tiffin/engine/ocispec"
	"tiffin/engine/plan"
)

// createRequest asks for the record of a container; nothing runs yet.
type createRequest struct {
	stack   *engine.Stack   // nil: outside of a project
	service *engine.Service // nil: outside of a project
	number  int             // 0: a one-off
	name    string
	spec    engine.ContainerSpec
	hash    string
	slug    string // of a one-off
	// useAliases gives a one-off the names of its service.
	useAliases bool
	// replaces is the container whose name, addresses and anonymous volumes this one takes over.
	replaces     *engine.Container
	renewVolumes bool
}

// create makes a container: resolves its image, mounts and networks, and writes its
// record. What cannot be is refused here, before anything that runs is touched.
func (d *Daemon) create(ctx context.Context, req createRequest) (*container.Container, error) {
	spec := req.spec
	img, err := d.rooms.Images.Resolve(ctx, spec.Image, spec.Platform)
	if err != nil {
		return nil, missingImage(spec.Image, err)
	}
	record := engine.Container{
		ID: engine.NewID(), Name: req.name, Number: req.number, OneOff: req.number == 0 && req.stack != nil,
		Created: time.Now(), ImageID: img.ID, Image: img.Config,
		State: engine.State{Status: engine.StatusCreated},
	}
	if req.stack != nil {
		record.Project, record.Service = req.stack.Name, req.service.Name
	} else {
		adoptLabels(&record, spec.Labels)
	}
	if err := d.resolveReferences(&spec, req.stack); err != nil {
		return nil, fmt.Errorf("create %s: %w", req.name, err)
	}
	spec.Healthcheck = ocispec.Healthcheck(spec.Healthcheck, img.Config.Healthcheck)
	record.Args, err = ocispec.Args(&spec, &img.Config)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", req.name, err)
	}
	var back container.Undo
	defer func() { _ = back.Run(ctx) }() // the first error tells
	if err := d.takeName(&record, req, &back); err != nil {
		return nil, err
	}
	mounts := storage.Request{Spec: &spec, Image: &img.Config, Stack: req.stack, Back: &back}
	if !req.renewVolumes {
		mounts.Replaces = req.replaces
	}
	record.Mounts, err = storage.Resolve(ctx, d, mounts)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", req.name, err)
	}
	record.Endpoints = d.resolveEndpoints(&record, &spec, req)
	spec.Labels = plan.Labels(&record, plan.Origin{
		Image: &img, Own: spec.Labels, Stack: req.stack, Service: req.service, Hash: req.hash, Slug: req.slug, Replaces: req.replaces,
	})
	record.Spec = spec
	if err := d.rooms.Check(&record); err != nil {
		return nil, fmt.Errorf("create %s: %w", req.name, err)
	}
	if err := d.rooms.Images.Hold(ctx, record.ID, img.ID); err != nil {
		return nil, err
	}
	back.Add(func(ctx context.Context) error { return d.rooms.Images.Release(ctx, record.ID) })
	c, err := d.register(ctx, &record)
	if err != nil {
		return nil, err
	}
	back.Keep()
	d.supervise(c)
	d.events.Publish(events.OfContainer(&record, "create", nil))
	return c, nil
}

// register writes the record of a new container down, and enters it into the index.
func (d *Daemon) register(ctx context.Context, record *engine.Container) (*container.Container, error) {
	_, unlock, err := d.lock(ctx, keeperTurn(record.Project))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := d.SaveContainer(record); err != nil {
		return nil, err
	}
	c := container.New(&d.rooms, *record)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.containers[c.ID] = c
	return c, nil
}

// FindImage finds a local image by name or ID.
func (d *Daemon) FindImage(ctx context.Context, ref string) (engine.Image, error) {
	img, err := d.rooms.Images.Resolve(ctx, ref, "")
	if err != nil {
		err = missingImage(ref, err)
	}
	return img, err
}

func missingImage(ref string, err error) error {
	if !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("No such image: %s", ref)), //nolint:staticcheck // clients match on Docker's text
		"`tiffin pull` fetches it, `tiffin load` and `tiffin import` read it from a file")
}

// takeName reserves the name, or a temporary one while the container that this one
// replaces still has it.
func (d *Daemon) takeName(record *engine.Container, req createRequest, back *container.Undo) error {
	if req.replaces != nil {
		if _, err := d.byID(req.replaces.ID); err == nil {
			record.Name = engine.ShortID(record.ID) + "_" + req.name
		}
	}
	if err := d.reserveName(record.Name, record.ID); err != nil {
		return err
	}
	name, id := record.Name, record.ID
	back.Add(func(context.Context) error { d.releaseName(name, id); return nil })
	return nil
}

// resolveReferences turns references to services into references to containers.
func (d *Daemon) resolveReferences(spec *engine.ContainerSpec, stack *engine.Stack) error {
	for _, mode := range []*string{&spec.NetworkMode, &spec.PidMode, &spec.IpcMode} {
		service, ok := strings.CutPrefix(*mode, "service:")
		if !ok {
			continue
		}
		owner, err := d.ownerIn(stack, service)
		if err != nil {
			return err
		}
		*mode = "container:" + owner.ID
	}
	for i, from := range spec.VolumesFrom {
		if strings.HasPrefix(from, "container:") {
			continue
		}
		service, access, _ := strings.Cut(from, ":")
		owner, err := d.ownerIn(stack, service)
		if err != nil {
			return err
		}
		spec.VolumesFrom = slices.Clone(spec.VolumesFrom)
		spec.VolumesFrom[i] = strings.TrimSuffix("container:"+owner.ID+":"+access, ":")
	}
	return nil
}

// ownerIn is the container that others share with as a service.
func (d *Daemon) ownerIn(stack *engine.Stack, service string) (*engine.Container, error) {
	if stack == nil {
		return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("service:%s outside of a project", service))
	}
	owner, ok := d.Replica(stack.Name, service)
	if !ok {
		return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("service %q has no container to share with", service))
	}
	return &owner, nil
}

// Replica implements container.Index.
func (d *Daemon) Replica(project, service string) (engine.Container, bool) {
	found := d.all(func(c *engine.Container) bool {
		return c.Project == project && c.Service == service && !c.OneOff
	})
	slices.SortFunc(found, func(a, b engine.Container) int {
		if a.Number != b.Number {
			return a.Number - b.Number
		}
		return b.Created.Compare(a.Created)
	})
	if len(found) == 0 {
		return engine.Container{}, false
	}
	return found[0], true
}

// resolveEndpoints says on which networks the container is, by which names, and with
// the addresses that the replaced one had.
func (d *Daemon) resolveEndpoints(record *engine.Container, spec *engine.ContainerSpec, req createRequest) map[string]engine.Endpoint {
	if len(spec.Endpoints) == 0 || spec.NetworkMode != "" && spec.NetworkMode != "bridge" {
		return nil
	}
	out := make(map[string]engine.Endpoint, len(spec.Endpoints))
	for _, want := range spec.Endpoints {
		name := want.Network
		if req.stack != nil {
			if n, ok := req.stack.Network(want.Network); ok {
				name = n.Name
			}
		}
		e := engine.Endpoint{Network: name, Spec: want, Names: container.Names(record.ID, req.name, spec.Hostname, sharedNames(record, want, req))}
		if req.replaces != nil {
			former := req.replaces.Endpoints[name]
			if n, there := d.Network(name); there && n.ID == former.NetworkID { // else it is another network of that name
				e.IPv4, e.IPv6, e.NetworkID = former.IPv4, former.IPv6, former.NetworkID
			}
		}
		out[name] = e
	}
	return out
}

// sharedNames are the names on a network that a container shares with others: its
// service's and the aliases. A one-off goes without those of its service.
func sharedNames(record *engine.Container, e engine.EndpointSpec, req createRequest) []string {
	switch {
	case req.stack == nil:
		return e.Aliases
	case record.OneOff && !req.useAliases:
		return nil
	case e.NoService:
		return e.Aliases
	default:
		return append([]string{req.service.Name}, e.Aliases...)
	}
}
