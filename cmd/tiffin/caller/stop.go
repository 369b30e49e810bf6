package caller

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
)

// errNotEnded is what is said of an engine that was told to stop.
var errNotEnded = engine.Problem(engine.ErrUnavailable, fmt.Errorf("the engine has not ended within %s", StartTimeout))

// StopEngine stops the engine and returns once it has given the roots back. It says whether
// one was there: also one that is only coming, or ending.
func (c *Caller) StopEngine(ctx context.Context) (stopped bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, StartTimeout, errNotEnded)
	defer cancel()
	r := c.Roots()
	for {
		client, err := c.ConnectIfRunning()
		if err != nil {
			return false, err
		}
		switch {
		case client != nil:
			err := client.Shutdown(ctx)
			if err == nil {
				return true, c.awaitFreed(ctx, r)
			}
			if !errors.Is(err, engine.ErrUnavailable) || ctx.Err() != nil {
				return true, err
			}
		case c.isFree(r) && !revived(r):
			return stopped, nil
		case c.isFree(r):
			// Who was killed is brought back by a keeper, now or later: only an engine can tell
			// keepers to leave it.
			if _, err := c.Connect(ctx); err != nil {
				return stopped, err
			}
		}
		stopped = true
		select {
		case <-time.After(elsewherePause):
		case <-ctx.Done():
			return true, context.Cause(ctx)
		}
	}
}

// revived says that the last engine was killed, while keepers had something to look after:
// one that ends takes its socket away.
func revived(r Roots) bool {
	keepers, err := filepath.Glob(filepath.Join(r.Run, "keepers", "*.sock"))
	return err == nil && len(keepers) > 0 && !HasLeft(r)
}

// HasLeft says that the last engine has ended of its own will, if there was one.
func HasLeft(r Roots) bool {
	_, err := os.Lstat(r.Socket())
	return errors.Is(err, fs.ErrNotExist)
}

// OnceFreed tries again while try ends with running and no engine answers: one that is ending
// has the roots for a moment yet, and so has who looks whether they are free.
func (c *Caller) OnceFreed(ctx context.Context, err, running error, try func() error) error {
	limit, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	for errors.Is(err, running) && !c.answers(limit) {
		select {
		case <-time.After(elsewherePause):
		case <-limit.Done():
			return err
		}
		err = try()
	}
	return err
}

func engineLock(r Roots) string { return filepath.Join(r.Run, "engine.lock") }

// isFree says that no engine has the roots.
func (c *Caller) isFree(r Roots) bool {
	if _, err := os.Lstat(r.Run); err != nil {
		return true
	}
	lock, err := lockFile(engineLock(r), unix.LOCK_SH|unix.LOCK_NB)
	if err != nil {
		return !errors.Is(err, unix.EWOULDBLOCK)
	}
	return lock.Close() == nil
}

// isDeserted says that nobody answers on the socket: the engine was killed, and a keeper has
// kept the socket for containers, so that who connects waits for the next engine. That one may
// not come.
func (c *Caller) isDeserted(r Roots) bool {
	lock, err := lockFile(engineLock(r), unix.LOCK_SH|unix.LOCK_NB)
	return err == nil && lock.Close() == nil
}

// awaitFreed returns once the engine has given its lock back.
func (c *Caller) awaitFreed(ctx context.Context, r Roots) error {
	freed := make(chan error, 1)
	go func() {
		lock, err := LockFile(engineLock(r))
		if err == nil {
			err = lock.Close()
		}
		freed <- err
	}()
	select {
	case err := <-freed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
