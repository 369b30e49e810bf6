package plan

import "tiffin/engine"

const notThere = "not there"

// pulls collects the images to fetch, each once.
type pulls struct {
	builder
	seen map[string]bool
}

func (p *pulls) add(svc *engine.Service, cause string) {
	ref := svc.Container.Image
	if cause == "" || ref == "" || p.seen[ref] {
		return
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[ref] = true
	p.builder.add(pullStep(svc, cause))
}

func pullStep(svc *engine.Service, cause string) Step {
	return Step{Kind: PullImage, Name: svc.Container.Image, Cause: cause, Platform: svc.Container.Platform}
}

// Pull plans the pulls that must be done before it can be seen what diverged: those
// of images that are refreshed whether they are there or not. Up plans the others.
//
// fresh answers for an image that is there whether its policy lets it be for now.
func Pull(req *engine.UpRequest, obs *Observed, fresh func(svc *engine.Service) bool) (*Plan, error) {
	sel, err := pick(&req.Stack, req.Services, reachOf(req))
	if err != nil {
		return nil, err
	}
	var p pulls
	for _, name := range sel.all {
		svc, _ := req.Stack.Service(name)
		why := pullCause(svc, req.Pull, obs)
		if why == notThere || obs.Images[svc.Container.Image] != "" && fresh(svc) {
			continue
		}
		p.add(svc, why)
	}
	return p.finish()
}

// addPull fetches the image of a service that is not there.
func (u *up) addPull(svc *engine.Service) {
	ref := svc.Container.Image
	if ref != "" && u.pulls[ref] == nil && pullCause(svc, u.req.Pull, u.obs.Observed) == notThere {
		u.pulls[ref] = u.add(pullStep(svc, notThere))
	}
}

// pullCause says why the image of a service is fetched; "" when it is not.
func pullCause(svc *engine.Service, override engine.PullPolicy, obs *Observed) string {
	policy := svc.PullPolicy
	if override != "" {
		policy = override
	}
	switch policy {
	case engine.PullAlways, engine.PullRefresh:
		return "policy " + string(policy)
	case engine.PullNever, engine.PullBuild:
		return ""
	default:
		if obs.Images[svc.Container.Image] == "" {
			return notThere
		}
		return ""
	}
}

// PullOnly plans the pulls of tiffin pull: the tags are refreshed unless the policy
// says otherwise.
func PullOnly(req *engine.PullRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
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
		policy := svc.PullPolicy
		if req.Policy != "" {
			policy = req.Policy
		}
		switch {
		case policy == engine.PullNever, policy == engine.PullBuild, req.SkipBuild && svc.Buildable():
		case policy == engine.PullMissing && obs.Images[svc.Container.Image] != "":
		default:
			p.add(svc, "pull")
		}
	}
	return p.finish()
}
