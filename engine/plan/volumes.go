package plan

import (
	"fmt"
	"slices"

	"tiffin/engine"
)

// volumeChange is a volume that is created or recreated.
type volumeChange struct {
	name string
	made *node
	// gone removes the one that is recreated; nil: it is not there.
	gone *node
}

func volumeKeys(c *engine.ContainerSpec) []string {
	var keys []string
	for _, m := range c.Mounts {
		if m.Type == engine.MountVolume && m.Source != "" {
			keys = append(keys, m.Source)
		}
	}
	return keys
}

// addVolumes creates what is missing, and recreates what changed if the caller agreed
// to lose the data.
func (u *up) addVolumes() error {
	for _, key := range u.volumeKeys {
		spec, ok := u.stack.Volume(key)
		if !ok {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("volume %q is used but not defined", key))
		}
		there, ok := u.obs.Volumes[spec.Name]
		switch {
		case spec.External && !ok:
			return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("external volume %q not found", spec.Name)),
				"create it, or remove `external: true`")
		case spec.External:
		case !ok:
			u.volumes[key] = &volumeChange{
				name: spec.Name, made: u.add(Step{Kind: CreateVolume, Name: spec.Name, Cause: "not there", Key: key}),
			}
		case there.Project != u.stack.Name:
			u.warn("volume %q already exists but was not created for project %q. Use `external: true` to use an existing volume", spec.Name, u.stack.Name)
		case !diverges(there.Spec.Hash, spec.Hash):
		case slices.Contains(u.req.RecreateVolumes, spec.Name):
			gone := u.add(Step{Kind: RemoveVolume, Name: spec.Name, Cause: "definition changed", Key: key})
			made := u.add(Step{Kind: CreateVolume, Name: spec.Name, Cause: "definition changed", Key: key}, gone)
			u.volumes[key] = &volumeChange{name: spec.Name, made: made, gone: gone}
		default:
			u.changed = append(u.changed, spec.Name)
			u.warn("Volume %q exists but doesn't match configuration in compose file. Run up with -y to recreate it (its data will be lost)", spec.Name)
		}
	}
	return nil
}

// settleVolumes lets a volume go after the containers that use it.
//
// Errors: engine.ErrConflict when one of them stays.
func (u *up) settleVolumes() error {
	for _, key := range u.volumeKeys {
		change := u.volumes[key]
		if change == nil || change.gone == nil {
			continue
		}
		for c := range u.obs.containers() {
			if !mounts(c, change.name) {
				continue
			}
			if u.gone[c.ID] == nil {
				return engine.Hint(engine.Problem(engine.ErrConflict, fmt.Errorf("volume %s changed and cannot be recreated: container %s uses it", change.name, c.Name)),
					"remove that container, or bring its service up, too")
			}
			change.gone.after(u.gone[c.ID])
		}
	}
	return nil
}
