package plan

import (
	"cmp"
	"fmt"
	"slices"

	"tiffin/engine"
)

// decideAll says what becomes of the replicas of each selected service.
func (u *up) decideAll() error {
	for _, svc := range u.services {
		if err := u.obtain(svc); err != nil {
			return err
		}
		if svc.Name == u.oneOff {
			continue
		}
		if err := u.decide(svc); err != nil {
			return err
		}
		for _, c := range u.obs.hooksOf(svc.Name) {
			u.retire(c, leftByHook)
		}
	}
	u.restartByNetworks()
	u.batch()
	u.restartByDependencies()
	return nil
}

// decide says which replicas of a service there shall be, and which of those that
// are there must be replaced.
//
// Errors: engine.ErrInvalid for more than one replica of one name.
func (u *up) decide(svc *engine.Service) error {
	if svc.ContainerName != "" && svc.Scale > 1 {
		return engine.Hint(
			engine.Problem(engine.ErrInvalid, fmt.Errorf("service %q cannot have %d replicas: its container_name %q is for one", svc.Name, svc.Scale, svc.ContainerName)),
			"remove container_name, or scale the service to 1")
	}
	next := 1
	var there []*replica
	for _, c := range u.obs.replicas[svc.Name] {
		r := u.newReplica(svc, c.Number)
		r.old = c
		r.recreate = u.diverged(r)
		there = append(there, r)
		next = max(next, c.Number+1)
	}
	there = u.withoutDoubles(there)
	if u.startsFirst(svc, there) {
		there = u.beside(svc, there)
	} else {
		there = u.scaleDown(svc, there)
	}
	for _, r := range there {
		if r.old == nil {
			continue
		}
		u.byID[r.old.ID] = r
		if r.recreate == "" {
			r.keep()
		}
	}
	for ; len(there) < svc.Scale; next++ {
		there = append(there, u.newReplica(svc, next))
	}
	for _, r := range there {
		r.late = u.isLate(r)
		u.order.units[svc.Name] = append(u.order.units[svc.Name], &r.unit)
	}
	u.replicas[svc.Name] = there
	return nil
}

func (u *up) newReplica(svc *engine.Service, number int) *replica {
	name := containerName(u.stack.Name, svc, number)
	return &replica{unit: unit{name: name, service: svc.Name, number: number}, svc: svc}
}

// keep makes the container that is there the replica.
func (r *replica) keep() {
	r.id, r.healthy = r.old.ID, isHealthy(r.old)
	if !r.temporary() {
		r.name = r.old.Name
	}
}

// withoutDoubles keeps one container of each number: a recreation that was interrupted
// leaves two. The better one has not diverged, and has its name already.
func (u *up) withoutDoubles(there []*replica) []*replica {
	slices.SortStableFunc(there, func(a, b *replica) int {
		return cmp.Or(
			cmp.Compare(a.number, b.number),
			falseFirst(a.recreate != "", b.recreate != ""),
			falseFirst(a.temporary(), b.temporary()),
		)
	})
	var out []*replica
	for _, r := range there {
		if len(out) > 0 && out[len(out)-1].number == r.number {
			u.retire(r.old, "left by an interrupted recreation")
			continue
		}
		out = append(out, r)
	}
	return out
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

// temporary says that the container still has the name under which it was made beside
// the one that it replaces.
func (r *replica) temporary() bool { return r.old.Name == TemporaryName(r.old.ID, r.name) }

// TemporaryName is the name of a container as long as the one that it replaces has its name.
func TemporaryName(id, name string) string { return engine.ShortID(id) + "_" + name }

// scaleDown removes what is too much: diverged ones first, then the highest number.
func (u *up) scaleDown(svc *engine.Service, there []*replica) []*replica {
	excess := len(there) - svc.Scale
	if excess <= 0 {
		return there
	}
	going := slices.Clone(there)
	slices.SortStableFunc(going, func(a, b *replica) int {
		return cmp.Or(falseFirst(a.recreate == "", b.recreate == ""), cmp.Compare(b.number, a.number))
	})
	going = going[:excess]
	for _, r := range going {
		u.retire(r.old, fmt.Sprintf("scaled to %d", svc.Scale))
	}
	return slices.DeleteFunc(there, func(r *replica) bool { return slices.Contains(going, r) })
}

// diverged says why a container that is there is not the one that is wanted; "" when it is.
func (u *up) diverged(r *replica) string {
	if key := u.lostVolume(r); key != "" {
		return "volume " + key + " changed"
	}
	if why := u.leftBehind(r); why != "" {
		return why
	}
	if u.req.NoRecreate {
		return ""
	}
	target, image := u.sel.target(r.svc.Name), u.obs.Images[r.svc.Container.Image]
	switch {
	case target && (u.req.ForceRecreate || u.req.RenewAnonVolumes):
		return "forced"
	case !target && u.req.AlwaysRecreateDeps:
		return "dependencies are recreated too"
	case r.old.Spec.Labels[engine.LabelHash] != r.svc.Hash:
		return whatChanged(u.obs.Previous, r.svc)
	case probesOtherwise(r.old, r.svc):
		return "x-ready changed"
	case image != "" && image != r.old.ImageID:
		return "image changed"
	}
	return cmp.Or(u.offNetwork(r), u.offVolume(r))
}

// lostVolume returns the key of a volume that the container mounts and that is
// recreated, or "".
func (u *up) lostVolume(r *replica) string {
	for _, key := range u.volumeKeys {
		if v := u.volumes[key]; v != nil && v.gone != nil && mounts(r.old, v.name) {
			return key
		}
	}
	return ""
}

// offNetwork says which network a container is not on. One that has never been on its
// networks gets there when it starts, unless they have another name.
func (u *up) offNetwork(r *replica) string {
	if r.svc.Container.NetworkMode != "" {
		return ""
	}
	for _, e := range r.svc.Container.Endpoints {
		spec, ok := u.stack.Network(e.Network)
		if !ok {
			continue
		}
		on, there := r.old.Endpoints[spec.Name]
		net := u.obs.Networks[spec.Name]
		if !there || on.NetworkID != "" && on.NetworkID != net.ID {
			return "not on network " + e.Network
		}
	}
	return ""
}

// offVolume says which volume a container does not have.
func (u *up) offVolume(r *replica) string {
	for _, m := range r.svc.Container.Mounts {
		if m.Type != engine.MountVolume || m.Source == "" {
			continue
		}
		if spec, ok := u.stack.Volume(m.Source); ok && !mounts(r.old, spec.Name) {
			return "without volume " + m.Source
		}
	}
	return ""
}

// restartByNetworks stops and starts what is on a network that is recreated.
func (u *up) restartByNetworks() {
	for _, svc := range u.services {
		for _, r := range u.replicas[svc.Name] {
			if r.old == nil {
				continue
			}
			for _, key := range u.networkKeys {
				if net := u.networks[key]; net != nil && net.holds(r.old) {
					r.restartBecause("network " + key + " changed")
				}
			}
		}
	}
}

// restartByDependencies stops and starts what runs and depends, with restart:true, on
// something that is recreated or restarted.
func (u *up) restartByDependencies() {
	for _, svc := range u.services {
		for _, d := range u.order.dependsOn[svc.Name] {
			how := u.disturbed(d.Service)
			if how == "" || !d.Restart {
				continue
			}
			for _, r := range u.replicas[svc.Name] {
				r.restartBecause(fmt.Sprintf("depends on %s, which is %s", d.Service, how))
			}
		}
	}
}

func (r *replica) restartBecause(cause string) {
	if r.old != nil && r.recreate == "" && r.restart == "" && runs(r.old) {
		r.restart = cause
	}
}

// disturbed says what a service's dependents notice; "" when nothing.
func (u *up) disturbed(service string) string {
	how := ""
	for _, r := range u.replicas[service] {
		switch {
		case r.recreate != "":
			return "recreated"
		case r.restart != "":
			how = "restarted"
		}
	}
	return how
}
