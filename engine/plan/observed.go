package plan

import (
	"cmp"
	"iter"
	"maps"
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

// inventory is Observed, sorted for looking things up.
type inventory struct {
	*Observed
	// replicas are the containers of each service by number, one-offs left out.
	replicas map[string][]*engine.Container
}

func newInventory(obs *Observed) *inventory {
	inv := &inventory{Observed: obs, replicas: map[string][]*engine.Container{}}
	for c := range inv.containers() {
		if !c.OneOff {
			inv.replicas[c.Service] = append(inv.replicas[c.Service], c)
		}
	}
	for _, cs := range inv.replicas {
		slices.SortStableFunc(cs, func(a, b *engine.Container) int { return cmp.Compare(a.Number, b.Number) })
	}
	return inv
}

// containers are all of them; what is yielded may be kept.
func (inv *inventory) containers() iter.Seq[*engine.Container] {
	return func(yield func(*engine.Container) bool) {
		for i := range inv.Containers {
			if !yield(&inv.Containers[i]) {
				return
			}
		}
	}
}

// services are the names of the services that have replicas, sorted.
func (inv *inventory) services() []string { return slices.Sorted(maps.Keys(inv.replicas)) }

// dependencies tells those of a service: from the Stack, or for a service that is in no
// Stack from the label that its containers carry. stack may be nil.
func (inv *inventory) dependencies(stack *engine.Stack) func(service string) []engine.Dependency {
	return func(service string) []engine.Dependency {
		if stack != nil {
			if svc, ok := stack.Service(service); ok {
				return svc.DependsOn
			}
		}
		for _, c := range inv.replicas[service] {
			if label := c.Spec.Labels[engine.LabelDependsOn]; label != "" {
				return parseDependsOn(label)
			}
		}
		return nil
	}
}

// orphans are the containers that a Stack has no service for, and one-offs that ended,
// by name.
func (inv *inventory) orphans(stack *engine.Stack) []*engine.Container {
	var out []*engine.Container
	for c := range inv.containers() {
		if isOrphan(c, stack) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *engine.Container) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func isOrphan(c *engine.Container, stack *engine.Stack) bool {
	svc, known := stack.Service(c.Service)
	if c.IsJob() && known && svc.Job != nil {
		return false // its last runs are there to be looked at
	}
	if c.OneOff && !c.IsHook() {
		return c.State.Status == engine.StatusExited
	}
	return !known && !slices.Contains(stack.Disabled, c.Service)
}

// mounts says whether a container uses a volume.
func mounts(c *engine.Container, volume string) bool {
	return slices.ContainsFunc(c.Mounts, func(p engine.MountPoint) bool {
		return p.Type == engine.MountVolume && p.Name == volume
	})
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

// parseDependsOn reads DependsOnLabel; what is malformed is left out.
func parseDependsOn(label string) []engine.Dependency {
	var out []engine.Dependency
	for part := range strings.SplitSeq(label, ",") {
		f := strings.Split(part, ":")
		if len(f) != 3 || f[0] == "" {
			continue
		}
		out = append(out, engine.Dependency{Service: f[0], Condition: engine.Condition(f[1]), Restart: f[2] == "true"})
	}
	return out
}
