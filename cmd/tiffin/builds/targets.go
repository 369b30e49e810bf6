package builds

import (
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/builder/client"
	"tiffin/engine/plan"
)

// Which says what services that are named, or all, bring with them.
type Which int

// Those alone, or with all that they depend on.
const (
	Alone Which = iota
	WithDependencies
)

// Selected are the services to build: those named, or all. Who has no build section is left out.
func Selected(stack *engine.Stack, named []string, which Which) []string {
	if len(named) == 0 {
		for i := range stack.Services {
			named = append(named, stack.Services[i].Name)
		}
	}
	named = slices.Clone(named)
	for i := 0; which == WithDependencies && i < len(named); i++ {
		svc, _ := stack.Service(named[i])
		if svc == nil {
			continue
		}
		for _, d := range svc.DependsOn {
			if !slices.Contains(named, d.Service) {
				named = append(named, d.Service)
			}
		}
	}
	return slices.DeleteFunc(named, func(name string) bool {
		_, ok := stack.Buildable(name)
		return !ok
	})
}

// Targets are the builds of services and of all that they are built on.
func Targets(stack *engine.Stack, services []string) []client.Target {
	services = slices.Clone(services)
	var out []client.Target
	for i := 0; i < len(services); i++ {
		svc, ok := stack.Buildable(services[i])
		if !ok {
			continue
		}
		for _, base := range svc.Build.Services() {
			if !slices.Contains(services, base) {
				services = append(services, base)
			}
		}
		t := client.Target{Name: svc.Name, Image: svc.Container.Image, Build: *svc.Build}
		t.Build.Labels = labelsOf(stack, svc)
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b client.Target) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// labelsOf say whose image it is, by docker compose's labels. Services that build one image alike have one build: its
// service is the first of the project that has the image, whichever are built.
func labelsOf(stack *engine.Stack, svc *engine.Service) map[string]string {
	owner := svc.Name
	for _, list := range [][]engine.Service{stack.Services, stack.Bases} {
		for i := range list {
			if list[i].Buildable() && list[i].Container.Image == svc.Container.Image {
				owner = min(owner, list[i].Name)
			}
		}
	}
	// No version label: a new tiffin would make new images of old sources, and new containers of those.
	labels := map[string]string{engine.LabelProject: stack.Name, engine.LabelService: owner}
	maps.Copy(labels, svc.Build.Labels)
	return labels
}

// Names are the services of targets.
func Names(targets []client.Target) []string {
	var names []string
	for _, t := range targets {
		names = append(names, t.Name)
	}
	return names
}

// Needed are the services of a plan whose images are to be built, once it is known which could not be pulled.
func Needed(p *plan.Plan, missing []string) []string {
	var out []string
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.BuildImage {
			continue
		}
		if len(s.IfMissing) == 0 || slices.ContainsFunc(s.IfMissing, func(ref string) bool { return slices.Contains(missing, ref) }) {
			out = append(out, s.Service)
		}
	}
	return out
}

// OnePlatform builds for where the containers will run: the other platforms are for those who pull the image.
func OnePlatform(stack *engine.Stack, targets []client.Target) []client.Target {
	for i := range targets {
		t := &targets[i]
		if len(t.Build.Platforms) < 2 {
			continue
		}
		t.Build.Platforms = nil
		if svc, ok := stack.Buildable(t.Name); ok && svc.Container.Platform != "" {
			t.Build.Platforms = []string{svc.Container.Platform}
		}
	}
	return targets
}
