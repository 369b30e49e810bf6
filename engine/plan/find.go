package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
)

// PredefinedNetworks are those that there always are, by Docker's names. The bridge is
// made when it is needed.
func PredefinedNetworks() []engine.Network {
	var all []engine.Network
	for _, n := range [...]engine.NetworkSpec{{Name: "bridge", Driver: "bridge"}, {Name: "host", Driver: "host"}, {Name: "none", Driver: "null"}} {
		id := sha256.Sum256([]byte("network " + n.Name))
		all = append(all, engine.Network{ID: hex.EncodeToString(id[:]), Spec: n})
	}
	return all
}

// IsPredefined says that a network is one that there always is.
func IsPredefined(n *engine.Network) bool {
	same := func(p engine.Network) bool { return p.Spec.Name == n.Spec.Name }
	return n.Project == "" && slices.ContainsFunc(PredefinedNetworks(), same)
}

// Holds says that a network cannot go while a container is as it is: it runs there, or is
// about to.
func Holds(n *engine.Network, c *engine.Container) bool {
	if e, on := c.Endpoints[n.Spec.Name]; !on || e.NetworkID != n.ID {
		return false
	}
	st := c.State.Status
	return st.Alive() || st == engine.StatusStarting || st == engine.StatusRestarting
}

// FindNetwork finds a network by its name, its ID, or a prefix of it that is its alone.
//
// Errors: ErrNotFound; ErrInvalid for a prefix of several.
func FindNetwork(all []engine.Network, ref string) (engine.Network, error) {
	var found []engine.Network
	for _, n := range all {
		if n.Spec.Name == ref || n.ID == ref {
			return n, nil
		}
		if ref != "" && strings.HasPrefix(n.ID, ref) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return engine.Network{}, engine.Problem(engine.ErrNotFound, fmt.Errorf("network %s not found", ref))
	default:
		return engine.Network{}, engine.Problem(engine.ErrInvalid, fmt.Errorf("network %s is ambiguous (%d matches found on ID prefix)", ref, len(found)))
	}
}

// NameEndpoints calls the networks that a container is to be on by their names: clients may have their IDs. One that
// there always is, alone, is a network mode.
//
// Errors: those of FindNetwork.
func NameEndpoints(all []engine.Network, spec *engine.ContainerSpec) error {
	var out []engine.EndpointSpec
	for _, e := range spec.Endpoints {
		n, err := FindNetwork(all, e.Network)
		if err != nil {
			return err
		}
		if len(spec.Endpoints) == 1 && IsPredefined(&n) {
			spec.NetworkMode, spec.Endpoints = n.Spec.Name, nil
			return nil
		}
		e.Network = n.Spec.Name
		i := slices.IndexFunc(out, func(o engine.EndpointSpec) bool { return o.Network == e.Network })
		if i < 0 {
			out = append(out, e)
			continue
		}
		e.Priority = out[i].Priority // the mode and its settings, by name and ID: the settings come second
		out[i] = e
	}
	spec.Endpoints = out
	return nil
}
