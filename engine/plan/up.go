package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
)

func itoa(n int) string { return strconv.Itoa(n) }

// up is a plan for `tiffin up` while it is being made.
type up struct {
	builder
	req   *engine.UpRequest
	stack *engine.Stack
	obs   *Observed
	sel   selection
	// oneOff is the service of tiffin run: what it needs is made, its replicas are left alone.
	oneOff string

	// replicas are those of the selected services as they shall be, by service.
	replicas map[string][]*replica
	// disturbed are the services that are recreated or stopped on the way: their
	// dependents with restart:true, and those that share their namespaces, feel it.
	disturbed map[string]string

	pulls    map[string]*node
	networks map[string]*node
	volumes  map[string]*node
	awaits   map[string]*node
}

// replica is one container of a service: as it is, and what is to be done to it.
type replica struct {
	svc    *engine.Service
	number int
	name   string
	old    *engine.Container // nil: not there
	// recreate and restart say why it is replaced, or only stopped and started.
	recreate, restart string

	create, stop, remove, start *node
}

// Up plans how the Stack of req becomes real.
//
// Errors: engine.ErrNotFound for a target or an external object that is not there,
// engine.ErrInvalid for dependencies that cannot be met.
func Up(req *engine.UpRequest, obs *Observed) (*Plan, error) { return makeReal(req, obs, "") }

// Run plans what a one-off container of a service needs: what the service depends on,
// its image, networks and volumes.
func Run(req *engine.UpRequest, service string, obs *Observed) (*Plan, error) {
	one := *req
	one.Services, one.IgnoreOrphans = []string{service}, true
	return makeReal(&one, obs, service)
}

func makeReal(req *engine.UpRequest, obs *Observed, oneOff string) (*Plan, error) {
	deps := with
	if req.NoDeps {
		deps = without
	}
	sel, err := pick(&req.Stack, req.Services, deps)
	if err != nil {
		return nil, err
	}
	u := &up{
		req: req, stack: &req.Stack, obs: obs, sel: sel, oneOff: oneOff,
		replicas: map[string][]*replica{}, disturbed: map[string]string{},
		pulls: map[string]*node{}, networks: map[string]*node{}, volumes: map[string]*node{}, awaits: map[string]*node{},
	}
	changed, err := u.addNetworks()
	if err != nil {
		return nil, err
	}
	lost, err := u.addVolumes()
	if err != nil {
		return nil, err
	}
	for _, svc := range u.inOrder() {
		u.addPull(svc)
		if err := u.decide(svc, lost); err != nil {
			return nil, err
		}
	}
	u.disturbByNetworks(changed)
	u.disturbDependents()
	u.addContainers(lost)
	u.addNetworkEdges(changed)
	if !req.NoStart {
		u.addStarts()
	}
	u.addOrphans()
	return u.finish()
}

// inOrder lists the selected services, dependencies first.
func (u *up) inOrder() []*engine.Service {
	var out []*engine.Service
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		svc, ok := u.stack.Service(name)
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		for _, d := range svc.DependsOn {
			visit(d.Service)
		}
		if u.sel.has(name) {
			out = append(out, svc)
		}
	}
	for _, name := range u.sel.all {
		visit(name)
	}
	return out
}

func (u *up) addContainers(lost map[string]string) {
	for _, svc := range u.inOrder() {
		for _, r := range u.replicas[svc.Name] {
			switch {
			case r.old == nil:
				r.create = u.addCreate(r, "not there")
			case r.recreate != "":
				u.addRecreate(r, lost)
			case r.restart != "" && r.old.State.Status.Alive():
				r.stop = u.addStop(r.old, r.restart)
			}
		}
	}
	u.stopDependentsFirst()
}

// addCreate makes the record of a replica. It needs the image and the volumes; the
// networks only when it starts.
func (u *up) addCreate(r *replica, cause string) *node {
	s := Step{
		Kind: CreateContainer, Name: r.name, Cause: cause,
		Service: r.svc.Name, Number: r.number, RenewVolumes: u.req.RenewAnonVolumes,
	}
	if r.old != nil {
		s.Replaces = r.old.ID
	}
	n := u.add(s, u.pulls[r.svc.Container.Image])
	for _, m := range r.svc.Container.Mounts {
		if m.Type == engine.MountVolume {
			n.after(u.volumes[m.Source])
		}
	}
	return n
}

// addRecreate makes the new container before the old one goes, so that what cannot
// be created leaves the old one running.
func (u *up) addRecreate(r *replica, lost map[string]string) {
	if usesAny(r.svc, lost) != "" {
		r.stop = u.addStop(r.old, r.recreate)
		r.remove = u.addRemove(r.old, r.recreate, r.stop)
		r.create = u.addCreate(r, r.recreate)
		r.create.after(r.remove)
		for key := range lost {
			u.volumes[key+" gone"].after(r.remove)
		}
		return
	}
	r.create = u.addCreate(r, r.recreate)
	r.stop = u.addStop(r.old, "replaced")
	if r.stop != nil {
		r.stop.after(r.create)
	}
	r.remove = u.addRemove(r.old, "replaced", r.stop, r.create)
	rename := u.add(Step{Kind: RenameContainer, Name: r.name, Cause: "replaced", Service: r.svc.Name, Number: r.number}, r.remove)
	r.create = rename
}

func (u *up) addStop(c *engine.Container, cause string) *node {
	if !c.State.Status.Alive() && c.State.Status != engine.StatusRestarting {
		return nil
	}
	return u.add(Step{Kind: StopContainer, Name: c.Name, Cause: cause, Container: c.ID, Timeout: u.req.Timeout})
}

func (u *up) addRemove(c *engine.Container, cause string, before ...*node) *node {
	return u.add(Step{Kind: RemoveContainer, Name: c.Name, Cause: cause, Container: c.ID, Volumes: u.req.RenewAnonVolumes}, before...)
}

// addStarts starts what does not run, each after what it depends on.
func (u *up) addStarts() {
	for _, svc := range u.inOrder() {
		for _, r := range u.replicas[svc.Name] {
			u.addStart(r)
		}
	}
	if svc, ok := u.stack.Service(u.oneOff); ok && !u.req.NoDeps {
		for _, d := range svc.DependsOn {
			u.awaitAll(d)
		}
	}
}

// awaitAll waits for a condition of all replicas of a dependency.
func (u *up) awaitAll(d engine.Dependency) {
	if d.Condition == engine.ConditionStarted || d.Condition == "" {
		return
	}
	for _, on := range u.replicas[d.Service] {
		u.await(on, d.Condition)
	}
}

func (u *up) addStart(r *replica) {
	s := Step{Kind: StartContainer, Name: r.name, Service: r.svc.Name, Number: r.number}
	switch {
	case r.create != nil:
		s.Cause = "created"
	case r.stop != nil:
		s.Cause, s.Container = r.restart, r.old.ID
	case r.old.State.Status.Alive():
		return
	default:
		s.Cause, s.Container = string(r.old.State.Status.Docker()), r.old.ID
	}
	r.start = u.add(s, cmp.Or(r.create, r.stop))
	for _, e := range r.svc.Container.Endpoints {
		r.start.after(u.networks[e.Network])
	}
	if owner := namespaceOwner(r.svc); owner != "" && u.req.NoDeps {
		r.start.after(u.startsOf(owner)...)
	}
	if u.req.NoDeps {
		return
	}
	for _, d := range r.svc.DependsOn {
		u.addDependency(r, d)
	}
}

func (u *up) startsOf(service string) []*node {
	var out []*node
	for _, r := range u.replicas[service] {
		out = append(out, r.start)
	}
	return out
}

func (u *up) addDependency(r *replica, d engine.Dependency) {
	for _, on := range u.replicas[d.Service] {
		n := on.start
		if d.Condition != engine.ConditionStarted && d.Condition != "" {
			n = u.await(on, d.Condition)
		}
		if d.Optional {
			r.start.afterOptional(n)
			continue
		}
		r.start.after(n)
	}
}

// await waits for a condition of a replica, once for all that depend on it.
func (u *up) await(r *replica, c engine.Condition) *node {
	key := fmt.Sprintf("%s %s", r.name, c)
	if n, ok := u.awaits[key]; ok {
		return n
	}
	if c == engine.ConditionHealthy && r.start == nil && r.old != nil && r.old.State.Health.Status == engine.Healthy {
		return nil
	}
	s := Step{Kind: Await, Name: r.name, Service: r.svc.Name, Number: r.number, Condition: c}
	if r.create == nil && r.old != nil {
		s.Container = r.old.ID
	}
	n := u.add(s, r.start)
	u.awaits[key] = n
	return n
}

// addOrphans removes the containers of services that the Stack no longer has, or
// warns about them.
func (u *up) addOrphans() {
	orphans := Orphans(u.stack, u.obs)
	if len(orphans) == 0 {
		return
	}
	if !u.req.RemoveOrphans {
		if !u.req.IgnoreOrphans {
			u.warn("Found orphan containers (%s) for this project. If you removed or renamed this service in your compose file, "+
				"you can run this command with the --remove-orphans flag to clean it up.", bracketed(orphans))
		}
		return
	}
	for i := range orphans {
		c := &orphans[i]
		u.add(Step{Kind: RemoveContainer, Name: c.Name, Cause: "orphan", Container: c.ID}, u.addStop(c, "orphan"))
	}
}

// Orphans are the containers of the project whose service the Stack does not have.
func Orphans(stack *engine.Stack, obs *Observed) []engine.Container {
	var out []engine.Container
	for _, c := range obs.Containers {
		if _, ok := stack.Service(c.Service); !ok && !c.OneOff && !slices.Contains(stack.Disabled, c.Service) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b engine.Container) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func bracketed(cs []engine.Container) string {
	names := make([]string, len(cs))
	for i := range cs {
		names[i] = cs[i].Name
	}
	return "[" + strings.Join(names, " ") + "]"
}

// Wait plans what up --wait adds: every target running or healthy, or completed
// where some service depends on it that way.
func Wait(stack *engine.Stack, targets []string, obs *Observed) (*Plan, error) {
	sel, err := pick(stack, targets, with)
	if err != nil {
		return nil, err
	}
	once := map[string]bool{}
	for i := range stack.Services {
		for _, d := range stack.Services[i].DependsOn {
			once[d.Service] = once[d.Service] || d.Condition == engine.ConditionCompleted
		}
	}
	var b builder
	for _, name := range sel.all {
		c := ConditionReady
		if once[name] {
			c = engine.ConditionCompleted
		}
		for _, r := range obs.replicas(name) {
			b.add(Step{Kind: Await, Name: r.Name, Cause: "--wait", Container: r.ID, Service: name, Number: r.Number, Condition: c})
		}
	}
	return b.finish()
}
