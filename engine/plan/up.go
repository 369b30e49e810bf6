package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/call"
)

// Up plans how the Stack of req becomes real.
//
// Errors: engine.ErrNotFound for a target or an external object that is not there,
// engine.ErrInvalid for dependencies that cannot be met, engine.ErrConflict for what
// must be recreated but is used by a container that must stay. Builds are among the
// steps so that they can be seen: who walks the plan has done them, see Builds.
func Up(req *call.UpRequest, obs *Observed) (*Plan, error) { return makeReal(req, obs, "") }

// Run plans what a one-off container of a service needs: what the service depends on,
// its image, networks and volumes. The replicas of the service are left alone.
func Run(req *call.UpRequest, service string, obs *Observed) (*Plan, error) {
	one := *req
	one.Services, one.IgnoreOrphans = []string{service}, true
	return makeReal(&one, obs, service)
}

// up is a plan for `tiffin up` while it is being made.
type up struct {
	builder
	req   *call.UpRequest
	stack *engine.Stack
	obs   *inventory
	sel   selection
	// services are the selected ones, dependencies first.
	services []*engine.Service
	// oneOff is the service of tiffin run.
	oneOff string

	order *order
	// replicas are those of the selected services as they shall be, by service.
	replicas map[string][]*replica
	// byID are those of them that are there already.
	byID map[string]*replica
	// rollouts are the services whose replicas are replaced in batches.
	rollouts map[string]*rollout
	// gone are the steps that remove containers, by ID.
	gone map[string]*node

	images   *images
	networks map[string]*networkChange // by key
	volumes  map[string]*volumeChange  // by key
	// networkKeys and volumeKeys are those that the selected services use, sorted.
	networkKeys, volumeKeys []string
}

// replica is one container of a service: as it is, and what is to be done to it.
type replica struct {
	unit
	svc *engine.Service
	old *engine.Container // nil: not there
	// recreate and restart say why it is replaced, or only stopped and started.
	recreate, restart string
	// batch counts those of an update that come before it.
	batch int
	// late says that it can be made only when others have gone: those that hold a
	// volume that is recreated.
	late bool

	create *node
	// ready is the step after which it can be started; nil when it can be now.
	ready *node
}

func makeReal(req *call.UpRequest, obs *Observed, oneOff string) (*Plan, error) {
	sel, err := pick(&req.Stack, req.Services, reachOf(req))
	if err != nil {
		return nil, err
	}
	u := &up{
		req: req, stack: &req.Stack, obs: newInventory(obs), sel: sel, oneOff: oneOff,
		replicas: map[string][]*replica{}, byID: map[string]*replica{}, rollouts: map[string]*rollout{}, gone: map[string]*node{},
		networks: map[string]*networkChange{}, volumes: map[string]*volumeChange{},
	}
	u.services = u.inOrder()
	u.images = newImages(&u.builder, req, obs)
	u.images.refreshed = true
	u.images.decide(sel.all)
	u.networkKeys, u.volumeKeys = u.used(networkKeys), u.used(volumeKeys)
	u.order = newOrder(&u.builder, sel.all, u.dependencies)
	for _, step := range []func() error{
		u.addNetworks, u.addVolumes, u.decideAll, u.addOrphans, u.addContainers, u.settleNetworks, u.settleVolumes, u.addStarts,
		u.addBatches,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
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

// addOrphans removes the containers of services that the Stack no longer has, or
// warns about them.
func (u *up) addOrphans() error {
	orphans := u.obs.orphans(u.stack)
	switch {
	case len(orphans) == 0:
	case u.req.RemoveOrphans:
		for _, c := range orphans {
			u.retire(c, "orphan")
		}
	case !u.req.IgnoreOrphans:
		names := make([]string, len(orphans))
		for i, c := range orphans {
			names[i] = c.Name
		}
		u.warn("Found orphan containers ([%s]) for this project. If you removed or renamed this service in your compose file, "+
			"you can run this command with the --remove-orphans flag to clean it up.", strings.Join(names, " "))
	}
	return nil
}

// retire removes a container that nothing takes the place of.
func (u *up) retire(c *engine.Container, cause string) {
	u.gone[c.ID] = u.addRemove(c, cause, u.addStop(c, cause, u.req.Timeout))
}

// dependencies of a service, as far as they count for this request.
func (u *up) dependencies(service string) []engine.Dependency {
	svc, ok := u.stack.Service(service)
	switch {
	case !ok:
		return nil
	case u.req.NoDeps:
		return joined(svc)
	default:
		return svc.DependsOn
	}
}

// addStarts starts what does not run, each after what it depends on.
func (u *up) addStarts() error {
	if u.req.NoStart {
		return nil
	}
	for _, svc := range u.services {
		for _, r := range u.replicas[svc.Name] {
			r.start = u.addStart(r)
		}
	}
	u.order.startInOrder()
	for _, svc := range u.services {
		u.addPreStarts(svc)
	}
	for _, d := range u.order.dependsOn[u.oneOff] {
		for _, p := range u.order.met(d, u.oneOff) {
			p.lead()
		}
	}
	return nil
}

// addStart starts a replica, or thaws it; nil when it runs.
func (u *up) addStart(r *replica) *node {
	s := r.step(StartContainer, "created")
	switch {
	case r.create != nil:
	case r.stop != nil:
		s.Cause = r.restart
	case r.old.State.Status == engine.StatusPaused:
		s.Kind, s.Cause = UnpauseContainer, "paused"
	case r.old.State.Status.Alive():
		return nil
	default:
		s.Cause = r.old.State.Status.Docker()
	}
	start := u.add(s, r.ready)
	for _, change := range u.networks {
		if r.uses(change) {
			start.after(change.made)
		}
	}
	return start
}

// uses says that a replica will be on a network that changes.
func (r *replica) uses(n *networkChange) bool {
	if r.id != "" {
		_, on := r.old.Endpoints[n.name]
		return on
	}
	return slices.ContainsFunc(r.svc.Container.Endpoints, func(e engine.EndpointSpec) bool { return e.Network == n.key })
}

// Wait plans what up --wait adds: every target running or healthy, or completed
// where some service depends on it that way.
func Wait(stack *engine.Stack, targets []string, obs *Observed) (*Plan, error) {
	sel, err := pick(stack, targets, withDependencies)
	if err != nil {
		return nil, err
	}
	completes := map[string]bool{}
	for i := range stack.Services {
		for _, d := range stack.Services[i].DependsOn {
			completes[d.Service] = completes[d.Service] || d.Condition == engine.ConditionCompleted
		}
	}
	var b builder
	inv := newInventory(obs)
	for _, name := range sel.all {
		condition := ConditionReady
		if completes[name] {
			condition = engine.ConditionCompleted
		}
		for _, c := range inv.replicas[name] {
			b.add(Step{Kind: Await, Name: c.Name, Cause: "--wait", Container: c.ID, Service: name, Number: c.Number, Condition: condition})
		}
	}
	return b.finish()
}

// containerName is the name of a replica on the host.
func containerName(project string, svc *engine.Service, number int) string {
	return cmp.Or(svc.ContainerName, fmt.Sprintf("%s-%s-%d", project, svc.Name, number))
}
