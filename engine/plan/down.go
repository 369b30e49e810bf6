package plan

import (
	"maps"
	"slices"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Down plans how a project is taken away: containers in reverse order of
// dependency, then networks, volumes and images. stack, which may be nil, is the
// request's or the one that was brought up last.
//
// Errors: engine.ErrNotFound for a service that the request's Stack does not have.
func Down(req *call.DownRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
	d := &down{req: req, stack: stack, obs: newInventory(obs)}
	d.order = newOrder(&d.builder, d.known(), d.obs.dependencies(stack))
	if err := d.pick(); err != nil {
		return nil, err
	}
	d.addContainers()
	d.addNetworks()
	d.addVolumes()
	d.addImages()
	if len(d.nodes) == 0 && len(d.warnings) == 0 {
		d.warn("No resource found to remove for project %q.", req.Project)
	}
	return d.finish()
}

type down struct {
	builder
	order *order
	req   *call.DownRequest
	stack *engine.Stack
	obs   *inventory

	// services are those that the request is about; nil means all.
	services []string
	// removes are the steps that remove the containers that go; going and staying are
	// all containers.
	removes        []*node
	going, staying []*engine.Container
}

// known are the services of the Stack, and those that have containers.
func (d *down) known() []string {
	names := d.obs.services()
	if d.stack != nil {
		for i := range d.stack.Services {
			names = append(names, d.stack.Services[i].Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// pick selects the named services and, as docker compose does, what depends on them:
// it would be left without what it needs.
func (d *down) pick() error {
	for _, name := range d.req.Services {
		if s := d.req.Stack; s != nil {
			if _, ok := s.Service(name); !ok && !slices.Contains(s.Disabled, name) {
				return noSuchService(name)
			}
		}
		d.services = append(d.services, name)
	}
	for i := 0; i < len(d.services); i++ {
		for _, name := range d.known() {
			depends := slices.ContainsFunc(d.order.dependsOn[name], func(dep engine.Dependency) bool { return dep.Service == d.services[i] })
			if depends && !slices.Contains(d.services, name) {
				d.services = append(d.services, name)
			}
		}
	}
	return nil
}

func (d *down) addContainers() {
	for c := range d.obs.containers() {
		if !d.takes(c) {
			d.staying = append(d.staying, c)
			continue
		}
		d.going = append(d.going, c)
		u := unitOf(c)
		if d.req.Now {
			u.stop = d.addKill(c)
		} else {
			u.stop = d.addStop(c, "", d.req.Timeout)
		}
		d.order.units[c.Service] = append(d.order.units[c.Service], u)
		remove := d.addRemove(c, "", u.stop)
		remove.Volumes = d.req.Volumes
		d.removes = append(d.removes, remove)
	}
	if !d.req.Now { // who is killed needs nobody any more
		d.order.stopInOrder(nil)
	}
}

// takes says that a container goes. Only a Stack that came with the request tells
// orphans: without one everything of the project is meant.
func (d *down) takes(c *engine.Container) bool {
	switch {
	case c.Spec.AutoRemove && c.Ended():
		return true // it goes by itself, and what it uses can go once it has
	case c.IsJob():
		return d.services == nil || slices.Contains(d.services, c.Service)
	}
	if c.OneOff && !c.IsHook() || d.req.Stack != nil && isOrphan(c, d.req.Stack) {
		return d.req.RemoveOrphans
	}
	return d.services == nil || slices.Contains(d.services, c.Service)
}

func (d *down) addNetworks() {
	for _, name := range slices.Sorted(maps.Keys(d.obs.Networks)) {
		n := d.obs.Networks[name]
		if n.Project != d.req.Project || n.Spec.External {
			continue
		}
		on := func(c *engine.Container) bool { _, on := c.Endpoints[name]; return on }
		if !d.inUse("Network "+name, on) {
			d.add(Step{Kind: RemoveNetwork, Name: name, Key: n.Spec.Key}, d.removes...)
		}
	}
}

// inUse says whether a container that stays uses something, and warns when the whole
// project was to go.
func (d *down) inUse(what string, uses func(*engine.Container) bool) bool {
	i := slices.IndexFunc(d.staying, uses)
	if i >= 0 && d.services == nil {
		d.warn("%s: Resource is still in use by container %s", what, d.staying[i].Name)
	}
	return i >= 0
}

func (d *down) addVolumes() {
	if !d.req.Volumes {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.obs.Volumes)) {
		v := d.obs.Volumes[name]
		if v.Project != d.req.Project || v.Spec.External {
			continue
		}
		uses := func(c *engine.Container) bool { return mounts(c, name) }
		if d.meant(&v, slices.ContainsFunc(d.going, uses)) && !d.inUse("Volume "+name, uses) {
			d.add(Step{Kind: RemoveVolume, Name: name, Key: v.Spec.Key}, d.removes...)
		}
	}
}

// meant says that down -v is about a volume of the project. Anonymous volumes go with
// their containers, and here when they have lost them; those that the Stack of the
// request does not name stay; and for some services only what they use goes.
func (d *down) meant(v *engine.Volume, used bool) bool {
	switch {
	case v.Anonymous:
		return d.services == nil && !used
	case d.services != nil:
		return used
	case d.req.Stack != nil:
		return slices.ContainsFunc(d.req.Stack.Volumes, func(spec engine.VolumeSpec) bool { return spec.Name == v.Name && !spec.External })
	default:
		return true
	}
}

// addImages removes the images of the project's services: local means those that
// got no name of their own in the Compose file.
func (d *down) addImages() {
	if d.req.Images == call.RemoveNoImages || d.stack == nil {
		return
	}
	seen := map[string]bool{}
	for i := range d.stack.Services {
		svc := &d.stack.Services[i]
		ref := svc.Container.Image
		named := ref != engine.ImageName(d.stack.Name, svc.Name)
		switch {
		case d.services != nil && !slices.Contains(d.services, svc.Name):
		case d.req.Images == call.RemoveLocalImages && named:
		case seen[ref], d.obs.Images[ref] == "":
		default:
			seen[ref] = true
			d.add(Step{Kind: RemoveImage, Name: ref}, d.removes...)
		}
	}
}
