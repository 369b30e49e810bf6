package plan

import (
	"tiffin/engine"
)

// addContainers makes, replaces and stops the replicas.
func (u *up) addContainers() error {
	for _, svc := range u.services {
		for _, r := range u.replicas[svc.Name] {
			switch ro := u.rollouts[svc.Name]; {
			case r.old == nil && r.recreate != "":
				r.create = u.addCreate(r, r.recreate, u.nameFreed(r))
				r.ready = r.create
			case r.old == nil:
				r.create = u.addCreate(r, "not there", u.nameFreed(r))
				r.ready = r.create
			case r.recreate != "" && r.late:
				u.addReplacement(r)
			case r.recreate != "" && ro != nil && ro.keepsOld():
				u.addSuccessor(r)
			case r.recreate != "":
				u.addRecreate(r)
			case r.restart != "":
				r.stop = u.addStop(r.old, r.restart, u.req.Timeout)
				r.ready = r.stop
			case r.temporary():
				r.ready = u.addRename(r, "left by an interrupted recreation", u.nameFreed(r))
			}
		}
	}
	for _, svc := range u.services {
		u.addPredecessors(u.rollouts[svc.Name])
	}
	u.orderStops()
	return nil
}

// addCreate makes the record of a replica. It needs the image, the volumes, and the
// containers that it refers to; the networks only when it starts.
func (u *up) addCreate(r *replica, cause string, before ...*node) *node {
	s := r.step(CreateContainer, cause)
	if r.old != nil {
		s.Replaces, s.RenewVolumes = r.old.ID, u.req.RenewAnonVolumes
	}
	n := u.add(s, before...)
	n.after(u.images.ready(r.svc.Container.Image)...)
	for _, m := range r.svc.Container.Mounts {
		if v := u.volumes[m.Source]; m.Type == engine.MountVolume && v != nil {
			n.after(v.made)
		}
	}
	for _, s := range sharing(&r.svc.Container) {
		n.after(u.settled(s.service)...)
	}
	return n
}

// settled are the steps after which the first replica of a service is the one that
// will stay.
func (u *up) settled(service string) []*node {
	var out []*node
	for _, r := range u.replicas[service] {
		out = append(out, r.create)
	}
	for _, c := range u.obs.replicas[service] {
		if u.byID[c.ID] == nil {
			out = append(out, u.gone[c.ID])
		}
	}
	return out
}

// addRecreate makes the new container before the old one goes, so that what cannot
// be created leaves the old one running.
func (u *up) addRecreate(r *replica) {
	r.create = u.addCreate(r, r.recreate)
	r.stop = u.addStop(r.old, "replaced", u.req.Timeout)
	if r.stop != nil {
		r.stop.after(r.create)
	}
	remove := u.addRemoveOld(r, "replaced", r.stop, r.create)
	r.ready = u.addRename(r, "replaced", remove, u.nameFreed(r))
}

// addReplacement removes the old container, and makes the new one then.
func (u *up) addReplacement(r *replica) {
	r.stop = u.addStop(r.old, r.recreate, u.req.Timeout)
	remove := u.addRemoveOld(r, r.recreate, r.stop)
	r.create = u.addCreate(r, r.recreate, remove, u.nameFreed(r))
	r.ready = r.create
}

func (u *up) addRemoveOld(r *replica, cause string, before ...*node) *node {
	n := u.addRemove(r.old, cause, before...)
	n.Volumes = u.req.RenewAnonVolumes
	u.gone[r.old.ID] = n
	return n
}

func (u *up) addRename(r *replica, cause string, before ...*node) *node {
	return u.add(r.step(RenameContainer, cause), before...)
}

// nameFreed is the step after which no other container has the name of a replica; nil
// when none has.
func (u *up) nameFreed(r *replica) *node {
	for c := range u.obs.containers() {
		if c.Name == r.name && (r.old == nil || c.ID != r.old.ID) {
			return u.gone[c.ID]
		}
	}
	return nil
}

// orderStops lets who depends on a service with restart:true stop before it does, but
// not before it is sure that what it is stopped for can be made.
func (u *up) orderStops() {
	u.order.stopInOrder(restarts)
	for _, svc := range u.services {
		for _, r := range u.replicas[svc.Name] {
			if r.stop == nil {
				continue
			}
			for _, d := range u.order.dependsOn[svc.Name] {
				if restarts(d) {
					r.stop.after(u.successors(d.Service)...)
				}
			}
		}
	}
}

func restarts(d engine.Dependency) bool { return d.Restart }

// successors are the steps that make what a service, or what makes it restart, is
// replaced by. Those that are made late come after the stops.
func (u *up) successors(service string) []*node {
	var out []*node
	restarted := false
	for _, r := range u.replicas[service] {
		if r.recreate != "" && !r.late && r.batch == 0 {
			out = append(out, r.create)
		}
		restarted = restarted || r.restart != ""
	}
	if !restarted {
		return out
	}
	for _, d := range u.order.dependsOn[service] {
		if restarts(d) {
			out = append(out, u.successors(d.Service)...)
		}
	}
	return out
}
