package harness

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Reboot takes away what a reboot of the machine does: the processes of these roots at one stroke, what is mounted, what
// is in the kernel, and the run root's content. The data root stays, and so do the machine's settings, which other tests
// need at the same time: with them stays the record of what engines have changed there.
func (e *Tiffin) Reboot(tb testing.TB) {
	tb.Helper()
	Until(tb, 10*time.Second, "every process is gone", func() bool {
		left := e.Processes()
		for _, p := range left {
			_ = syscall.Kill(p.Pid, syscall.SIGKILL)
		}
		return len(left) == 0
	})
	for _, m := range mountsBelow(e.Data, e.Run) {
		if err := syscall.Unmount(m, syscall.MNT_DETACH); err != nil {
			tb.Fatalf("unmount %s: %v", m, err)
		}
	}
	for _, r := range e.remains() {
		if err := r.remove(); err != nil {
			tb.Fatalf("remove %s: %v", r.what, err)
		}
	}
	entries, err := os.ReadDir(e.Run)
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range entries {
		if err := os.RemoveAll(filepath.Join(e.Run, f.Name())); err != nil {
			tb.Fatal(err)
		}
	}
}
