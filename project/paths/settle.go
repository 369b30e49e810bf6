package paths

import (
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/paths"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/utils"
)

// Origin is where relative paths begin: the project directory (they stay as they are
// when it is "") and, for ~, the user's.
type Origin struct{ Dir, Home string }

// Settle fills in defaults and makes host paths absolute in a merged document. compose-go
// does both, but compares every value with every pattern that it has, which makes up a
// fifth of the time of loading; here each attribute is looked up where it stands.
func Settle(attributes map[string]any, from Origin) {
	for _, section := range []string{"services", "jobs"} {
		for _, s := range entries(attributes, section) {
			from.workload(s)
		}
	}
	for _, section := range []string{"configs", "secrets"} {
		for _, f := range entries(attributes, section) {
			from.absolutize(f, "file")
		}
	}
	for _, v := range entries(attributes, "volumes") {
		if opts, ok := v["driver_opts"].(map[string]any); ok && v["driver"] == "local" && opts["o"] == "bind" {
			from.absolutize(opts, "device")
		}
	}
}

// allDevices are meant where nobody says how many, or which.
func allDevices(requests []map[string]any) {
	for _, r := range requests {
		if _, ok := r["device_ids"]; !ok {
			setDefault(r, "count", "all")
		}
	}
}

// below is the mapping that a path leads to; nil if there is none.
func below(entry map[string]any, path ...string) map[string]any {
	for _, key := range path {
		entry, _ = entry[key].(map[string]any)
	}
	return entry
}

// workload is a service or a job.
func (o Origin) workload(s map[string]any) {
	o.container(s)
	for _, hook := range list(s, "pre_start") {
		o.container(hook)
	}
	for _, port := range list(s, "ports") {
		setDefault(port, "protocol", "tcp")
		setDefault(port, "mode", "ingress")
	}
	allDevices(list(s, "gpus"))
	allDevices(list(below(s, "deploy", "resources", "reservations"), "devices"))
	if build, ok := s["build"].(map[string]any); ok {
		o.build(build)
	}
	develop, _ := s["develop"].(map[string]any)
	for _, watch := range list(develop, "watch") {
		o.watch(watch)
	}
}

func (o Origin) container(s map[string]any) {
	for _, v := range list(s, "volumes") {
		if v["type"] == types.VolumeTypeBind {
			o.absolutize(v, "source")
		}
		if bind, ok := v["bind"].(map[string]any); ok {
			setDefault(bind, "create_host_path", true)
		}
	}
	for _, f := range list(s, "env_file") {
		o.absolutize(f, "path")
	}
	if files, ok := s["label_file"].([]any); ok {
		for i := range files {
			if path, ok := files[i].(string); ok {
				files[i] = o.Absolute(path)
			}
		}
	}
	for _, secret := range list(s, "secrets") {
		if source, ok := secret["source"].(string); ok {
			setDefault(secret, "target", "/run/secrets/"+source)
		}
	}
}

// build leaves contexts that are no local directories as they are.
func (o Origin) build(build map[string]any) {
	setDefault(build, "context", ".")
	o.context(build, "context")
	contexts, _ := build["additional_contexts"].(map[string]any)
	for name := range contexts {
		o.context(contexts, name)
	}
	keys, _ := build["ssh"].(map[string]any)
	for name := range keys {
		o.absolutize(keys, name)
	}
}

func (o Origin) context(entry map[string]any, key string) {
	if path, ok := entry[key].(string); ok && IsLocal(path) {
		entry[key] = o.Absolute(path)
	}
}

// IsLocal says that the context of a build is a folder on this host; "-" is standard input.
func IsLocal(path string) bool {
	return path != "-" && !strings.Contains(path, "://") && !strings.HasPrefix(path, types.ServicePrefix) && !IsRemote(path)
}

// watch follows symbolic links, as compose-go does.
func (o Origin) watch(watch map[string]any) {
	o.absolutize(watch, "path")
	path, _ := watch["path"].(string)
	if resolved, err := utils.ResolveSymbolicLink(path); err == nil {
		watch["path"] = resolved
	}
}

func (o Origin) absolutize(entry map[string]any, key string) {
	if path, ok := entry[key].(string); ok {
		entry[key] = o.Absolute(path)
	}
}

// Absolute makes a host path absolute; "" stays.
func (o Origin) Absolute(path string) string {
	if path == "" || o.Dir == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, "~"); ok {
		path = filepath.Join(o.Home, rest)
	}
	if filepath.IsAbs(path) || paths.IsWindowsAbs(path) {
		return path
	}
	return filepath.Join(o.Dir, path)
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

// IsRemote says that path names a Compose file in a registry or a git repository.
func IsRemote(path string) bool {
	for _, prefix := range []string{"oci://", "git://", "git@", "ssh://", "https://", "http://", "github.com/"} {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}
