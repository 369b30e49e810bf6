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
)

type removeOptions struct {
	force            bool
	anonymousVolumes bool
}

// Remove removes a container.
func (d *Daemon) Remove(ctx context.Context, ref string, opts engine.RemoveOptions) error {
	c, err := d.find(ref)
	if err != nil {
		return err
	}
	return d.remove(ctx, c, removeOptions{force: opts.Force, anonymousVolumes: opts.Volumes})
}

// remove takes a container away with everything that was made for it. Once begun it
// is seen through, whatever becomes of ctx.
func (d *Daemon) remove(ctx context.Context, c *container, opts removeOptions) error {
	if opts.force {
		if err := c.super.Stop(ctx, 0); err != nil && !errors.Is(err, engine.ErrConflict) {
			return err
		}
	}
	if err := c.super.Remove(ctx); err != nil {
		return fmt.Errorf("remove %s: %w", c.name(), err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	record := c.snapshot()
	errs := []error{d.dropSandbox(ctx, &record)}
	d.mu.Lock()
	delete(d.containers, c.id)
	d.mu.Unlock()
	d.releaseName(record.Name, c.id)
	errs = append(errs, d.removeFiles(&record), d.records.Delete(kindContainer, c.id), d.states.Delete(kindState, c.id), d.images.Release(ctx, c.id))
	for i := range record.Mounts {
		if p := &record.Mounts[i]; p.Anonymous && (opts.anonymousVolumes || record.Spec.AutoRemove) {
			if err := d.removeVolume(ctx, p.Name); err != nil && !errors.Is(err, errInUse) {
				errs = append(errs, err)
			}
		}
	}
	if record.Spec.NetworkMode == defaultBridge {
		errs = append(errs, d.dropBridge(ctx))
	}
	errs = append(errs, d.dropKeeper(ctx, record.Project))
	close(c.gone)
	d.events.publish(containerEvent(&record, "destroy", nil))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove %s: %w", record.Name, err)
	}
	return nil
}

// removeFiles removes the writable layer, the logs and the files made for a container.
func (d *Daemon) removeFiles(c *engine.Container) error {
	return errors.Join(d.files.Remove(c.ID), os.RemoveAll(filepath.Join(d.runContainerRoot(), c.ID)), os.RemoveAll(filepath.Join(d.containerRoot(), c.ID)))
}

// removeLater removes a container that ended and was to go then, once its output was
// read. The container's own goroutine calls it, for which removing waits.
func (d *Daemon) removeLater(c *container) {
	d.work.Go(func() {
		c.readers.Wait()
		if err := d.remove(d.life, c, removeOptions{anonymousVolumes: true}); err != nil && d.life.Err() == nil {
			d.log.Warn("container not removed", "container", c.name(), "err", err)
		}
	})
}

// Kill sends a signal to a container.
func (d *Daemon) Kill(ctx context.Context, ref, signal string) error {
	c, err := d.find(ref)
	if err != nil {
		return err
	}
	return d.kill(ctx, c, signal)
}

// kill sends a signal. SIGKILL waits for the end, so that what follows sees it.
func (d *Daemon) kill(ctx context.Context, c *container, signal string) error {
	sig, err := parseSignal(signal)
	if err != nil {
		return err
	}
	if err := c.super.Kill(ctx, sig); err != nil {
		return err
	}
	if sig != unix.SIGKILL {
		return nil
	}
	waitCtx, cancel := context.WithTimeoutCause(ctx, killTimeout, fmt.Errorf("%s did not end within %s of SIGKILL", c.name(), killTimeout))
	defer cancel()
	for {
		record, changed := c.watch()
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
