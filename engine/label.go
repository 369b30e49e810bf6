package engine

import "maps"

// The labels of docker compose: other tools, and compose's users, find the objects
// of a project by them.
const (
	LabelProject         = "com.docker.compose.project"
	LabelService         = "com.docker.compose.service"
	LabelHash            = "com.docker.compose.config-hash"
	LabelNumber          = "com.docker.compose.container-number"
	LabelOneOff          = "com.docker.compose.oneoff" // True or False
	LabelSlug            = "com.docker.compose.slug"
	LabelImage           = "com.docker.compose.image"
	LabelDependsOn       = "com.docker.compose.depends_on"
	LabelWorkingDir      = "com.docker.compose.project.working_dir"
	LabelConfigFiles     = "com.docker.compose.project.config_files"
	LabelEnvironmentFile = "com.docker.compose.project.environment_file"
	LabelVersion         = "com.docker.compose.version"
	LabelReplace         = "com.docker.compose.replace"
	LabelHook            = "com.docker.compose.hook" // pre_start
	LabelJob             = "com.docker.compose.job"  // of what runs for a job: its name
	LabelNetwork         = "com.docker.compose.network"
	LabelVolume          = "com.docker.compose.volume"
)

// ComposeVersion is the version of docker compose whose behaviour tiffin has; labels say it. What they say makes no
// difference to whether something changed.
const ComposeVersion = "5.0.0"

// Labels are the network's own and, in a project, those by which others find it.
func (n *Network) Labels() map[string]string {
	return withObject(n.Spec.Labels, n.Project, n.Spec.Hash, LabelNetwork, n.Spec.Key)
}

// Labels are the volume's own and, in a project, those by which others find it.
func (v *Volume) Labels() map[string]string {
	return withObject(v.Spec.Labels, v.Project, v.Spec.Hash, LabelVolume, v.Spec.Key)
}

// withObject adds the labels of an object of a project. What has no key there is an anonymous volume, which has only
// the project's.
func withObject(own map[string]string, project, hash, kind, key string) map[string]string {
	out := map[string]string{LabelVersion: ComposeVersion}
	if project == "" || key == "" {
		delete(out, LabelVersion)
	}
	maps.Copy(out, own) // which may be docker compose's, of the version that made the object
	if project == "" {
		return out
	}
	out[LabelProject] = project
	if key != "" {
		out[kind] = key
	}
	if key != "" && hash != "" { // old versions of docker compose write none
		out[LabelHash] = hash
	}
	return out
}
