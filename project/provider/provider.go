// Package provider has the services that a program of the caller's looks after.
//
// They have no containers: the program makes what they are, and says in variables how
// the services that depend on them find it. Pure; cmd/tiffin/providers runs the programs.
package provider

import (
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// Provider is a service that a program looks after.
type Provider struct {
	Service string
	// Type is the name of the program, Options are its flags.
	Type    string
	Options map[string][]string
	// Place is where the files say so, as file:line:column.
	Place string
	// Waits are the services with containers that it depends on. It is run before them.
	Waits []string
}

// Reach says how far a selection of services goes.
type Reach int

// The reaches.
const (
	WithDependencies Reach = iota
	NamedOnly
)

// Of are the providers among the named services, none meaning all, and what they depend on;
// each after those that it depends on.
func Of(model *types.Project, reach Reach, services ...string) []Provider {
	if len(services) == 0 {
		services = model.ServiceNames()
	}
	var out []Provider
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		s, ok := model.Services[name]
		if !ok || seen[name] {
			return
		}
		seen[name] = true
		var waits []string
		for _, on := range slices.Sorted(maps.Keys(s.DependsOn)) {
			if reach == WithDependencies {
				visit(on)
			}
			if model.Services[on].Provider == nil {
				waits = append(waits, on)
			}
		}
		if s.Provider != nil {
			out = append(out, Provider{Service: name, Type: s.Provider.Type, Options: s.Provider.Options, Waits: waits})
		}
	}
	for _, name := range slices.Sorted(slices.Values(services)) {
		visit(name)
	}
	return out
}

// Variables are what a provider has told: Named get the name of the service in front.
type Variables struct{ Named, Raw map[string]string }

// Give puts the variables of a provider into the environment of the services that depend on
// it, and returns which of a service's own variables a raw one replaced, as SERVICE.NAME.
func Give(model *types.Project, service string, vars Variables) []string {
	given := maps.Clone(vars.Raw)
	if given == nil {
		given = map[string]string{}
	}
	for key, value := range vars.Named {
		given[strings.ToUpper(service)+"_"+key] = value
	}
	var replaced []string
	for _, name := range model.ServiceNames() {
		s := model.Services[name]
		if _, depends := s.DependsOn[service]; !depends {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(vars.Raw)) {
			if old, there := s.Environment[key]; there && (old == nil || *old != vars.Raw[key]) {
				replaced = append(replaced, name+"."+key)
			}
		}
		s.PreStart = slices.Clone(s.PreStart)
		for i := range s.PreStart {
			s.PreStart[i].Environment = with(s.PreStart[i].Environment, given)
		}
		s.Environment = with(s.Environment, given)
		model.Services[name] = s
	}
	return replaced
}

// with is an environment with more variables.
func with(env types.MappingWithEquals, given map[string]string) types.MappingWithEquals {
	out := maps.Clone(env)
	if out == nil {
		out = types.MappingWithEquals{}
	}
	for key, value := range given {
		out[key] = &value
	}
	return out
}
