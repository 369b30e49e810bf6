package daemon

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"tiffin/engine"
	"tiffin/engine/container"
	"tiffin/engine/network"
	"tiffin/engine/runtime"
	"tiffin/engine/state"
)

// recover reads the records and compares them with what is there: processes that run
// are adopted, those that ended are asked how, networks are made so. Start is recovery
// from nothing.
func (d *Daemon) recover(ctx context.Context) error {
	live, err := d.loadRecords()
	if err != nil {
		return err
	}
	processes, err := d.rooms.Keepers.Adopt(ctx)
	if err != nil {
		return err
	}
	if err := d.listen(ctx); err != nil {
		return err
	}
	for id, c := range d.containers {
		c.Restore(live[id].State, live[id].Endpoints, live[id].Published)
	}
	if err := d.restoreNetworks(ctx); err != nil {
		return err
	}
	for id, c := range d.containers {
		d.adopt(ctx, c, processes[id], live[id].rebooted)
	}
	d.rooms.Networks.AnswerNames()
	if err := d.rooms.Keepers.ForgetUntaken(ctx); err != nil {
		return err
	}
	d.endStrays(ctx, processes)
	d.unmountUnused()
	if err := d.sweep(live); err != nil {
		return err
	}
	d.goOnRemoving()
	d.boot()
	return nil
}

// listen begins to listen before containers start: what they mount is this engine's socket.
func (d *Daemon) listen(ctx context.Context) error {
	if d.cfg.Listen == nil {
		return nil
	}
	var kept [][]*os.File
	for _, c := range d.containers {
		if files := c.TakeSocket(); len(files) > 0 {
			kept = append(kept, files)
		}
	}
	err := d.rooms.Keepers.ForgetSockets(ctx)
	if err == nil {
		d.door, err = d.cfg.Listen(kept)
		d.rooms.Door, d.leaves = d.door, errors.Is(err, ErrNotWanted)
	}
	for _, f := range slices.Concat(kept...) {
		_ = f.Close() // a copy
	}
	return err
}

// goOnRemoving removes what was being removed when the last engine ended, or should
// have been.
func (d *Daemon) goOnRemoving() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.containers {
		if record := c.Snapshot(); record.State.Status == engine.StatusRemoving || record.Spec.AutoRemove && record.Ended() {
			d.removeLater(c)
		}
	}
}

// unmountUnused takes off the volumes whose last user ended while no engine ran.
func (d *Daemon) unmountUnused() {
	for _, v := range d.volumes {
		if err := d.rooms.Mounts.Leave(v, ""); err != nil {
			d.log.Warn("volume not unmounted", "volume", v.Name, "err", err)
		}
	}
}

// loadRecords fills the index and returns what is known of how the containers are.
func (d *Daemon) loadRecords() (map[string]liveRecord, error) {
	containers, bad1, err1 := state.Load[engine.Container](d.records, kindContainer)
	networks, bad2, err2 := state.Load[engine.Network](d.records, kindNetwork)
	volumes, bad3, err3 := state.Load[engine.Volume](d.records, kindVolume)
	stacks, bad4, err4 := state.Load[engine.Stack](d.records, kindStack)
	live, bad5, err5 := state.Load[liveRecord](d.states, kindState)
	lives, bad6, err6 := state.Load[engine.State](d.records, kindLife)
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	for name, file := range map[string]*state.Store{"records": d.records, "states": d.states} {
		if err := file.Damage(); err != nil {
			d.log.Error("a file was damaged, and made anew from what can be read of it", "file", name, "err", err)
		}
	}
	d.unread = len(bad1) + len(bad2) + len(bad3) + len(bad4)
	for _, bad := range [][]state.Damaged{bad1, bad2, bad3, bad4, bad5, bad6} {
		for _, r := range bad {
			d.log.Error("a record cannot be read", "kind", r.Kind, "key", r.Key, "reason", r.Reason)
		}
	}
	for id, r := range containers {
		c := container.New(&d.rooms, r)
		d.containers[id] = c
		d.names[r.Name] = id
		if life, ran := lives[id]; ran && live[id].State.Status == "" {
			live[id] = liveRecord{State: life, Endpoints: r.Endpoints, rebooted: true}
		}
	}
	for id := range lives {
		if _, there := containers[id]; !there {
			err1 = errors.Join(err1, d.records.DeleteLater(kindLife, id))
		}
	}
	maps.Copy(d.networks, networks)
	maps.Copy(d.volumes, volumes)
	for name, s := range stacks {
		d.project(name).stack = &s
	}
	return live, err1
}

// restoreNetworks makes the networks and namespaces so that the records say.
func (d *Daemon) restoreNetworks(ctx context.Context) error {
	var networks []engine.Network
	for id, n := range d.networks {
		if n.Created.IsZero() {
			// Its creation did not come to its end: nobody uses it, and Restore sweeps what there is of it.
			delete(d.networks, id)
			if err := d.records.Delete(kindNetwork, id); err != nil {
				return err
			}
			continue
		}
		networks = append(networks, n)
	}
	var formers []network.Former
	for _, c := range d.containers {
		if f, ok := c.Former(); ok {
			formers = append(formers, f)
		}
	}
	err := d.rooms.Networks.Restore(ctx, networks, formers)
	for _, f := range formers {
		for _, socket := range f.NameSockets {
			_ = socket.Close() // a copy
		}
	}
	return err
}

// adopt brings one container back under supervision; rebooted says that what is known
// of it is from an earlier boot.
func (d *Daemon) adopt(ctx context.Context, c *container.Container, p *runtime.Process, rebooted bool) {
	record := c.Snapshot()
	if err := d.rooms.Images.Hold(ctx, c.ID, record.ImageID); err != nil {
		d.log.Warn("image of a container is gone", "container", record.Name, "err", err)
	}
	switch {
	case p != nil:
		c.Adopt(ctx, p)
	case rebooted || record.State.Status.Alive() || record.State.Status == engine.StatusStarting:
		c.Lost(ctx)
	}
	record = c.Snapshot()
	if err := d.saveState(&record); err != nil {
		d.log.Warn("state not recorded", "container", record.Name, "err", err)
	}
	d.answering(&record)
	d.supervise(c)
}

// supervise starts the goroutine of a container.
func (d *Daemon) supervise(c *container.Container) {
	c.Supervise()
	d.work.Go(func() { c.Super.Run(d.life) })
}

// sweep removes what no record knows: the folders of containers whose creation or
// removal did not come to its end, and volumes without a name. While a record may be
// missing because its file was damaged, nothing is: content cannot be made again.
func (d *Daemon) sweep(live map[string]liveRecord) error {
	var forgotten []string
	for id := range live {
		if d.containers[id] == nil {
			forgotten = append(forgotten, id)
		}
	}
	if err := d.states.Delete(kindState, forgotten...); err != nil {
		return err
	}
	unmount := func(id string) bool {
		if d.containers[id] != nil {
			return true
		}
		if err := errors.Join(d.rooms.UnmountShm(id), d.rooms.UnmountTrees(id)); err != nil {
			d.log.Warn("sweep", "container", id, "err", err)
		}
		return false
	}
	if err := state.SweepFolder(d.runContainerRoot(), unmount); err != nil {
		return err
	}
	damaged, err := d.recordsDamaged()
	if err != nil {
		return err
	}
	if damaged {
		d.log.Warn("records are damaged: what they do not mention is left where it is", "root", d.cfg.DataRoot)
		return nil
	}
	if err := state.SweepFolder(d.containerRoot(), func(id string) bool { return d.containers[id] != nil }); err != nil {
		return err
	}
	return d.sweepVolumes()
}

// recordsDamaged says whether there were records that cannot be read, now or earlier:
// what could not be read stays beside the others until somebody takes it away.
func (d *Daemon) recordsDamaged() (bool, error) {
	_, err := os.Stat(d.recordsPath() + ".damaged")
	if err == nil || d.unread > 0 {
		return true, nil
	}
	aside, err := d.records.Quarantine()
	return len(aside) > 0, err
}

// sweepVolumes removes volumes without a record that have no name. One with a name may
// be somebody's data: creating a volume of that name takes it up again.
func (d *Daemon) sweepVolumes() error {
	names, err := d.rooms.Volumes.List()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if _, known := d.volumes[name]; known {
			continue
		}
		if !isAnonymous(name) {
			d.log.Warn("a volume has no record", "volume", name)
			continue
		}
		errs = append(errs, d.rooms.Volumes.Remove(d.life, name))
	}
	return errors.Join(errs...)
}

// isAnonymous says that a volume's name is one that nobody chose.
func isAnonymous(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == len(engine.NewID()) && name == strings.ToLower(name)
}
