package plan

import (
	"maps"
	"slices"

	"tiffin/engine"
)

// Down plans how a project is taken away: containers in reverse order of
// dependency, then networks, volumes and images. stack may be nil.
func Down(req *engine.DownRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
	var b builder
	d := &down{builder: &b, req: req, stack: stack, obs: obs, stops: map[string][]*node{}}
	d.addContainers()
	if len(req.Services) == 0 {
		d.addNetworks()
	}
	d.addVolumes()
	d.addImages()
	if len(b.nodes) == 0 {
		b.warn("No resource found to remove for project %q.", req.Project)
	}
	return b.finish()
}

type down struct {
	*builder
	req   *engine.DownRequest
	stack *engine.Stack
	obs   *Observed
	// stops are the steps after which nothing of a service runs.
	stops map[string][]*node
	gone  []*node
	// left are the containers that stay.
	left []engine.Container
}

func (d *down) addContainers() {
	var going []engine.Container
	for _, c := range d.obs.Containers {
		if d.takes(&c) {
			going = append(going, c)
		} else {
			d.left = append(d.left, c)
		}
	}
	for i := range going {
		c := &going[i]
		stop := stopStep(d.builder, c, d.req.Timeout, "")
		if stop != nil && !c.OneOff {
			d.stops[c.Service] = append(d.stops[c.Service], stop)
		}
		n := d.add(Step{Kind: RemoveContainer, Name: c.Name, Container: c.ID, Volumes: d.req.Volumes}, stop)
		d.gone = append(d.gone, n)
	}
	reverse(d.stops, func(service string) []engine.Dependency { return d.obs.dependencies(d.stack, service) })
}

func (d *down) takes(c *engine.Container) bool {
	if len(d.req.Services) > 0 {
		return slices.Contains(d.req.Services, c.Service) && !c.OneOff
	}
	if c.OneOff {
		return d.req.RemoveOrphans
	}
	if d.req.RemoveOrphans || d.stack == nil {
		return true
	}
	_, known := d.stack.Service(c.Service)
	return known || slices.Contains(d.stack.Disabled, c.Service)
}

// reverse makes the stops of a service wait for those of its dependents.
func reverse(stops map[string][]*node, depsOf func(string) []engine.Dependency) {
	for service, nodes := range stops {
		for _, dep := range depsOf(service) {
			for _, n := range stops[dep.Service] {
				n.after(nodes...)
			}
		}
	}
}

func stopStep(b *builder, c *engine.Container, timeout *engine.Duration, cause string) *node {
	if !c.State.Status.Alive() && c.State.Status != engine.StatusRestarting && c.State.Status != engine.StatusStarting {
		return nil
	}
	return b.add(Step{Kind: StopContainer, Name: c.Name, Cause: cause, Container: c.ID, Service: c.Service, Number: c.Number, Timeout: timeout})
}

func (d *down) addNetworks() {
	for _, name := range slices.Sorted(maps.Keys(d.obs.Networks)) {
		n := d.obs.Networks[name]
		if n.Project != d.req.Project || n.Spec.External {
			continue
		}
		if user := d.userOf(name); user != "" {
			d.warn("Network %s: Resource is still in use by container %s", name, user)
			continue
		}
		d.add(Step{Kind: RemoveNetwork, Name: name, Key: n.Spec.Key}, d.gone...)
	}
}

func (d *down) userOf(network string) string {
	for _, c := range d.left {
		if _, on := c.Endpoints[network]; on {
			return c.Name
		}
	}
	return ""
}

func (d *down) addVolumes() {
	if !d.req.Volumes || len(d.req.Services) > 0 {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.obs.Volumes)) {
		if v := d.obs.Volumes[name]; v.Project == d.req.Project && !v.Spec.External && !v.Anonymous {
			d.add(Step{Kind: RemoveVolume, Name: name, Key: v.Spec.Key}, d.gone...)
		}
	}
}

// addImages removes the images of the project's services: local means those that
// got no name of their own in the Compose file.
func (d *down) addImages() {
	if d.req.Images == engine.RemoveNoImages || d.stack == nil {
		return
	}
	seen := map[string]bool{}
	for i := range d.stack.Services {
		svc := &d.stack.Services[i]
		ref := svc.Container.Image
		if len(d.req.Services) > 0 && !slices.Contains(d.req.Services, svc.Name) || seen[ref] || d.obs.Images[ref] == "" {
			continue
		}
		if d.req.Images == engine.RemoveLocalImages && ref != d.stack.Name+"-"+svc.Name {
			continue
		}
		seen[ref] = true
		d.add(Step{Kind: RemoveImage, Name: ref}, d.gone...)
	}
}
