package plan

import (
	"fmt"
	"maps"
	"slices"

	"tiffin/engine"
)

// networkChange is a network that is created or recreated.
type networkChange struct {
	key, name string
	made      *node
	// id is that of the network that is recreated; "": it is not there.
	id string
}

// holds says that a container is on the network that goes.
func (n *networkChange) holds(c *engine.Container) bool {
	return n.id != "" && c.Endpoints[n.name].NetworkID == n.id
}

func networkKeys(c *engine.ContainerSpec) []string {
	var keys []string
	for _, e := range c.Endpoints {
		keys = append(keys, e.Network)
	}
	return keys
}

// used lists, sorted, what the selected services name.
func (u *up) used(names func(*engine.ContainerSpec) []string) []string {
	set := map[string]bool{}
	for _, svc := range u.services {
		for _, n := range names(&svc.Container) {
			set[n] = true
		}
		for i := range svc.PreStart {
			for _, n := range names(&svc.PreStart[i].Container) {
				set[n] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// addNetworks creates what is missing and recreates what changed.
func (u *up) addNetworks() error {
	for _, key := range u.networkKeys {
		spec, ok := u.stack.Network(key)
		if !ok {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("network %q is used but not defined", key))
		}
		there, ok := u.obs.Networks[spec.Name]
		switch {
		case spec.External && !ok:
			return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s declared as external, but could not be found", spec.Name)),
				"create it, or remove `external: true`")
		case spec.External:
		case !ok:
			u.networks[key] = &networkChange{
				key: key, name: spec.Name, made: u.add(Step{Kind: CreateNetwork, Name: spec.Name, Cause: "not there", Key: key}),
			}
		case there.Project != u.stack.Name:
			u.warn("a network with name %s exists but was not created for project %q. Set `external: true` to use an existing network", spec.Name, u.stack.Name)
		case diverges(there.Spec.Hash, spec.Hash):
			u.networks[key] = &networkChange{
				key: key, name: spec.Name, id: there.ID,
				made: u.add(Step{Kind: RecreateNetwork, Name: spec.Name, Cause: "definition changed", Key: key}),
			}
		}
	}
	u.warnOfPorts()
	return nil
}

// warnOfPorts tells of services whose ports are reachable from nowhere: only bridges that
// lead outside publish any.
func (u *up) warnOfPorts() {
	for _, svc := range u.services {
		c := &svc.Container
		if len(c.Ports) == 0 || c.NetworkMode != "" || len(c.Endpoints) == 0 {
			continue
		}
		if !slices.ContainsFunc(c.Endpoints, func(e engine.EndpointSpec) bool { return u.publishes(e.Network) }) {
			u.warn("service %q publishes ports, but its networks have none: they are internal, or of a driver without published ports", svc.Name)
		}
	}
}

// publishes says whether the ports of containers on a network can be published.
func (u *up) publishes(key string) bool {
	spec, ok := u.stack.Network(key)
	if !ok {
		return true
	}
	n := *spec
	if there, ok := u.obs.Networks[n.Name]; n.External && ok {
		n = there.Spec
	}
	return !n.Internal && slices.Contains([]string{"", "bridge", "default"}, n.Driver)
}

// diverges compares hashes of definitions. What was made without one is left alone:
// nothing tells a change from what somebody meant.
func diverges(there, wanted string) bool { return there != "" && wanted != "" && there != wanted }

// settleNetworks clears the networks that are recreated, and removes those that were renamed.
func (u *up) settleNetworks() error {
	for c := range u.obs.containers() {
		if err := u.takeOff(c); err != nil {
			return err
		}
	}
	for _, key := range u.networkKeys {
		u.addRenamed(key)
	}
	return nil
}

// takeOff lets the networks that a container is on be recreated when nothing of it runs.
//
// Errors: engine.ErrConflict for a one-off, which nobody would start again.
func (u *up) takeOff(c *engine.Container) error {
	var changes []*networkChange
	for _, key := range u.networkKeys {
		if n := u.networks[key]; n != nil && n.holds(c) {
			changes = append(changes, n)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	before := []*node{u.gone[c.ID]}
	var start *node
	switch r := u.byID[c.ID]; {
	case r != nil:
		before = append(before, r.create, r.stop)
	case u.gone[c.ID] != nil || !runs(c):
	case c.OneOff:
		return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("network %s changed and cannot be recreated: container %s is on it", changes[0].name, c.Name)),
			"end that container first")
	default:
		before, start = u.restartBystander(c, "network "+changes[0].key+" changed")
	}
	for _, n := range changes {
		n.made.after(before...)
		if start != nil {
			start.after(n.made)
		}
	}
	return nil
}

// restartBystander stops and starts a container that is not of a selected service.
func (u *up) restartBystander(c *engine.Container, cause string) (stopped []*node, start *node) {
	stop := u.addStop(c, cause, u.req.Timeout)
	if !u.req.NoStart {
		s := stepOn(StartContainer, c)
		s.Cause = cause
		start = u.add(s, stop)
	}
	return []*node{stop}, start
}

// addRenamed removes the network that had another name before, once nothing is on it.
func (u *up) addRenamed(key string) {
	spec, _ := u.stack.Network(key)
	for _, name := range slices.Sorted(maps.Keys(u.obs.Networks)) {
		there := u.obs.Networks[name]
		if there.Project != u.stack.Name || there.Spec.Key != key || name == spec.Name || u.wants(name) {
			continue
		}
		var gone []*node
		stays := false
		for c := range u.obs.containers() {
			if _, on := c.Endpoints[name]; on {
				gone = append(gone, u.gone[c.ID])
				stays = stays || u.gone[c.ID] == nil
			}
		}
		if !stays {
			u.add(Step{Kind: RemoveNetwork, Name: name, Cause: "renamed to " + spec.Name, Key: key}, gone...)
		}
	}
}

// wants says that some network of the Stack has this name.
func (u *up) wants(network string) bool {
	return slices.ContainsFunc(u.stack.Networks, func(n engine.NetworkSpec) bool { return n.Name == network })
}
