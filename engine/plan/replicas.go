package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tiffin/engine"
)

// decide says which replicas of a service there shall be, and which of those that
// are there must be replaced. lost are the volumes that are recreated.
//
// Errors: engine.ErrInvalid for more than one replica of one name.
func (u *up) decide(svc *engine.Service, lost map[string]string) error {
	if svc.Name == u.oneOff {
		return nil
	}
	if svc.ContainerName != "" && svc.Scale > 1 {
		return engine.Hint(
			engine.Problem(engine.ErrInvalid, fmt.Errorf("service %q cannot have %d replicas: its container_name %q is for one", svc.Name, svc.Scale, svc.ContainerName)),
			"remove container_name, or scale the service to 1")
	}
	var there []*replica
	for _, c := range u.obs.replicas(svc.Name) {
		r := &replica{svc: svc, number: c.Number, name: ContainerName(u.stack.Name, svc, c.Number), old: &c}
		r.recreate = u.diverged(r, lost)
		there = append(there, r)
	}
	u.scaleDown(svc, &there)
	for i := range there {
		if r := there[i]; r.recreate != "" {
			u.disturbed[svc.Name] = "recreated"
		}
	}
	next := 1
	for _, c := range u.obs.replicas(svc.Name) {
		next = max(next, c.Number+1)
	}
	for len(there) < svc.Scale {
		there = append(there, &replica{svc: svc, number: next, name: ContainerName(u.stack.Name, svc, next)})
		next++
	}
	u.replicas[svc.Name] = there
	return nil
}

// scaleDown removes what is too much: diverged ones first, then the highest number.
func (u *up) scaleDown(svc *engine.Service, there *[]*replica) {
	excess := len(*there) - svc.Scale
	if excess <= 0 {
		return
	}
	order := slices.Clone(*there)
	slices.SortStableFunc(order, func(a, b *replica) int {
		if (a.recreate != "") != (b.recreate != "") {
			if a.recreate != "" {
				return -1
			}
			return 1
		}
		return b.number - a.number
	})
	cause := fmt.Sprintf("scaled to %d", svc.Scale)
	for _, r := range order[:excess] {
		u.addRemove(r.old, cause, u.addStop(r.old, cause))
		*there = slices.DeleteFunc(*there, func(o *replica) bool { return o == r })
	}
}

// diverged says why a container that is there is not the one that is wanted; "" when it is.
func (u *up) diverged(r *replica, lost map[string]string) string {
	c, svc := r.old, r.svc
	if key := usesAny(svc, lost); key != "" {
		return "volume " + key + " changed"
	}
	if u.req.NoRecreate {
		return ""
	}
	target := u.sel.target(svc.Name)
	switch {
	case target && (u.req.ForceRecreate || u.req.RenewAnonVolumes):
		return "forced"
	case !target && u.req.AlwaysRecreateDeps:
		return "dependencies are recreated too"
	case c.Spec.Labels[engine.LabelHash] != svc.Hash:
		return u.whatChanged(svc)
	case u.obs.Images[svc.Container.Image] != "" && u.obs.Images[svc.Container.Image] != c.ImageID:
		return "image changed"
	}
	if owner := namespaceOwner(svc); u.disturbed[owner] == "recreated" {
		return "shares namespaces with " + owner + ", which is recreated"
	}
	return ""
}

// whatChanged names the sections that differ from the Stack that was brought up last.
func (u *up) whatChanged(svc *engine.Service) string {
	const cause = "configuration changed"
	if u.obs.Previous == nil {
		return cause
	}
	old, ok := u.obs.Previous.Service(svc.Name)
	if !ok {
		return cause
	}
	if fields := changedFields(&old.Container, &svc.Container); len(fields) > 0 {
		return cause + ": " + strings.Join(fields, ", ")
	}
	return cause
}

// namespaceOwner is the service whose namespaces or volumes svc uses, or "".
func namespaceOwner(svc *engine.Service) string {
	c := &svc.Container
	for _, mode := range []string{c.NetworkMode, c.PidMode, c.IpcMode} {
		if owner, ok := strings.CutPrefix(mode, "service:"); ok {
			return owner
		}
	}
	for _, from := range c.VolumesFrom {
		if !strings.HasPrefix(from, "container:") {
			owner, _, _ := strings.Cut(from, ":")
			return owner
		}
	}
	return ""
}

// usesAny returns the first of the volumes that a service mounts, or "".
func usesAny(svc *engine.Service, volumes map[string]string) string {
	for _, key := range slices.Sorted(maps.Keys(volumes)) {
		for _, m := range svc.Container.Mounts {
			if m.Type == engine.MountVolume && m.Source == key {
				return key
			}
		}
	}
	return ""
}

// disturbDependents marks the running replicas that must be stopped and started
// because something they depend on with restart:true is recreated or restarted.
func (u *up) disturbDependents() {
	for _, svc := range u.inOrder() {
		for _, d := range svc.DependsOn {
			if how := u.disturbed[d.Service]; how != "" && d.Restart && !u.req.NoDeps {
				u.restart(svc.Name, fmt.Sprintf("depends on %s, which is %s", d.Service, how))
			}
		}
	}
}

// disturbByNetworks stops and starts what is on a network that changed.
func (u *up) disturbByNetworks(changed map[string]string) {
	for _, svc := range u.inOrder() {
		for _, e := range svc.Container.Endpoints {
			if _, ok := changed[e.Network]; ok {
				u.restart(svc.Name, "network "+e.Network+" changed")
			}
		}
	}
}

func (u *up) restart(service, cause string) {
	for _, r := range u.replicas[service] {
		if r.old != nil && r.recreate == "" && r.restart == "" && r.old.State.Status.Alive() {
			r.restart = cause
			if u.disturbed[service] == "" {
				u.disturbed[service] = "restarted"
			}
		}
	}
}

// stopDependentsFirst orders the stops: who depends on a service with restart:true
// stops before it does.
func (u *up) stopDependentsFirst() {
	for _, svc := range u.inOrder() {
		for _, d := range svc.DependsOn {
			if !d.Restart {
				continue
			}
			for _, r := range u.replicas[svc.Name] {
				u.stopBefore(r, d.Service)
			}
		}
	}
}

func (u *up) stopBefore(r *replica, service string) {
	for _, on := range u.replicas[service] {
		if on.stop != nil && r.stop != nil {
			on.stop.after(r.stop)
		}
	}
}
