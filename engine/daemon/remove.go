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
	"tiffin/engine/container"
)

type removeOptions struct {
	force            bool
	anonymousVolumes bool
}

// Remove removes a container.
func (d *Daemon) Remove(ctx context.Context, ref string, opts engine.RemoveOptions) error {
	c, err := d.Container(ref)
	if err != nil {
		return err
	}
	return d.remove(ctx, c, removeOptions{force: opts.Force, anonymousVolumes: opts.Volumes})
}

// remove takes a container away with everything that was made for it. Once begun it
// is seen through, whatever becomes of ctx.
func (d *Daemon) remove(ctx context.Context, c *container.Container, opts removeOptions) error {
	if opts.force {
		if err := c.Super.Stop(ctx, 0); err != nil && !errors.Is(err, engine.ErrConflict) {
			return err
		}
	}
	if err := c.Super.Remove(ctx); err != nil {
		return fmt.Errorf("remove %s: %w", c.Name(), err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	record := c.Snapshot()
	errs := []error{d.dropSandbox(ctx, &record)}
	d.mu.Lock()
	delete(d.containers, c.ID)
	if len(d.containers) == 0 {
		// Under the lock, so that none can be made and started meanwhile.
		d.rooms.RemoveCgroupBase()
	}
	d.mu.Unlock()
	d.releaseName(record.Name, c.ID)
	errs = append(errs, d.removeFiles(&record), d.records.Delete(kindContainer, c.ID), d.states.Delete(kindState, c.ID), d.rooms.Images.Release(ctx, c.ID))
	for i := range record.Mounts {
		if p := &record.Mounts[i]; p.Anonymous && (opts.anonymousVolumes || record.Spec.AutoRemove) {
			if err := d.removeVolume(ctx, p.Name); err != nil && !errors.Is(err, errInUse) {
				errs = append(errs, err)
			}
		}
	}
	if record.Spec.NetworkMode == container.BridgeMode {
		errs = append(errs, d.dropBridge(ctx))
	}
	errs = append(errs, d.dropKeeper(ctx, record.Project))
	close(c.Gone)
	d.events.publish(containerEvent(&record, "destroy", nil))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove %s: %w", record.Name, err)
	}
	return nil
}

// removeFiles removes the writable layer, the logs and the files made for a container.
func (d *Daemon) removeFiles(c *engine.Container) error {
	return errors.Join(d.rooms.Files.Remove(c.ID), os.RemoveAll(filepath.Join(d.runContainerRoot(), c.ID)), os.RemoveAll(filepath.Join(d.containerRoot(), c.ID)))
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
	if len(d.all(func(c *engine.Container) bool { return c.Project == project })) > 0 {
		return nil
	}
	return d.rooms.Keepers.Drop(ctx, project)
}
