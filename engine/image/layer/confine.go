package layer

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// confined runs f on a thread that sees dir as its root. Whatever a layer makes the unpacker believe about paths,
// it cannot name a file of the host, nor one of another layer.
func confined(dir string, f func() error) error {
	// The time zone is read from /etc/localtime once, when it is first needed: not in there.
	_, _ = time.Now().Zone()
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine. Mind that a child which asked to die with its parent
		// (PR_SET_PDEATHSIG) dies with the thread that began it, and any thread may be this one.
		runtime.LockOSThread()
		if err := enter(dir); err != nil {
			done <- fmt.Errorf("enter %s: %w", dir, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// enter gives the calling thread a root of its own. See unshare(2) CLONE_FS, chroot(2).
func enter(dir string) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Chroot(dir); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}
