package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"tiffin/engine"
)

// addPull fetches the image of a service when its policy says so.
func (u *up) addPull(svc *engine.Service) {
	ref := svc.Container.Image
	if ref == "" || u.pulls[ref] != nil {
		return
	}
	if why := pullCause(svc, u.req.Pull, u.obs); why == "not there" {
		u.pulls[ref] = u.add(Step{Kind: PullImage, Name: ref, Cause: why, Platform: svc.Container.Platform})
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
			return "not there"
		}
		return ""
	}
}

// Pull plans the pulls that must be done before it can be seen what diverged: those
// of images that are refreshed whether they are there or not. Up plans the others.
//
// fresh answers for an image that is there whether its policy lets it be for now.
func Pull(req *engine.UpRequest, obs *Observed, fresh func(svc *engine.Service) bool) (*Plan, error) {
	deps := with
	if req.NoDeps {
		deps = without
	}
	sel, err := pick(&req.Stack, req.Services, deps)
	if err != nil {
		return nil, err
	}
	var b builder
	seen := map[string]bool{}
	for _, name := range sel.all {
		svc, _ := req.Stack.Service(name)
		ref := svc.Container.Image
		why := pullCause(svc, req.Pull, obs)
		if ref == "" || seen[ref] || why == "" || why == "not there" {
			continue
		}
		if obs.Images[ref] != "" && fresh(svc) {
			continue
		}
		seen[ref] = true
		b.add(Step{Kind: PullImage, Name: ref, Cause: why, Platform: svc.Container.Platform})
	}
	return b.finish()
}

// addNetworks creates what is missing and returns the keys of those whose
// definition changed.
func (u *up) addNetworks() (changed map[string]string, err error) {
	changed = map[string]string{}
	for _, key := range u.used(func(c *engine.ContainerSpec) []string {
		var keys []string
		for _, e := range c.Endpoints {
			keys = append(keys, e.Network)
		}
		return keys
	}) {
		spec, ok := u.stack.Network(key)
		if !ok {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("network %q is used but not defined", key))
		}
		there, ok := u.obs.Networks[spec.Name]
		switch {
		case spec.External && !ok:
			return nil, engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s declared as external, but could not be found", spec.Name))
		case spec.External:
		case !ok:
			u.networks[key] = u.add(Step{Kind: CreateNetwork, Name: spec.Name, Cause: "not there", Key: key})
		case there.Project != u.stack.Name:
			u.warn("a network with name %s exists but was not created for project %q. Set `external: true` to use an existing network", spec.Name, u.stack.Name)
		case there.Spec.Hash != spec.Hash:
			changed[key] = there.ID
			u.networks[key] = u.add(Step{Kind: RecreateNetwork, Name: spec.Name, Cause: "definition changed", Key: key})
		}
	}
	return changed, nil
}

// addNetworkEdges stops everything on a network that changed before it is recreated.
func (u *up) addNetworkEdges(changed map[string]string) {
	for key, id := range changed {
		for i := range u.obs.Containers {
			c := &u.obs.Containers[i]
			if _, on := c.Endpoints[u.networks[key].Name]; !on {
				continue
			}
			if e := c.Endpoints[u.networks[key].Name]; e.NetworkID == id {
				u.networks[key].after(u.stopOf(c, key))
			}
		}
	}
}

// stopOf is the step that stops a container, made now when it is about a container
// that nothing else stops.
func (u *up) stopOf(c *engine.Container, network string) *node {
	for _, r := range u.replicas[c.Service] {
		if r.old != nil && r.old.ID == c.ID {
			return r.stop
		}
	}
	for _, n := range u.nodes {
		if n.Kind == StopContainer && n.Container == c.ID {
			return n
		}
	}
	stop := u.addStop(c, "network "+network+" changed")
	if stop != nil && !c.OneOff && !u.req.NoStart {
		u.add(Step{Kind: StartContainer, Name: c.Name, Cause: "network " + network + " changed", Container: c.ID}, stop, u.networks[network])
	}
	return stop
}

// addVolumes creates what is missing and returns the keys of those that are
// recreated because their definition changed and the caller agreed to lose the data.
func (u *up) addVolumes() (lost map[string]string, err error) {
	lost = map[string]string{}
	for _, key := range u.used(func(c *engine.ContainerSpec) []string {
		var keys []string
		for _, m := range c.Mounts {
			if m.Type == engine.MountVolume && m.Source != "" {
				keys = append(keys, m.Source)
			}
		}
		return keys
	}) {
		spec, ok := u.stack.Volume(key)
		if !ok {
			return nil, engine.Problem(engine.ErrInvalid, fmt.Errorf("volume %q is used but not defined", key))
		}
		there, ok := u.obs.Volumes[spec.Name]
		switch {
		case spec.External && !ok:
			return nil, engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("external volume %q not found", spec.Name)),
				"create it, or remove `external: true`")
		case spec.External:
		case !ok:
			u.volumes[key] = u.add(Step{Kind: CreateVolume, Name: spec.Name, Cause: "not there", Key: key})
		case there.Project != u.stack.Name:
			u.warn("volume %q already exists but was not created for project %q. Use `external: true` to use an existing volume", spec.Name, u.stack.Name)
		case there.Spec.Hash != spec.Hash && u.req.RecreateVolumes:
			lost[key] = spec.Name
			gone := u.add(Step{Kind: RemoveVolume, Name: spec.Name, Cause: "definition changed", Key: key})
			u.volumes[key+" gone"] = gone
			u.volumes[key] = u.add(Step{Kind: CreateVolume, Name: spec.Name, Cause: "definition changed", Key: key}, gone)
		case there.Spec.Hash != spec.Hash:
			u.warn("Volume %q exists but doesn't match configuration in compose file. Run up with -y to recreate it (its data will be lost)", spec.Name)
		}
	}
	return lost, nil
}

// used lists, sorted, what the selected services name.
func (u *up) used(names func(*engine.ContainerSpec) []string) []string {
	set := map[string]bool{}
	for _, name := range u.sel.all {
		svc, _ := u.stack.Service(name)
		for _, n := range names(&svc.Container) {
			set[n] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// changedFields names the top-level fields in which two specs differ.
func changedFields(a, b *engine.ContainerSpec) []string {
	fields := func(c *engine.ContainerSpec) map[string]json.RawMessage {
		out := map[string]json.RawMessage{}
		if text, err := json.Marshal(c); err == nil {
			_ = json.Unmarshal(text, &out) //nolint:errcheck // our own text
		}
		return out
	}
	x, y := fields(a), fields(b)
	var out []string
	for _, k := range slices.Sorted(maps.Keys(union(x, y))) {
		if string(x[k]) != string(y[k]) {
			out = append(out, k)
		}
	}
	return out
}

func union(a, b map[string]json.RawMessage) map[string]json.RawMessage {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// PullOnly plans the pulls of tiffin pull: the tags are refreshed unless the policy
// says otherwise.
func PullOnly(req *engine.PullRequest, stack *engine.Stack, obs *Observed) (*Plan, error) {
	deps := without
	if req.IncludeDeps || len(req.Services) == 0 {
		deps = with
	}
	sel, err := pick(stack, req.Services, deps)
	if err != nil {
		return nil, err
	}
	var b builder
	seen := map[string]bool{}
	for _, name := range sel.all {
		svc, _ := stack.Service(name)
		ref := svc.Container.Image
		policy := svc.PullPolicy
		if req.Policy != "" {
			policy = req.Policy
		}
		skip := policy == engine.PullNever || policy == engine.PullBuild || policy == engine.PullMissing && obs.Images[ref] != ""
		if ref == "" || seen[ref] || skip {
			continue
		}
		seen[ref] = true
		b.add(Step{Kind: PullImage, Name: ref, Cause: "pull", Platform: svc.Container.Platform})
	}
	return b.finish()
}
