package plan

import (
	"fmt"
	"slices"
	"strings"

	"tiffin/engine"
)

// share is a reference to a container of another service.
type share struct {
	service string
	// resolved picks, from the spec of a container that was made, the reference to a
	// container that became of it.
	resolved func(*engine.ContainerSpec) string
	// running says that the other one must run.
	running bool
	// stays says that what is shared is the replica's, and outlives the container: a
	// network namespace is handed on to its replacement, and to who is in it.
	stays bool
}

// sharing lists the services whose namespaces or volumes a template uses.
func sharing(c *engine.ContainerSpec) []share {
	var out []share
	for i, mode := range []func(*engine.ContainerSpec) string{
		func(c *engine.ContainerSpec) string { return c.NetworkMode },
		func(c *engine.ContainerSpec) string { return c.PidMode },
		func(c *engine.ContainerSpec) string { return c.IpcMode },
	} {
		if service, ok := strings.CutPrefix(mode(c), "service:"); ok {
			out = append(out, share{service, mode, true, i == 0})
		}
	}
	for i, from := range c.VolumesFrom {
		if strings.HasPrefix(from, "container:") {
			continue
		}
		service, _, _ := strings.Cut(from, ":")
		out = append(out, share{service: service, resolved: func(c *engine.ContainerSpec) string {
			if i < len(c.VolumesFrom) {
				return c.VolumesFrom[i]
			}
			return ""
		}})
	}
	return out
}

// leftBehind says whose namespaces or volumes a container uses that are not those of
// the service any more, or will not be.
func (u *up) leftBehind(r *replica) string {
	for _, s := range sharing(&r.svc.Container) {
		reference, made := strings.CutPrefix(s.resolved(&r.old.Spec), "container:")
		id, _, _ := strings.Cut(reference, ":")
		owner, how := u.owner(s.service)
		if s.stays && how == isRecreated {
			continue
		}
		if how != "" {
			return fmt.Sprintf("joined to %s, which is %s", s.service, how)
		}
		if made && owner != "" && id != owner {
			return fmt.Sprintf("joined to a former container of %s", s.service)
		}
	}
	return ""
}

// isRecreated is how a replica comes to be that takes the place of another one.
const isRecreated = "recreated"

// owner is the ID of the replica of a service that others share with, or how it comes to be.
func (u *up) owner(service string) (id, how string) {
	switch rs := u.replicas[service]; {
	case len(rs) > 0 && rs[0].old == nil:
		return "", "created"
	case len(rs) > 0 && rs[0].recreate != "":
		return "", isRecreated
	case len(rs) > 0:
		return rs[0].old.ID, ""
	}
	if cs := u.obs.replicas[service]; len(cs) > 0 {
		return cs[0].ID, ""
	}
	return "", ""
}

// joined are the services whose namespaces a service enters, which nobody can leave out.
func joined(svc *engine.Service) []engine.Dependency {
	var out []engine.Dependency
	for _, s := range sharing(&svc.Container) {
		if s.running {
			out = append(out, engine.Dependency{Service: s.service, Condition: engine.ConditionStarted, Restart: !s.stays})
		}
	}
	return out
}

// isLate says that a replica is made only when a volume that it, or its predecessor, or
// a container that it shares with, uses was recreated.
func (u *up) isLate(r *replica) bool {
	if r.old != nil && r.recreate == "" {
		return false
	}
	if r.old != nil && u.lostVolume(r) != "" {
		return true
	}
	mountsLost := slices.ContainsFunc(r.svc.Container.Mounts, func(m engine.Mount) bool {
		v := u.volumes[m.Source]
		return m.Type == engine.MountVolume && v != nil && v.gone != nil
	})
	return mountsLost || slices.ContainsFunc(sharing(&r.svc.Container), func(s share) bool {
		return slices.ContainsFunc(u.replicas[s.service], func(owner *replica) bool { return owner.late })
	})
}
