package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/container"
	"tiffin/engine/daemon/events"
)

type removeOptions struct {
	force            bool
	anonymousVolumes bool
}

// Remove removes a container.
func (d *Daemon) Remove(ctx context.Context, ref string, opts call.RemoveOptions) error {
	ctx, leave, err := d.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return d.remove(ctx, c, removeOptions{force: opts.Force, anonymousVolumes: opts.Volumes})
}

// remove takes a container away with everything that was made for it. Once begun it
// is seen through, whatever becomes of ctx. What could not be taken back the next call
// tries again, and else the next engine: then no record knows of it.
func (d *Daemon) remove(ctx context.Context, c *container.Container, opts removeOptions) error {
	c.Removal.Lock()
	defer c.Removal.Unlock()
	if c.IsGone() {
		return nil
	}
	if opts.force {
		if err := c.Super.Force(ctx); err != nil && !errors.Is(err, engine.ErrConflict) {
			return err
		}
	}
	if err := c.Super.Remove(ctx); err != nil {
		return fmt.Errorf("remove %s: %w", c.Name(), err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	record := c.Snapshot()
	if err := d.takeBack(ctx, &record); err != nil {
		return fmt.Errorf("remove %s: %w", record.Name, err)
	}
	d.forget(&record)
	err := d.dropUnused(ctx, &record, opts)
	close(c.Gone)
	d.events.Publish(events.OfContainer(&record, "destroy", nil))
	if err != nil {
		return fmt.Errorf("remove %s: %w", record.Name, err)
	}
	return nil
}

// takeBack undoes what the creation and the starts of a container made. Its record goes
// before its files: files without a record are swept, a record without files is a loss.
func (d *Daemon) takeBack(ctx context.Context, c *engine.Container) error {
	if err := d.dropSandbox(ctx, c); err != nil {
		return err
	}
	if err := d.records.Delete(kindContainer, c.ID); err != nil {
		return err
	}
	return errors.Join(d.removeFiles(c), d.rooms.Images.Release(ctx, c.ID), d.states.Delete(kindState, c.ID), d.records.DeleteLater(kindLife, c.ID))
}

// forget takes a container out of the index.
func (d *Daemon) forget(c *engine.Container) {
	d.mu.Lock()
	delete(d.containers, c.ID)
	d.mu.Unlock()
	d.dropCgroupBase()
	d.releaseName(c.Name, c.ID)
}

// dropCgroupBase removes the parent of the control groups when nothing is to be in it.
func (d *Daemon) dropCgroupBase() {
	// Under the lock, so that no container can be made and started meanwhile, and no job.
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.containers) == 0 && d.jobs.Load() == 0 {
		d.rooms.RemoveCgroupBase()
	}
}

// dropUnused removes what the container may have been the last to use.
func (d *Daemon) dropUnused(ctx context.Context, c *engine.Container, opts removeOptions) error {
	var errs []error
	for i := range c.Mounts {
		if p := &c.Mounts[i]; p.Anonymous && (opts.anonymousVolumes || c.Spec.AutoRemove) {
			if err := d.DropVolume(ctx, p.Name); err != nil && !errors.Is(err, errInUse) {
				errs = append(errs, err)
			}
		}
	}
	if c.Project == "" {
		d.dropLooseLater()
		return errors.Join(errs...)
	}
	if c.Spec.NetworkMode == container.BridgeMode {
		errs = append(errs, d.dropBridge(ctx))
	}
	return errors.Join(append(errs, d.dropKeeper(ctx, c.Project))...)
}

// removeFiles removes the writable layer, the logs and the files made for a container.
func (d *Daemon) removeFiles(c *engine.Container) error {
	return errors.Join(d.rooms.Files.Remove(c.ID), d.rooms.UnmountShm(c.ID), os.RemoveAll(filepath.Join(d.runContainerRoot(), c.ID)), os.RemoveAll(filepath.Join(d.containerRoot(), c.ID)))
}

// removeLater removes a container that ended and was to go then, once its output was
// read. The container's own goroutine calls it, for which removing waits.
func (d *Daemon) removeLater(c *container.Container) {
	d.work.Go(func() {
		c.Readers.Wait()
		if err := d.remove(d.life, c, removeOptions{anonymousVolumes: true}); err != nil && d.life.Err() == nil {
			d.log.Warn("container not removed", "container", c.Name(), "err", err)
		}
	})
}

// Kill sends a signal to a container.
func (d *Daemon) Kill(ctx context.Context, ref, signal string) error {
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return d.kill(ctx, c, signal)
}

// kill sends a signal. SIGKILL waits for the end, so that what follows sees it.
func (d *Daemon) kill(ctx context.Context, c *container.Container, signal string) error {
	sig, err := container.ParseSignal(signal)
	if err != nil {
		return err
	}
	if err := c.Super.Kill(ctx, sig); err != nil {
		return err
	}
	if sig != unix.SIGKILL {
		return nil
	}
	waitCtx, cancel := context.WithTimeoutCause(ctx, killTimeout, fmt.Errorf("%s did not end within %s of SIGKILL", c.Name(), killTimeout))
	defer cancel()
	for {
		record, changed := c.Watch()
		if !record.State.Status.Alive() {
			return nil
		}
		select {
		case <-changed:
		case <-waitCtx.Done():
			return context.Cause(waitCtx)
		}
	}
}

// killTimeout is how long a killed process may take to go: one in an uninterruptible
// sleep stays.
const killTimeout = 10 * time.Second

// removeTimeout bounds the removal of one container.
const removeTimeout = 30 * time.Second

// dropKeeper ends the keeper of a project that has no container left.
func (d *Daemon) dropKeeper(ctx context.Context, project string) error {
	ctx, unlock, err := d.lock(ctx, keeperTurn(project))
	if err != nil {
		return err
	}
	defer unlock()
	return d.dropUnusedKeeper(ctx, project)
}

// dropUnusedKeeper is dropKeeper for who has its turn.
func (d *Daemon) dropUnusedKeeper(ctx context.Context, project string) error {
	if len(d.all(func(c *engine.Container) bool { return c.Project == project })) > 0 {
		return nil
	}
	return d.rooms.Keepers.Drop(ctx, project)
}

// keeperTurn is the turn of who drops the keeper of a project, or enters a container of it
// into the index: a container that is there has its keeper. No project has a name with a blank.
func keeperTurn(project string) string { return "keeper " + project }

// looseLinger is how long what containers outside of projects share stays after the last of
// them: the next one is often at hand, and making it anew would be half of its start.
const looseLinger = 10 * time.Second

// dropLooseLater drops what containers outside of projects share, unless there is one again
// by then.
func (d *Daemon) dropLooseLater() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loose != nil {
		d.loose.Stop()
	}
	d.loose = time.AfterFunc(looseLinger, func() {
		if err := errors.Join(d.dropBridge(d.life), d.dropKeeper(d.life, "")); err != nil && d.life.Err() == nil {
			d.log.Warn("not all was taken back", "err", err)
		}
	})
}
