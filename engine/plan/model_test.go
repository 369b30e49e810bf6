package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
)

// host is a model of what the daemon does with steps: it carries them out on an
// Observed, and refuses what cannot be done.
type host struct {
	obs   *Observed
	stack *engine.Stack
	next  int
	// made are the replicas that steps of the plan under way made.
	made map[string]string
	// offline are the images that cannot be pulled, builds the IDs of those built here.
	offline, builds map[string]bool
	// watch looks at the host after each step.
	watch func()
}

func newHost() *host {
	return &host{builds: map[string]bool{}, obs: &Observed{
		Networks: map[string]engine.Network{}, Volumes: map[string]engine.Volume{}, Images: map[string]string{},
	}}
}

func (h *host) id(kind string) string {
	h.next++
	return fmt.Sprintf("%s%011d", kind, h.next)
}

// apply carries out a plan; choose picks the next one of the steps that are ready.
func (h *host) apply(p *Plan, stack *engine.Stack, choose func(n int) int) error {
	return h.carryOut(p, stack, choose, len(p.Steps))
}

// carryOut carries out so many steps of a plan.
func (h *host) carryOut(p *Plan, stack *engine.Stack, choose func(n int) int, steps int) error {
	h.stack, h.made = stack, map[string]string{}
	done := map[int]bool{}
	for len(done) < steps {
		var ready []*Step
		for i := range p.Steps {
			s := &p.Steps[i]
			waits := slices.ContainsFunc(s.After, func(e Edge) bool { return !done[e.Seq] })
			if !done[s.Seq] && !waits {
				ready = append(ready, s)
			}
		}
		if len(ready) == 0 {
			return fmt.Errorf("nothing is ready of\n%s", p)
		}
		s := ready[choose(len(ready))]
		if err := h.do(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		done[s.Seq] = true
		if h.watch != nil {
			h.watch()
		}
	}
	if stack != nil {
		h.obs.Previous = stack
	}
	return nil
}

func inSequence(int) int { return 0 }

func (h *host) do(s *Step) error {
	switch s.Kind {
	case PullImage:
		switch {
		case !h.offline[s.Name]:
			h.obs.Images[s.Name] = "sha256:" + s.Name
		case !s.Optional:
			return errors.New("the registry does not have it")
		}
		return nil
	case BuildImage:
		return h.build(s)
	case RemoveImage:
		delete(h.obs.Images, s.Name)
		return nil
	case CreateNetwork, RecreateNetwork, RemoveNetwork:
		return h.network(s)
	case CreateVolume, RemoveVolume:
		return h.volume(s)
	case CreateContainer:
		return h.create(s)
	case Proceed:
		return nil
	default:
		return h.container(s)
	}
}

func (h *host) build(s *Step) error {
	missing := func(ref string) bool { return h.obs.Images[ref] == "" }
	if len(s.IfMissing) > 0 && !slices.ContainsFunc(s.IfMissing, missing) {
		return nil
	}
	svc, ok := h.stack.Buildable(s.Service)
	if !ok || svc.Container.Image != s.Name {
		return fmt.Errorf("%q does not build it", s.Service)
	}
	for _, name := range svc.Build.Services() {
		if other, _ := h.stack.Buildable(name); missing(other.Container.Image) {
			return fmt.Errorf("no image %s to build on", other.Container.Image)
		}
	}
	id := h.id("built")
	h.obs.Images[s.Name], h.builds[id] = id, true
	return nil
}

func (h *host) network(s *Step) error {
	old, there := h.obs.Networks[s.Name]
	if there == (s.Kind == CreateNetwork) {
		return fmt.Errorf("there: %v", there)
	}
	for i := range h.obs.Containers {
		c := &h.obs.Containers[i]
		e, on := c.Endpoints[s.Name]
		if !on || e.NetworkID != old.ID {
			continue
		}
		if s.Kind == RemoveNetwork || c.State.Status.Alive() {
			return fmt.Errorf("%s is on it", c.Name)
		}
		c.Endpoints = maps.Clone(c.Endpoints)
		c.Endpoints[s.Name] = engine.Endpoint{}
	}
	if s.Kind == RemoveNetwork {
		delete(h.obs.Networks, s.Name)
		return nil
	}
	spec, ok := h.stack.Network(s.Key)
	if !ok || spec.Name != s.Name {
		return fmt.Errorf("key %q is another network", s.Key)
	}
	h.obs.Networks[s.Name] = engine.Network{ID: h.id("n"), Project: h.stack.Name, Spec: *spec}
	return nil
}

func (h *host) volume(s *Step) error {
	if _, there := h.obs.Volumes[s.Name]; there == (s.Kind == CreateVolume) {
		return fmt.Errorf("there: %v", there)
	}
	if s.Kind == RemoveVolume {
		for i := range h.obs.Containers {
			if c := &h.obs.Containers[i]; mounts(c, s.Name) {
				return fmt.Errorf("%s mounts it", c.Name)
			}
		}
		delete(h.obs.Volumes, s.Name)
		return nil
	}
	spec, ok := h.stack.Volume(s.Key)
	if !ok || spec.Name != s.Name {
		return fmt.Errorf("key %q is another volume", s.Key)
	}
	h.obs.Volumes[s.Name] = engine.Volume{Name: s.Name, Project: h.stack.Name, Spec: *spec}
	return nil
}

func (h *host) byName(name string) *engine.Container {
	i := slices.IndexFunc(h.obs.Containers, func(c engine.Container) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &h.obs.Containers[i]
}

func (h *host) byID(id string) *engine.Container {
	i := slices.IndexFunc(h.obs.Containers, func(c engine.Container) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return &h.obs.Containers[i]
}

// replica is the container that a reference to a service means: of the lowest number
// the newest one.
func (h *host) replica(service string) *engine.Container {
	var found *engine.Container
	for i := range h.obs.Containers {
		c := &h.obs.Containers[i]
		if c.Service == service && !c.OneOff && (found == nil || c.Number <= found.Number) {
			found = c
		}
	}
	return found
}

func (h *host) create(s *Step) error {
	svc, ok := h.stack.Service(s.Service)
	if !ok {
		return fmt.Errorf("no service %q", s.Service)
	}
	c := engine.Container{
		ID: h.id("c"), Name: s.Name, Project: h.stack.Name, Service: svc.Name, Number: s.Number, Spec: svc.Container,
		ImageID: h.obs.Images[svc.Container.Image],
	}
	c.State.Status = engine.StatusCreated
	if c.ImageID == "" {
		return fmt.Errorf("no image %s", svc.Container.Image)
	}
	if s.Replaces != "" && h.byID(s.Replaces) != nil {
		c.Name = TemporaryName(c.ID, s.Name)
	}
	if other := h.byName(c.Name); other != nil {
		return fmt.Errorf("the name %s is taken by %s", c.Name, other.ID)
	}
	c.Spec.Labels = map[string]string{engine.LabelHash: svc.Hash, engine.LabelDependsOn: DependsOnLabel(svc.DependsOn)}
	if service, shares := strings.CutPrefix(c.Spec.NetworkMode, "service:"); shares {
		owner := h.replica(service)
		if owner == nil {
			return fmt.Errorf("no container of %s", service)
		}
		c.Spec.NetworkMode = "container:" + owner.ID
	}
	if err := h.mount(&c, svc); err != nil {
		return err
	}
	c.Endpoints = map[string]engine.Endpoint{}
	for _, e := range svc.Container.Endpoints {
		spec, _ := h.stack.Network(e.Network)
		c.Endpoints[spec.Name] = engine.Endpoint{}
	}
	h.obs.Containers = append(slices.Clone(h.obs.Containers), c)
	h.made[fmt.Sprint(c.Service, c.Number)] = c.ID
	return nil
}

func (h *host) mount(c *engine.Container, svc *engine.Service) error {
	for _, m := range svc.Container.Mounts {
		spec, _ := h.stack.Volume(m.Source)
		if _, ok := h.obs.Volumes[spec.Name]; !ok {
			return fmt.Errorf("no volume %s", spec.Name)
		}
		c.Mounts = append(c.Mounts, engine.MountPoint{Type: engine.MountVolume, Name: spec.Name})
	}
	c.Spec.VolumesFrom = slices.Clone(svc.Container.VolumesFrom)
	for i, from := range c.Spec.VolumesFrom {
		owner := h.replica(from)
		if owner == nil {
			return fmt.Errorf("no container of %s", from)
		}
		c.Mounts = append(c.Mounts, owner.Mounts...)
		c.Spec.VolumesFrom[i] = "container:" + owner.ID
	}
	return nil
}

func (h *host) container(s *Step) error {
	id := s.Container
	if id == "" {
		id = h.made[fmt.Sprint(s.Service, s.Number)]
	}
	c := h.byID(id)
	if c == nil {
		return fmt.Errorf("no container %q", id)
	}
	status := &c.State.Status
	switch s.Kind {
	case RenameContainer:
		if other := h.byName(s.Name); other != nil {
			return fmt.Errorf("the name is taken by %s", other.ID)
		}
		c.Name = s.Name
		return nil
	case RunHook:
		return h.hook(s, c)
	case StartContainer:
		return h.start(c)
	case RestartContainer:
		if *status != engine.StatusRestarting {
			return fmt.Errorf("it is %s", *status)
		}
		return h.start(c)
	case StopContainer, KillContainer:
		if !runs(c) {
			return fmt.Errorf("it is %s", *status)
		}
		*status = engine.StatusExited
		return nil
	case PauseContainer:
		return become(status, engine.StatusRunning, engine.StatusPaused)
	case UnpauseContainer:
		return become(status, engine.StatusPaused, engine.StatusRunning)
	case Await, Monitor:
		if s.Condition == engine.ConditionHealthy || s.Condition == ConditionHealthyAtLast {
			c.State.Health.Status = engine.Healthy
		}
		if !status.Alive() {
			return fmt.Errorf("it is %s", *status)
		}
		return nil
	case RemoveContainer:
		if runs(c) {
			return fmt.Errorf("it is %s", *status)
		}
		h.obs.Containers = slices.DeleteFunc(slices.Clone(h.obs.Containers), func(o engine.Container) bool { return o.ID == id })
		h.rejoin(c)
		return nil
	default:
		return fmt.Errorf("no such kind")
	}
}

// errNoHookImage is no fault of a plan for containers that are there.
var errNoHookImage = errors.New("no image for the hook")

// hook wants what a hook of a replica needs to run.
func (h *host) hook(s *Step, replica *engine.Container) error {
	svc, _ := h.stack.Service(s.Service)
	hook := &svc.PreStart[s.Hook-1]
	if runs(replica) && replica.State.Status != engine.StatusRestarting {
		return fmt.Errorf("it is %s", replica.State.Status)
	}
	if h.byName(s.Name) != nil {
		return errors.New("the name is taken")
	}
	if h.obs.Images[hook.Container.Image] == "" {
		return errNoHookImage
	}
	for _, m := range hook.Container.Mounts {
		if spec, _ := h.stack.Volume(m.Source); h.obs.Volumes[spec.Name].Name == "" {
			return fmt.Errorf("no volume %s", spec.Name)
		}
	}
	for _, e := range hook.Container.Endpoints {
		if spec, _ := h.stack.Network(e.Network); h.obs.Networks[spec.Name].ID == "" {
			return fmt.Errorf("no network %s", spec.Name)
		}
	}
	for i := range h.obs.Containers {
		c := &h.obs.Containers[i]
		if c.Service == s.Service && !c.OneOff && c.State.Status.Alive() && !hook.PerReplica && svc.Update == nil {
			return fmt.Errorf("%s runs", c.Name)
		}
	}
	return nil
}

// rejoin hands the network namespace of a container that is gone on to its replacement.
func (h *host) rejoin(gone *engine.Container) {
	for i := range h.obs.Containers {
		heir := &h.obs.Containers[i]
		if heir.Service != gone.Service || heir.Number != gone.Number || heir.OneOff {
			continue
		}
		for j := range h.obs.Containers {
			if guest := &h.obs.Containers[j]; guest.Spec.NetworkMode == "container:"+gone.ID {
				guest.Spec.NetworkMode = "container:" + heir.ID
			}
		}
	}
}

func become(status *engine.Status, from, to engine.Status) error {
	if *status != from {
		return fmt.Errorf("it is %s", *status)
	}
	*status = to
	return nil
}

// errLeftBehind is the start of a container that needs what is not there any more.
var errLeftBehind = errors.New("left behind")

func (h *host) start(c *engine.Container) error {
	if owner, shares := strings.CutPrefix(c.Spec.NetworkMode, "container:"); shares {
		if o := h.byID(owner); o == nil || !o.State.Status.Alive() {
			return fmt.Errorf("%w: joined to %s, which does not run", errLeftBehind, owner)
		}
	}
	c.Endpoints = maps.Clone(c.Endpoints)
	for name := range c.Endpoints {
		n, ok := h.obs.Networks[name]
		if !ok {
			return fmt.Errorf("%w: no network %s", errLeftBehind, name)
		}
		c.Endpoints[name] = engine.Endpoint{NetworkID: n.ID}
	}
	c.State.Health.Status = engine.HealthNone
	if c.State.Status.Alive() {
		return fmt.Errorf("it is %s", c.State.Status)
	}
	c.State.Status = engine.StatusRunning
	return nil
}
