package plan

import (
	"slices"
	"strings"

	"tiffin/engine"
)

// Observed is what is there: everything of one project, and what its Stack refers to.
type Observed struct {
	// Containers of the project, one-offs included.
	Containers []engine.Container
	// Networks and Volumes, by their name on the host: the project's own, and those
	// that the Stack names.
	Networks map[string]engine.Network
	Volumes  map[string]engine.Volume
	// Images are the IDs of the images that the Stack names, by reference; a
	// missing one is absent.
	Images map[string]string
	// Previous is the Stack as it was last brought up, if any.
	Previous *engine.Stack
}

// replicas are the containers of a service, one-offs left out, by number.
func (o *Observed) replicas(service string) []engine.Container {
	var out []engine.Container
	for _, c := range o.Containers {
		if c.Service == service && !c.OneOff {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b engine.Container) int { return a.Number - b.Number })
	return out
}

// services are the names of the services that have containers, sorted.
func (o *Observed) services() []string {
	var out []string
	for _, c := range o.Containers {
		if !c.OneOff {
			out = append(out, c.Service)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// dependencies of a service: from the Stack, or for a service that is in no Stack
// from the label that its containers carry.
func (o *Observed) dependencies(stack *engine.Stack, service string) []engine.Dependency {
	if stack != nil {
		if svc, ok := stack.Service(service); ok {
			return svc.DependsOn
		}
	}
	for _, c := range o.replicas(service) {
		if label := c.Spec.Labels[engine.LabelDependsOn]; label != "" {
			return ParseDependsOn(label)
		}
	}
	return nil
}

// DependsOnLabel is the value of the label com.docker.compose.depends_on:
// "db:service_healthy:false,cache:service_started:true", the last word being restart.
func DependsOnLabel(deps []engine.Dependency) string {
	parts := make([]string, len(deps))
	for i, d := range deps {
		restart := "false"
		if d.Restart {
			restart = "true"
		}
		parts[i] = d.Service + ":" + string(d.Condition) + ":" + restart
	}
	return strings.Join(parts, ",")
}

// ParseDependsOn reads DependsOnLabel; what is malformed is left out.
func ParseDependsOn(label string) []engine.Dependency {
	var out []engine.Dependency
	for part := range strings.SplitSeq(label, ",") {
		f := strings.Split(part, ":")
		if len(f) != 3 {
			continue
		}
		out = append(out, engine.Dependency{Service: f[0], Condition: engine.Condition(f[1]), Restart: f[2] == "true"})
	}
	return out
}

// ContainerName is the name of a replica on the host.
func ContainerName(project string, svc *engine.Service, number int) string {
	if svc.ContainerName != "" {
		return svc.ContainerName
	}
	return project + "-" + svc.Name + "-" + itoa(number)
}
