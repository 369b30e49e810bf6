package consistent

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/fault"
)

// buildable checks what the build section of a service says by itself and of others.
func buildable(p *types.Project, s *types.ServiceConfig) error {
	b := s.Build
	if b == nil {
		return nil
	}
	if b.Dockerfile != "" && b.DockerfileInline != "" {
		return fault.At(fault.In(s, "build", "dockerfile_inline"), "service %q has both dockerfile and dockerfile_inline", s.Name).
			Hint("Leave one of them out.")
	}
	if len(b.Platforms) > 0 && s.Platform != "" && !slices.Contains(b.Platforms, s.Platform) {
		return fault.At(fault.In(s, "build", "platforms"), "service %q runs on %s, and its build.platforms do not have that", s.Name, s.Platform).
			Hint("Add %q to them.", s.Platform)
	}
	for i, ref := range b.Secrets {
		if _, ok := p.Secrets[ref.Source]; !ok {
			return undefined(fault.In(s, "build", "secrets", strconv.Itoa(i)), s.Name, "secret", ref.Source, p.SecretNames())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.AdditionalContexts)) {
		other, ok := strings.CutPrefix(b.AdditionalContexts[name], types.ServicePrefix)
		if !ok {
			continue
		}
		if err := otherContext(p, s, name, other); err != nil {
			return err
		}
	}
	return nil
}

// otherContext checks a context that is the image of another service. No profile need
// enable that one: it may be there for others to be built on.
func otherContext(p *types.Project, s *types.ServiceConfig, name, other string) error {
	path := fault.In(s, "build", "additional_contexts", name)
	on, ok := AnyService(p, other)
	switch {
	case !ok:
		return undefinedService(path, "service %q is built with undefined service %q", s.Name, other, p)
	case on.Build == nil:
		return fault.At(path, "service %q is built with service %q, which has no build section", s.Name, other).
			Hint("Give it one, or take its image: %s: docker-image://%s", name, cmp.Or(on.Image, "NAME"))
	default:
		return nil
	}
}

// contextCircles finds services that are built with themselves, by others.
func contextCircles(p *types.Project) error {
	circle := circleOf(p.ServiceNames(), func(name string) []string {
		s, _ := AnyService(p, name)
		return contextServices(s.Build)
	})
	if circle == nil {
		return nil
	}
	s, _ := AnyService(p, circle[0])
	return fault.At(fault.In(&s, "build", "additional_contexts", contextOf(s.Build, circle[1])),
		"services are built with each other: %s", strings.Join(circle, " → ")).
		Hint("Remove one of these contexts.")
}

// AnyService finds a service, be it enabled or not.
func AnyService(p *types.Project, name string) (types.ServiceConfig, bool) {
	s, ok := p.Services[name]
	if !ok {
		s, ok = p.DisabledServices[name]
	}
	return s, ok
}

// contextServices are the services that one is built with, sorted.
func contextServices(b *types.BuildConfig) []string {
	if b == nil {
		return nil
	}
	return (&engine.Build{AdditionalContexts: b.AdditionalContexts}).Services()
}

// contextOf is the name that a build gives the context of another service.
func contextOf(b *types.BuildConfig, service string) string {
	for _, name := range slices.Sorted(maps.Keys(b.AdditionalContexts)) {
		if b.AdditionalContexts[name] == types.ServicePrefix+service {
			return name
		}
	}
	return ""
}

// Bases are the services that no profile enables and that enabled ones are built with,
// sorted.
func Bases(p *types.Project) []string {
	var out []string
	reach := p.ServiceNames()
	for i := 0; i < len(reach); i++ {
		s, _ := AnyService(p, reach[i])
		for _, next := range contextServices(s.Build) {
			if _, ok := p.DisabledServices[next]; ok && !slices.Contains(out, next) {
				reach, out = append(reach, next), append(out, next)
			}
		}
	}
	slices.Sort(out)
	return out
}
