package project

import (
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/paths"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/utils"
)

// settle fills in defaults and makes host paths absolute in a merged document. compose-go
// does both, but compares every value with every pattern that it has, which makes up a
// fifth of the time of loading; here each attribute is looked up where it stands.
func settle(attributes map[string]any, dir string) {
	for _, s := range entries(attributes, "services") {
		container(s, dir)
		for _, hook := range list(s, "pre_start") {
			container(hook, dir)
		}
		for _, port := range list(s, "ports") {
			setDefault(port, "protocol", "tcp")
			setDefault(port, "mode", "ingress")
		}
		develop, _ := s["develop"].(map[string]any)
		for _, watch := range list(develop, "watch") {
			watchPath(watch, dir)
		}
	}
	for _, section := range []string{"configs", "secrets"} {
		for _, f := range entries(attributes, section) {
			absolutize(f, "file", dir)
		}
	}
	for _, v := range entries(attributes, "volumes") {
		if opts, ok := v["driver_opts"].(map[string]any); ok && v["driver"] == "local" && opts["o"] == "bind" {
			absolutize(opts, "device", dir)
		}
	}
}

func container(s map[string]any, dir string) {
	for _, v := range list(s, "volumes") {
		if v["type"] == types.VolumeTypeBind {
			absolutize(v, "source", dir)
		}
		if bind, ok := v["bind"].(map[string]any); ok {
			setDefault(bind, "create_host_path", true)
		}
	}
	for _, f := range list(s, "env_file") {
		absolutize(f, "path", dir)
	}
	if files, ok := s["label_file"].([]any); ok {
		for i, f := range files {
			files[i] = absolutePath(f, dir)
		}
	}
	for _, secret := range list(s, "secrets") {
		if source, ok := secret["source"].(string); ok {
			setDefault(secret, "target", "/run/secrets/"+source)
		}
	}
}

// watchPath follows symbolic links, as compose-go does.
func watchPath(watch map[string]any, dir string) {
	absolutize(watch, "path", dir)
	path, _ := watch["path"].(string)
	if resolved, err := utils.ResolveSymbolicLink(path); err == nil {
		watch["path"] = resolved
	}
}

func absolutize(entry map[string]any, key, dir string) {
	if v, ok := entry[key]; ok {
		entry[key] = absolutePath(v, dir)
	}
}

func absolutePath(v any, dir string) any {
	path, ok := v.(string)
	if !ok || path == "" {
		return v
	}
	if path = paths.ExpandUser(path); filepath.IsAbs(path) || paths.IsWindowsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func setDefault(entry map[string]any, key string, value any) {
	if _, ok := entry[key]; !ok {
		entry[key] = value
	}
}

// entries are the mappings in a section at the top of the document.
func entries(attributes map[string]any, section string) map[string]map[string]any {
	all, _ := attributes[section].(map[string]any)
	out := make(map[string]map[string]any, len(all))
	for k, v := range all {
		if m, ok := v.(map[string]any); ok {
			out[k] = m
		}
	}
	return out
}

// list are the mappings in a list.
func list(entry map[string]any, key string) []map[string]any {
	all, _ := entry[key].([]any)
	var out []map[string]any
	for _, v := range all {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
