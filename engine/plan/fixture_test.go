package plan

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/call"
)

// stackOf is a Stack with a network and a volume that services may use.
func stackOf(services ...engine.Service) engine.Stack {
	return engine.Stack{
		Name:     "demo",
		Services: services,
		Networks: []engine.NetworkSpec{{Key: "back", Name: "demo_back", Hash: "n1"}, {Key: "default", Name: "demo_default", Hash: "n1"}},
		Volumes:  []engine.VolumeSpec{{Key: "data", Name: "demo_data", Hash: "v1"}},
	}
}

// service is one replica of image img on the default network.
func service(name string, changes ...func(*engine.Service)) engine.Service {
	s := engine.Service{
		Name: name, Hash: "h1", Scale: 1,
		Container: engine.ContainerSpec{Image: "img", Endpoints: []engine.EndpointSpec{{Network: "default"}}},
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func dependsOn(deps ...engine.Dependency) func(*engine.Service) {
	return func(s *engine.Service) { s.DependsOn = append(s.DependsOn, deps...) }
}

func started(name string) engine.Dependency {
	return engine.Dependency{Service: name, Condition: engine.ConditionStarted}
}

func healthy(name string) engine.Dependency {
	return engine.Dependency{Service: name, Condition: engine.ConditionHealthy}
}

func completed(name string) engine.Dependency {
	return engine.Dependency{Service: name, Condition: engine.ConditionCompleted}
}

func optional(d engine.Dependency) engine.Dependency {
	d.Optional = true
	return d
}

func restarting(d engine.Dependency) engine.Dependency {
	d.Restart = true
	return d
}

func scale(n int) func(*engine.Service)   { return func(s *engine.Service) { s.Scale = n } }
func hash(h string) func(*engine.Service) { return func(s *engine.Service) { s.Hash = h } }
func image(ref string) func(*engine.Service) {
	return func(s *engine.Service) { s.Container.Image = ref }
}

func named(name string) func(*engine.Service) {
	return func(s *engine.Service) { s.ContainerName = name }
}

func pull(p engine.PullPolicy) func(*engine.Service) {
	return func(s *engine.Service) { s.PullPolicy = p }
}

func on(keys ...string) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Container.Endpoints = nil
		for _, key := range keys {
			s.Container.Endpoints = append(s.Container.Endpoints, engine.EndpointSpec{Network: key})
		}
	}
}

func with(volume string) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Container.Mounts = append(s.Container.Mounts, engine.Mount{Type: engine.MountVolume, Source: volume, Target: "/" + volume})
	}
}

// joins shares the network of another service, as the project completes that.
func joins(name string) func(*engine.Service) {
	return func(s *engine.Service) {
		on()(s)
		s.Container.NetworkMode = "service:" + name
		dependsOn(started(name))(s)
	}
}

func volumesFrom(name string) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Container.VolumesFrom = append(s.Container.VolumesFrom, name)
		dependsOn(started(name))(s)
	}
}

// brought is a host on which a Stack was brought up; since is what happened then.
func brought(t *testing.T, stack *engine.Stack, since ...func(*host)) *host {
	t.Helper()
	h := newHost()
	if len(stack.Services) > 0 {
		p, err := Up(&call.UpRequest{Stack: *stack}, h.obs)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.apply(p, stack, inSequence); err != nil {
			t.Fatal(err)
		}
	}
	for _, happens := range since {
		happens(h)
	}
	return h
}

// becomes changes the status of a container.
func becomes(name string, status engine.Status) func(*host) {
	return func(h *host) { h.byName(name).State.Status = status }
}

func unhealthy(name string) func(*host) {
	return func(h *host) { h.byName(name).State.Health.Status = engine.Unhealthy }
}

func vanishes(name string) func(*host) {
	return func(h *host) {
		h.obs.Containers = slices.DeleteFunc(h.obs.Containers, func(c engine.Container) bool { return c.Name == name })
	}
}

// runsOneOff makes a one-off of a service.
func runsOneOff(name, service string, status engine.Status) func(*host) {
	return func(h *host) {
		c := engine.Container{ID: h.id("c"), Name: name, Project: "demo", Service: service, OneOff: true}
		c.State.Status = status
		c.Endpoints = map[string]engine.Endpoint{"demo_default": {NetworkID: h.obs.Networks["demo_default"].ID}}
		h.obs.Containers = append(h.obs.Containers, c)
	}
}

// text is what a plan, or the refusal to make one, looks like.
func text(p *Plan, err error) string {
	if err == nil {
		return p.String()
	}
	out := fmt.Sprintf("error: %v\n", err)
	if hint := engine.HintOf(err); hint != "" {
		out += fmt.Sprintf("hint: %s\n", hint)
	}
	return out
}

func compare(t *testing.T, want string, p *Plan, err error) {
	t.Helper()
	if diff := cmp.Diff(want, text(p, err)); diff != "" {
		t.Error(diff)
	}
}
