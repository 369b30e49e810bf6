package ocispec

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"tiffin/engine"
)

// ImageConfig is the config of an image that containers like this one are made of: its image's, with what the
// container was told on top. As with docker, triggers (ONBUILD) are not handed on.
func ImageConfig(c *engine.Container) engine.ImageConfig {
	spec, image := &c.Spec, &c.Image
	out := engine.ImageConfig{
		Env:        environment(nil, image.Env, spec.Env),
		WorkingDir: cmp.Or(spec.WorkingDir, image.WorkingDir),
		User:       User(c),
		StopSignal: cmp.Or(spec.StopSignal, image.StopSignal),
		Shell:      image.Shell,
		Labels:     map[string]string{},
	}
	out.Entrypoint, out.Cmd = commandLine(spec, image)
	out.Healthcheck = imageHealthcheck(spec.Healthcheck, image.Healthcheck)
	maps.Copy(out.Labels, image.Labels)
	maps.Copy(out.Labels, spec.Labels)
	out.Expose = slices.Concat(image.Expose, spec.Expose)
	for _, p := range spec.Ports {
		out.Expose = append(out.Expose, fmt.Sprintf("%d/%s", p.ContainerPort, cmp.Or(p.Protocol, "tcp")))
	}
	out.Volumes = slices.Clone(image.Volumes)
	for i := range c.Mounts {
		if c.Mounts[i].Anonymous {
			out.Volumes = append(out.Volumes, c.Mounts[i].Destination)
		}
	}
	for _, list := range []*[]string{&out.Expose, &out.Volumes} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return out
}

// imageHealthcheck is the check that containers of the image shall have: that of the container, which is complete.
func imageHealthcheck(own, image *engine.Healthcheck) *engine.Healthcheck {
	switch {
	case own == nil && image == nil:
		return nil
	case own == nil:
		return &engine.Healthcheck{Test: []string{"NONE"}}
	case reflect.DeepEqual(own, Healthcheck(nil, image)):
		return image // without the defaults
	default:
		return own
	}
}
