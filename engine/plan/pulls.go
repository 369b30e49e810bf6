package plan

import (
	"cmp"
	"fmt"

	"tiffin/engine"
	"tiffin/engine/call"
)

const notThere = "not there"

// pulls collects the images to fetch, each once.
type pulls struct {
	builder
	seen map[string]bool
}

func (p *pulls) add(s Step) {
	if s.Name == "" || p.seen[s.Name] {
		return
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[s.Name] = true
	p.builder.add(s)
}

func pullStep(svc *engine.Service, cause string) Step {
	return Step{Kind: PullImage, Name: svc.Container.Image, Cause: cause, Platform: svc.Container.Platform}
}

// Pull plans the pulls that must be done before it can be seen what diverged: those
// of images that are refreshed whether they are there or not. Up plans the others.
//
// fresh answers for an image that is there whether its policy lets it be for now.
func Pull(req *call.UpRequest, obs *Observed, fresh func(svc *engine.Service) bool) (*Plan, error) {
	sel, err := pick(&req.Stack, req.Services, reachOf(req))
	if err != nil {
		return nil, err
	}
	var p pulls
	for _, name := range sel.all {
		svc, _ := req.Stack.Service(name)
		for _, svc := range svc.WithHooks() {
			why := pullCause(req, svc, obs)
			there := obs.Images[svc.Container.Image] != ""
			if why == "" || why == notThere || there && fresh(svc) {
				continue
			}
			s := pullStep(svc, why)
			s.Optional = builtElsewhere(req, sel, s.Name) && (there || !req.NoBuild)
			p.add(s)
		}
	}
	return p.finish()
}

// builtElsewhere says that an image can be had without a registry: a selected service
// builds it.
func builtElsewhere(req *call.UpRequest, sel selection, ref string) bool {
	for _, name := range sel.all {
		if svc, _ := req.Stack.Service(name); svc.Buildable() && svc.Container.Image == ref {
			return true
		}
	}
	return false
}

// obtain fetches or builds the images of a service, and of its hooks, that are not there.
//
// Errors: engine.ErrNotFound for one that can only be built when nothing shall be.
func (u *up) obtain(svc *engine.Service) error {
	if svc.Name == u.oneOff {
		return u.obtainOne(svc) // its hooks do not run
	}
	for _, s := range svc.WithHooks() {
		if err := u.obtainOne(s); err != nil {
			return err
		}
	}
	return nil
}

func (u *up) obtainOne(svc *engine.Service) error {
	ref := svc.Container.Image
	if len(u.images.makers[ref]) > 0 {
		for _, name := range u.images.makers[ref] {
			u.images.addBuild(name)
		}
		return nil
	}
	runs := svc.Scale > 0 || svc.Name == u.oneOff
	if u.req.NoBuild && made(u.stack, svc) && u.obs.Images[ref] == "" && runs {
		return engine.Hint(
			engine.Problem(engine.ErrNotFound, fmt.Errorf("image %s of service %q is not there, and nothing shall be built", ref, svc.Name)),
			fmt.Sprintf("`tiffin build %s` builds it", svc.Name))
	}
	if ref != "" && u.images.pulls[ref] == nil && pullCause(u.req, svc, u.obs.Observed) == notThere {
		u.images.pulls[ref] = u.add(pullStep(svc, notThere))
	}
	return nil
}

// pullCause says why the image of a service is fetched; "" when it is not.
func pullCause(req *call.UpRequest, svc *engine.Service, obs *Observed) string {
	policy := policyOf(req, svc)
	switch {
	case made(&req.Stack, svc), req.Build && svc.Buildable():
		return ""
	case refreshes(policy):
		return "policy " + string(policy)
	case policy == engine.PullNever, policy == engine.PullBuild:
		return ""
	case obs.Images[svc.Container.Image] == "":
		return notThere
	default:
		return ""
	}
}

// refreshes says that an image is pulled although it is there.
func refreshes(p engine.PullPolicy) bool { return p == engine.PullAlways || p == engine.PullRefresh }

// PullOnly plans the pulls of tiffin pull: the tags are refreshed unless the policy
// says otherwise.
func PullOnly(req *call.PullRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
	far := targetsOnly
	if req.IncludeDeps {
		far = withDependencies
	}
	sel, err := pick(stack, req.Services, far)
	if err != nil {
		return nil, err
	}
	var p pulls
	for _, name := range sel.all {
		svc, _ := stack.Service(name)
		for _, svc := range svc.WithHooks() {
			policy := cmp.Or(req.Policy, svc.PullPolicy)
			switch {
			case policy == engine.PullNever, policy == engine.PullBuild, req.SkipBuild && svc.Buildable(), made(stack, svc):
			case policy == engine.PullMissing && obs.Images[svc.Container.Image] != "":
			default:
				p.add(pullStep(svc, "pull"))
			}
		}
	}
	return p.finish()
}
