package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/network"
	"tiffin/engine/plan"
)

// project is what the daemon knows of a project beside its containers. It is there as
// long as a command is about it or it has a Stack.
type project struct {
	// turn is held by the command that changes the project; others wait for it.
	turn chan struct{}
	// commands are those that have the turn or wait for it.
	commands int
	// giveWay is called when another command comes; nil: it waits.
	giveWay func()
	// stack is the one that the project was brought up with last, nil before that.
	stack *engine.Stack
}

// lock waits for this command's turn on a project. The context that it returns ends
// with the engine, too, and the engine's end waits for unlock.
func (d *Daemon) lock(ctx context.Context, name string) (_ context.Context, unlock func(), err error) {
	ctx, leave, err := d.Enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	d.mu.Lock()
	p := d.project(name)
	p.commands++
	if p.giveWay != nil {
		p.giveWay()
	}
	d.mu.Unlock()
	done := func() {
		d.mu.Lock()
		if p.commands--; p.commands == 0 && p.stack == nil {
			delete(d.projects, name)
		}
		d.mu.Unlock()
		leave()
	}
	select {
	case p.turn <- struct{}{}:
		return ctx, func() { <-p.turn; done() }, nil
	case <-ctx.Done():
		err := context.Cause(ctx)
		done()
		return nil, nil, err
	}
}

// Enter begins a call that changes the host: the engine's end ends its context, and
// waits for leave.
//
// Errors: engine.ErrUnavailable when the engine is about to end.
func (d *Daemon) Enter(ctx context.Context) (_ context.Context, leave func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life.Err() != nil {
		return nil, nil, errEnding
	}
	d.work.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(d.life, func() { cancel(errEnding) })
	return ctx, func() { stop(); cancel(nil); d.work.Done() }, nil
}

var errEnding = engine.Problem(engine.ErrUnavailable, errors.New("the engine is ending"))

// project returns the entry of a project, made when it is new. d.mu is held.
func (d *Daemon) project(name string) *project {
	p, ok := d.projects[name]
	if !ok {
		p = &project{turn: make(chan struct{}, 1)}
		d.projects[name] = p
	}
	return p
}

func (d *Daemon) storedStack(name string) *engine.Stack {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.projects[name]; ok {
		return p.stack
	}
	return nil
}

// observe looks at a project. stack may be nil.
func (d *Daemon) observe(ctx context.Context, name string, stack *engine.Stack) (*plan.Observed, error) {
	obs := &plan.Observed{
		Containers: d.all(func(c *engine.Container) bool { return c.Project == name }),
		Networks:   map[string]engine.Network{},
		Volumes:    map[string]engine.Volume{},
		Images:     map[string]string{},
		Previous:   d.storedStack(name),
	}
	wantedNetworks, wantedVolumes := map[string]bool{}, map[string]bool{}
	if stack != nil {
		for i := range stack.Networks {
			wantedNetworks[stack.Networks[i].Name] = true
		}
		for i := range stack.Volumes {
			wantedVolumes[stack.Volumes[i].Name] = true
		}
		if err := d.observeImages(ctx, stack, obs.Images); err != nil {
			return nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.networks {
		if n.Project == name || wantedNetworks[n.Spec.Name] {
			obs.Networks[n.Spec.Name] = n
		}
	}
	for _, v := range d.volumes {
		if v.Project == name || wantedVolumes[v.Name] {
			obs.Volumes[v.Name] = v
		}
	}
	return obs, nil
}

func (d *Daemon) observeImages(ctx context.Context, stack *engine.Stack, images map[string]string) error {
	for spec := range stack.Containers() {
		if _, seen := images[spec.Image]; seen || spec.Image == "" {
			continue
		}
		img, err := d.rooms.Images.Resolve(ctx, spec.Image, spec.Platform)
		switch {
		case errors.Is(err, engine.ErrNotFound):
		case err != nil:
			return err
		default:
			images[spec.Image] = img.ID
		}
	}
	return nil
}

// PlanUp says what Up would do.
func (d *Daemon) PlanUp(ctx context.Context, req *call.UpRequest) (*plan.Plan, error) {
	obs, err := d.observe(ctx, req.Stack.Name, &req.Stack)
	if err != nil {
		return nil, err
	}
	pulls, err := plan.Pull(req, obs, d.fresh)
	if err != nil {
		return nil, err
	}
	p, err := plan.Up(req, obs)
	if err != nil {
		return nil, err
	}
	if err := d.preflight(&req.Stack, p); err != nil {
		return nil, err
	}
	return plan.Then(pulls, p), nil
}

// preflight looks, before anything is done, whether there is what new containers take
// from the host by name.
func (d *Daemon) preflight(stack *engine.Stack, p *plan.Plan) error {
	seen := map[string]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.CreateContainer || seen[s.Service] {
			continue
		}
		seen[s.Service] = true
		svc, ok := stack.Service(s.Service)
		if !ok {
			continue
		}
		if err := d.rooms.Available(&svc.Container); err != nil {
			return fmt.Errorf("service %s: %w", s.Service, err)
		}
	}
	return nil
}

// PlanBuilds says what the caller has to build before Up.
func (d *Daemon) PlanBuilds(ctx context.Context, req *call.UpRequest) (*plan.Plan, error) {
	obs, err := d.observe(ctx, req.Stack.Name, &req.Stack)
	if err != nil {
		return nil, err
	}
	return plan.Builds(req, obs)
}

// Up makes a Stack real: pull what must be seen first, observe, plan, apply.
func (d *Daemon) Up(ctx context.Context, req *call.UpRequest, report engine.Report) error {
	ctx, unlock, err := d.lock(ctx, req.Stack.Name)
	if err != nil {
		return err
	}
	defer unlock()
	err = d.apply(ctx, req, report, func(obs *plan.Observed) (*plan.Plan, error) { return plan.Up(req, obs) })
	if err != nil || req.NoStart {
		return err
	}
	return d.clock.Arm(&req.Stack)
}

// apply pulls what must be seen first, observes, decides, and carries it out.
func (d *Daemon) apply(ctx context.Context, req *call.UpRequest, report engine.Report, decide func(*plan.Observed) (*plan.Plan, error)) error {
	stack := &req.Stack
	w := d.newWalk(stack, req.Auths, report)
	w.timings = req.Timings
	obs, err := d.observe(ctx, stack.Name, stack)
	if err != nil {
		return err
	}
	pulls, err := plan.Pull(req, obs, d.fresh)
	if err != nil {
		return err
	}
	if !pulls.Empty() {
		if err := w.apply(ctx, pulls, req.Parallel); err != nil {
			return err
		}
		if obs, err = d.observe(ctx, stack.Name, stack); err != nil {
			return err
		}
	}
	p, err := decide(obs)
	if err != nil {
		return err
	}
	if err := d.preflight(stack, p); err != nil {
		return err
	}
	if err := d.saveStack(stack); err != nil {
		return err
	}
	w.remember(obs)
	reportRunning(obs, p, w.report)
	if err := d.reservePorts(ctx, w, p); err != nil {
		return err
	}
	defer func() { _ = w.releasePorts() }() // nothing of it is published
	if err := w.apply(ctx, p, req.Parallel); err != nil {
		return d.rollBack(ctx, w, req, func(now *plan.Observed) (*plan.Plan, error) {
			return plan.Rollback(req, p, w.failed, obs, now)
		}, err)
	}
	if req.Wait {
		return d.waitReady(ctx, w, req)
	}
	return nil
}

// newWalk makes a walk. Reports of a walk come one at a time.
func (d *Daemon) newWalk(stack *engine.Stack, auths map[string]call.RegistryAuth, report engine.Report) *walk {
	if report == nil {
		report = func(engine.Progress) {}
	}
	return &walk{
		d: d, stack: stack, auths: auths, report: report, made: map[replicaKey]string{}, ports: map[replicaKey]*network.Reservation{},
		former: map[string]engine.Container{},
	}
}

func (w *walk) remember(obs *plan.Observed) {
	for _, c := range obs.Containers {
		w.former[c.ID] = c
	}
}

// reportRunning tells of the containers that need nothing.
func reportRunning(obs *plan.Observed, p *plan.Plan, report engine.Report) {
	touched := map[string]bool{}
	for i := range p.Steps {
		touched[p.Steps[i].Name] = true
	}
	for _, c := range obs.Containers {
		if c.State.Status == engine.StatusRunning && !touched[c.Name] && !c.OneOff {
			report(engine.Progress{ID: "Container " + c.Name, Status: engine.Done, Text: "Running"})
		}
	}
}

// waitReady is what --wait adds to up.
func (d *Daemon) waitReady(ctx context.Context, w *walk, req *call.UpRequest) error {
	obs, err := d.observe(ctx, req.Stack.Name, nil)
	if err != nil {
		return err
	}
	p, err := plan.Wait(&req.Stack, req.Services, obs)
	if err != nil {
		return err
	}
	limit := time.Duration(req.WaitTimeout)
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, fmt.Errorf("application not healthy after %s", limit))
		defer cancel()
	}
	if err := w.apply(ctx, p, req.Parallel); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// Stack returns the Stack that a project was brought up with last.
func (d *Daemon) Stack(_ context.Context, name string) (*engine.Stack, error) {
	if s := d.storedStack(name); s != nil {
		return s, nil
	}
	return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("no such project: %s", name))
}
