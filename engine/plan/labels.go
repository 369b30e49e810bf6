package plan

import (
	"cmp"
	"maps"
	"strconv"
	"strings"

	"tiffin/engine"
)

// Origin is what a container is made of.
type Origin struct {
	Image   *engine.Image
	Own     map[string]string // the service's labels
	Stack   *engine.Stack     // nil: outside of a project
	Service *engine.Service
	Hash    string
	Slug    string // of a one-off
	// Replaces is the container whose place it takes.
	Replaces *engine.Container
}

// Labels are the image's, the service's, and docker compose's.
func Labels(c *engine.Container, of Origin) map[string]string {
	out := maps.Clone(of.Image.Config.Labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, of.Own)
	if of.Stack == nil {
		return out
	}
	oneOff := "False"
	if c.OneOff {
		oneOff = "True"
		if of.Slug != "" {
			out[engine.LabelSlug] = of.Slug
		}
	}
	maps.Copy(out, map[string]string{
		engine.LabelProject:     of.Stack.Name,
		engine.LabelService:     of.Service.Name,
		engine.LabelHash:        of.Hash,
		engine.LabelNumber:      strconv.Itoa(max(c.Number, 1)),
		engine.LabelOneOff:      oneOff,
		engine.LabelImage:       cmp.Or(of.Image.Manifest, of.Image.ID), // as docker compose has it since 5.5
		engine.LabelDependsOn:   DependsOnLabel(of.Service.DependsOn),
		engine.LabelWorkingDir:  of.Stack.WorkingDir,
		engine.LabelConfigFiles: strings.Join(of.Stack.ConfigFiles, ","),
		engine.LabelVersion:     engine.ComposeVersion,
	})
	if len(of.Stack.EnvFiles) > 0 {
		out[engine.LabelEnvironmentFile] = strings.Join(of.Stack.EnvFiles, ",")
	}
	if of.Service.Job != nil {
		out[engine.LabelJob] = of.Service.Name
	}
	if of.Replaces != nil {
		out[engine.LabelReplace] = of.Replaces.Name
	}
	return out
}
