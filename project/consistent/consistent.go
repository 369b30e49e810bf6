// Package consistent checks what the parts of a merged project say of each other.
//
// References lead somewhere, nothing is said twice, nobody waits for himself.
package consistent

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/project/fault"
	"tiffin/project/shape"
	"tiffin/project/suggest"
)

// rule is what one service has to keep to, given all others.
type rule func(*types.Project, *types.ServiceConfig) error

// Check finds the first fault of a model. document is what the model was made from: which
// attributes were given.
func Check(model *types.Project, document map[string]any) error {
	if err := missing(shape.Document(), document, nil); err != nil {
		return err
	}
	rules := []rule{hasImage, knownNetworks, knownSources, knownServices, knownDependencies, replicas, agreeing, targets, hooks, buildable}
	for _, name := range model.ServiceNames() {
		s := model.Services[name]
		for _, check := range rules {
			if err := check(model, &s); err != nil {
				return err
			}
		}
	}
	for _, name := range Bases(model) {
		s := model.DisabledServices[name]
		if err := buildable(model, &s); err != nil {
			return err
		}
	}
	if err := ownNames(model); err != nil {
		return err
	}
	if err := declared(document); err != nil {
		return err
	}
	if err := circles(model); err != nil {
		return err
	}
	return contextCircles(model)
}

// missing finds attributes that have to be there and are not. It runs on the merged
// document, as a part of an attribute may stand in each file.
func missing(s *shape.Shape, value any, path []string) error {
	for _, alternative := range s.Choices {
		if _, isMap := value.(map[string]any); isMap == (alternative.Kinds&shape.Map != 0) {
			if err := missing(alternative, value, path); err != nil {
				return err
			}
		}
	}
	switch v := value.(type) {
	case map[string]any:
		return missingKeys(s, v, path)
	case []any:
		for i, item := range v {
			if s.Items == nil {
				break
			}
			if err := missing(s.Items, item, append(slices.Clip(path), strconv.Itoa(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

func missingKeys(s *shape.Shape, entry map[string]any, path []string) error {
	for _, name := range s.Required {
		if _, ok := entry[name]; !ok {
			return fault.At(path, "%s has no %s", fault.Dotted(path), name).Hint("Add \"%s:\" to it.", name)
		}
	}
	has := func(name string) bool { _, ok := entry[name]; return ok }
	if len(s.RequiredAny) > 0 && !slices.ContainsFunc(s.RequiredAny, has) {
		return fault.At(path, "%s has none of: %s", fault.Dotted(path), strings.Join(s.RequiredAny, ", ")).
			Hint("Add one of them to it.")
	}
	for _, k := range slices.Sorted(maps.Keys(entry)) {
		sub := s.Keys[k]
		if sub == nil {
			sub = s.Free
		}
		if sub == nil {
			continue
		}
		if err := missing(sub, entry[k], append(slices.Clip(path), k)); err != nil {
			return err
		}
	}
	return nil
}

func hasImage(_ *types.Project, s *types.ServiceConfig) error {
	if s.Build == nil && s.Image == "" && s.Provider == nil {
		return fault.At(fault.In(s), "service %q has neither an image nor a build context specified", s.Name).
			Hint("Add \"image: NAME\" to it.")
	}
	return nil
}

func knownNetworks(p *types.Project, s *types.ServiceConfig) error {
	if s.NetworkMode != "" && len(s.Networks) > 0 {
		return fault.At(fault.In(s, "network_mode"), "service %q has both network_mode and networks", s.Name).
			Hint("Leave one of them out.")
	}
	for _, key := range slices.Sorted(maps.Keys(s.Networks)) {
		if _, ok := p.Networks[key]; !ok {
			return undefined(fault.In(s, "networks", key), s.Name, "network", key, p.NetworkNames())
		}
	}
	return nil
}

// knownSources looks at volumes, configs and secrets.
func knownSources(p *types.Project, s *types.ServiceConfig) error {
	for i, v := range s.Volumes {
		if _, ok := p.Volumes[v.Source]; ok || v.Type != types.VolumeTypeVolume || v.Source == "" {
			continue
		}
		f := undefined(fault.In(s, "volumes", strconv.Itoa(i)), s.Name, "volume", v.Source, p.VolumeNames())
		if strings.Contains(v.Source, "/") {
			return f.Hint("A path begins with / or ./ or ~.")
		}
		return f
	}
	for i, c := range s.Configs {
		if _, ok := p.Configs[c.Source]; !ok {
			return undefined(fault.In(s, "configs", strconv.Itoa(i)), s.Name, "config", c.Source, p.ConfigNames())
		}
	}
	for i, c := range s.Secrets {
		if _, ok := p.Secrets[c.Source]; !ok {
			return undefined(fault.In(s, "secrets", strconv.Itoa(i)), s.Name, "secret", c.Source, p.SecretNames())
		}
	}
	return nil
}

func undefined(path []string, service, what, name string, known []string) *fault.Error {
	f := fault.At(path, "service %q refers to undefined %s %s", service, what, name)
	if near := suggest.Nearest(name, known); near != "" {
		return f.Hint("Did you mean %q?", near)
	}
	return f.Hint("Declare it at the top of the file: \"%ss:\", and below it \"%s:\".", what, name)
}

// knownServices looks at what names a service outside of depends_on.
func knownServices(p *types.Project, s *types.ServiceConfig) error {
	for _, ref := range []struct{ attribute, mode string }{
		{"network_mode", s.NetworkMode}, {"ipc", s.Ipc}, {"pid", s.Pid}, {"uts", s.Uts},
	} {
		if name, ok := strings.CutPrefix(ref.mode, types.ServicePrefix); ok {
			if err := knownService(p, fault.In(s, ref.attribute), s.Name, name); err != nil {
				return err
			}
		}
	}
	for i, link := range s.Links {
		name, _, _ := strings.Cut(link, ":")
		if err := knownService(p, fault.In(s, "links", strconv.Itoa(i)), s.Name, name); err != nil {
			return err
		}
	}
	for i, from := range s.VolumesFrom {
		if strings.HasPrefix(from, types.ContainerPrefix) {
			continue
		}
		name, _, _ := strings.Cut(from, ":")
		if err := knownService(p, fault.In(s, "volumes_from", strconv.Itoa(i)), s.Name, name); err != nil {
			return err
		}
	}
	return nil
}

func knownService(p *types.Project, path []string, from, name string) error {
	if _, ok := p.Services[name]; ok {
		return nil
	}
	if off, ok := p.DisabledServices[name]; ok {
		return disabled(path, from, name, off)
	}
	return undefinedService(path, "service %q refers to undefined service %q", from, name, p)
}

func undefinedService(path []string, format, from, name string, p *types.Project) *fault.Error {
	f := fault.At(path, format, from, name)
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(p.AllServices())), func(s string) bool { return s == from })
	f.Tip = suggest.Meant(name, others)
	return f
}

func disabled(path []string, from, name string, off types.ServiceConfig) *fault.Error {
	return fault.At(path, "service %q needs service %q, which no active profile enables", from, name).
		Hint("Say --profile %s, or make the dependency \"required: false\".", off.Profiles[0])
}

func knownDependencies(p *types.Project, s *types.ServiceConfig) error {
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		d := s.DependsOn[name]
		path := fault.In(s, "depends_on", name)
		on, ok := p.Services[name]
		if ok {
			if d.Condition == types.ServiceConditionHealthy && neverHealthy(on) {
				return fault.At(path, "service %q waits for %q to be healthy, and its health check is disabled", s.Name, name).
					Hint("Wait for service_started, or give %s a health check.", name)
			}
			continue
		}
		if off, ok := p.DisabledServices[name]; ok {
			if !d.Required {
				continue
			}
			return disabled(path, s.Name, name, off)
		}
		return undefinedService(path, "service %q depends on undefined service %q", s.Name, name, p)
	}
	return nil
}

func neverHealthy(s types.ServiceConfig) bool {
	h := s.HealthCheck
	return h != nil && (h.Disable || len(h.Test) > 0 && h.Test[0] == "NONE")
}

func replicas(_ *types.Project, s *types.ServiceConfig) error {
	path := fault.In(s, "scale")
	if s.Scale == nil {
		path = fault.In(s, "deploy", "replicas")
	}
	if d := s.Deploy; s.Scale != nil && d != nil && d.Replicas != nil && *d.Replicas != *s.Scale {
		return fault.At(path, "service %q has scale: %d and deploy.replicas: %d", s.Name, *s.Scale, *d.Replicas).
			Hint("Leave one of them out.")
	}
	if s.GetScale() < 0 {
		return fault.At(path, "%s must not be negative", fault.Dotted(path))
	}
	if s.GetScale() > 1 && s.ContainerName != "" {
		return fault.At(fault.In(s, "container_name"), "service %q has a container_name and %d replicas: only one can have the name",
			s.Name, s.GetScale()).Hint("Leave container_name out.")
	}
	return nil
}

// agreeing compares the limits that can be given in two places.
func agreeing(_ *types.Project, s *types.ServiceConfig) error {
	if s.Deploy == nil {
		return nil
	}
	differ := func(attribute, deploy string) error {
		return fault.At(fault.In(s, attribute), "service %q has %s and deploy.resources.%s, and they differ", s.Name, attribute, deploy).
			Hint("Leave one of them out.")
	}
	limits, reservations := s.Deploy.Resources.Limits, s.Deploy.Resources.Reservations
	switch {
	case limits != nil && s.CPUS != 0 && limits.NanoCPUs != 0 && limits.NanoCPUs.Value() != s.CPUS:
		return differ("cpus", "limits.cpus")
	case limits != nil && s.MemLimit != 0 && limits.MemoryBytes != 0 && limits.MemoryBytes != s.MemLimit:
		return differ("mem_limit", "limits.memory")
	case limits != nil && s.PidsLimit != 0 && limits.Pids != 0 && limits.Pids != s.PidsLimit:
		return differ("pids_limit", "limits.pids")
	case reservations != nil && s.MemReservation != 0 && reservations.MemoryBytes != 0 &&
		reservations.MemoryBytes != s.MemReservation:
		return differ("mem_reservation", "reservations.memory")
	default:
		return nil
	}
}

// targets finds two mounts at one place.
func targets(_ *types.Project, s *types.ServiceConfig) error {
	taken := map[string]string{}
	take := func(target string, path []string) error {
		if former, ok := taken[target]; ok {
			return fault.At(path, "%s: %s is already the target of %s", fault.Dotted(path), target, former)
		}
		taken[target] = fault.Dotted(path)
		return nil
	}
	for i, text := range s.Tmpfs {
		target, _, _ := strings.Cut(text, ":")
		if err := take(target, fault.In(s, "tmpfs", strconv.Itoa(i))); err != nil {
			return err
		}
	}
	for i, v := range s.Volumes {
		if err := take(v.Target, fault.In(s, "volumes", strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nil
}

// ownNames finds two services with one container_name.
func ownNames(p *types.Project) error {
	owner := map[string]string{}
	for _, name := range p.ServiceNames() {
		s := p.Services[name]
		if s.ContainerName == "" {
			continue
		}
		if other, ok := owner[s.ContainerName]; ok {
			return fault.At(fault.In(&s, "container_name"), "services %q and %q have the same container_name %q",
				other, name, s.ContainerName)
		}
		owner[s.ContainerName] = name
	}
	return nil
}

// declared checks volumes, configs and secrets at the top of the files.
func declared(attributes map[string]any) error {
	contents := map[string][]string{"configs": {"file", "environment", "content"}, "secrets": {"file", "environment"}}
	for _, section := range []string{"volumes", "configs", "secrets"} {
		entries, _ := attributes[section].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			entry, _ := entries[key].(map[string]any)
			path := []string{section, key}
			external, err := strconv.ParseBool(text(entry["external"]))
			if external && err == nil {
				if section == "volumes" {
					if err := externalAlone(path, entry); err != nil {
						return err
					}
				}
				continue
			}
			if err := oneContent(path, entry, contents[section]); err != nil {
				return err
			}
		}
	}
	return nil
}

// externalAlone: what exists already is not described.
func externalAlone(path []string, entry map[string]any) error {
	for _, k := range slices.Sorted(maps.Keys(entry)) {
		if k != "name" && k != "external" && !strings.HasPrefix(k, "x-") && !strings.HasPrefix(k, "#") {
			return fault.At(append(path, k), "%s: external excludes %s", fault.Dotted(path), k).
				Hint("An external one exists already: only its name counts.")
		}
	}
	return nil
}

func oneContent(path []string, entry map[string]any, ways []string) error {
	if ways == nil {
		return nil
	}
	given := 0
	for _, w := range ways {
		if _, ok := entry[w]; ok {
			given++
		}
	}
	_, driver := entry["driver"]
	if _, environment := entry["environment"]; environment && given == 2 && ways[len(ways)-1] == "content" {
		given = 1 // compose-go has put the variable's value into content
	}
	list := strings.Join(ways[:len(ways)-1], ", ") + " and " + ways[len(ways)-1]
	switch {
	case given > 1:
		return fault.At(path, "%s: %s exclude each other", fault.Dotted(path), list)
	case given == 0 && !driver:
		return fault.At(path, "%s: one of %s has to be set", fault.Dotted(path), list)
	default:
		return nil
	}
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	default:
		return ""
	}
}

// circles finds services that depend on themselves, by others.
func circles(p *types.Project) error {
	circle := circleOf(p.ServiceNames(), func(name string) []string {
		return slices.Sorted(maps.Keys(p.Services[name].DependsOn))
	})
	if circle == nil {
		return nil
	}
	return fault.At([]string{"services", circle[0], "depends_on", circle[1]},
		"services depend on each other: %s", strings.Join(circle, " → ")).
		Hint("Remove one of these dependencies; links, network_mode and volumes_from count as well.")
}

// circleOf is a way that leads from a name back to it; nil: there is none.
func circleOf(names []string, next func(name string) []string) []string {
	done := map[string]bool{}
	var walk func(names, chain []string) []string
	walk = func(names, chain []string) []string {
		for _, name := range names {
			if i := slices.Index(chain, name); i >= 0 {
				return append(slices.Clone(chain[i:]), name)
			}
			if done[name] {
				continue
			}
			if circle := walk(next(name), append(chain, name)); circle != nil {
				return circle
			}
			done[name] = true
		}
		return nil
	}
	return walk(names, nil)
}
