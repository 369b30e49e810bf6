package plan

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"tiffin/engine"
)

// whatChanged names the sections in which a service differs from the Stack that was
// brought up last; previous may be nil.
func whatChanged(previous *engine.Stack, svc *engine.Service) string {
	const cause = "configuration changed"
	if previous == nil {
		return cause
	}
	old, ok := previous.Service(svc.Name)
	if !ok {
		return cause
	}
	was, is := sections(old), sections(svc)
	maps.DeleteFunc(was, func(name, value string) bool {
		same := is[name] == value
		if same {
			delete(is, name)
		}
		return same
	})
	maps.Copy(was, is)
	if len(was) == 0 {
		return cause
	}
	return cause + ": " + strings.Join(slices.Sorted(maps.Keys(was)), ", ")
}

// sections are the parts of a service that its containers are made from, as text, by
// their names in a Compose file.
func sections(svc *engine.Service) map[string]string {
	type whole struct {
		*engine.ContainerSpec
		ContainerName string
		PostStart     []engine.Hook
		PreStop       []engine.Hook
	}
	var fields map[string]json.RawMessage
	text, err := json.Marshal(whole{&svc.Container, svc.ContainerName, svc.PostStart, svc.PreStop})
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	if err != nil {
		return nil // it was read from JSON: this cannot be
	}
	out := map[string]string{}
	for field, value := range fields {
		name := sectionName(field)
		if h := svc.Container.Healthcheck; field == "Healthcheck" && h.Probe != nil {
			name = "x-ready"
		}
		out[name] = string(value)
	}
	return out
}

// sectionName is what a Compose file calls a field of engine.ContainerSpec.
func sectionName(field string) string {
	switch field {
	case "Cmd":
		return "command"
	case "Env":
		return "environment"
	case "TTY":
		return "tty"
	case "OpenStdin":
		return "stdin_open"
	case "StopTimeout":
		return "stop_grace_period"
	case "Mounts":
		return "volumes"
	case "Files":
		return "configs and secrets"
	case "Endpoints":
		return "networks"
	case "DNS":
		return "dns"
	case "DNSSearch":
		return "dns_search"
	case "DNSOptions":
		return "dns_opt"
	case "PidMode", "IpcMode", "UtsMode", "CgroupMode":
		return strings.ToLower(strings.TrimSuffix(field, "Mode"))
	case "Log":
		return "logging"
	default:
		return snake(field)
	}
}

// snake turns CapAdd into cap_add.
func snake(field string) string {
	var b strings.Builder
	for i, r := range field {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// probesOtherwise says that a container is not probed as x-ready wants it. The hash of docker
// compose knows nothing of x-ready, so its own record is asked.
func probesOtherwise(c *engine.Container, svc *engine.Service) bool {
	was, is := c.Spec.Healthcheck, svc.Container.Healthcheck
	if (was == nil || was.Probe == nil) && (is == nil || is.Probe == nil) {
		return false // the hash tells
	}
	return !reflect.DeepEqual(was, is)
}
