package project

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
	"tiffin/project/provider"
)

// Providers are those of the named services, none meaning all, and of what they depend on;
// each after those that it depends on.
func (p *Project) Providers(reach provider.Reach, services ...string) []provider.Provider {
	out := provider.Of(p.model, reach, services...)
	for i := range out {
		out[i].Place = p.texts.place([]string{"services", out[i].Service, "provider", "type"})
	}
	return out
}

// Provide puts what a provider has told into the services that depend on it: Stack has it
// from then on.
func (p *Project) Provide(service string, vars provider.Variables) {
	for _, name := range provider.Give(p.model, service, vars) {
		p.warn(fmt.Sprintf("the provider of service %q replaces the variable %s", service, name))
	}
}

// provided translates a service that a provider looks after: it has no container, and what
// else is said of it has no effect.
func (p *Project) provided(s *types.ServiceConfig) engine.Service {
	services, _ := p.attributes["services"].(map[string]any)
	given, _ := services[s.Name].(map[string]any)
	counts := []string{"provider", "depends_on", "profiles", "extends", "name"}
	for _, key := range slices.Sorted(maps.Keys(given)) {
		extension := strings.HasPrefix(key, "x-") || strings.HasPrefix(key, "#")
		if given[key] != nil && !extension && !slices.Contains(counts, key) {
			path := fault.In(s, key)
			p.warnAt(path, fault.Dotted(path)+" has no effect: the service has a provider, and no container")
		}
	}
	return engine.Service{Name: s.Name, DependsOn: p.dependencies(s)}
}
