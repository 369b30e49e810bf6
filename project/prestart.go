package project

import (
	"maps"
	"strconv"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/consistent"
)

// preStart translates the pre_start hooks of a service, which compose-go has completed with
// what they have from it. replica is the service's own container.
func (p *Project) preStart(s *types.ServiceConfig, replica *engine.ContainerSpec) ([]engine.PreStart, error) {
	var out []engine.PreStart
	for i := range s.PreStart {
		hook := consistent.HookService(s, i)
		if hook.Image == "" {
			hook.Image = replica.Image // made by a build
		}
		one := engine.PreStart{PerReplica: s.PreStart[i].PerReplica}
		pulled := engine.Service{}
		if err := pulling(&hook, &pulled); err != nil {
			return nil, consistent.InHook(err, i)
		}
		one.PullPolicy = pulled.PullPolicy
		container, err := p.container(&hook)
		if err != nil {
			return nil, consistent.InHook(err, i)
		}
		one.Container = container
		notTheSame(&one.Container, replica)
		p.swappiness(s, i, &one.Container)
		one.Container.Healthcheck = &engine.Healthcheck{Test: []string{"NONE"}}
		out = append(out, one)
	}
	return out, nil
}

// notTheSame takes from a hook what it has from its service, and only one container can have.
func notTheSame(hook, replica *engine.ContainerSpec) {
	if hook.MacAddress == replica.MacAddress {
		hook.MacAddress = ""
	}
	of := map[string]engine.EndpointSpec{}
	for _, e := range replica.Endpoints {
		of[e.Network] = e
	}
	for i := range hook.Endpoints {
		e, theirs := &hook.Endpoints[i], of[hook.Endpoints[i].Network]
		if e.IPv4 == theirs.IPv4 && e.IPv6 == theirs.IPv6 && e.MacAddress == theirs.MacAddress {
			e.IPv4, e.IPv6, e.MacAddress = engine.EndpointSpec{}.IPv4, engine.EndpointSpec{}.IPv6, ""
		}
	}
}

// swappiness is that of a hook: 0 is a value, which only the document tells from none.
func (p *Project) swappiness(s *types.ServiceConfig, i int, out *engine.ContainerSpec) {
	services, _ := p.attributes["services"].(map[string]any)
	service, _ := services[s.Name].(map[string]any)
	hooks, _ := service["pre_start"].([]any)
	if i >= len(hooks) {
		return
	}
	out.Resources.Swappiness = nil
	if hook, _ := hooks[i].(map[string]any); hook["mem_swappiness"] != nil {
		n := int64(s.PreStart[i].MemSwappiness)
		out.Resources.Swappiness = &n
	}
}

// used is the model without the networks, volumes and the like that no service uses, nor
// any of its hooks, which compose-go does not ask.
func (p *Project) used() *types.Project {
	with := *p.model
	with.Services = maps.Clone(p.model.Services)
	for name, s := range p.model.Services {
		for i, hook := range s.PreStart {
			with.Services[name+".pre_start."+strconv.Itoa(i)] = types.ServiceConfig{ContainerSpec: hook.ContainerSpec}
		}
	}
	out := with.WithoutUnnecessaryResources()
	out.Services = p.model.Services
	return out
}
