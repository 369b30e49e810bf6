package runtime

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sharedMount is a directory whose mounts are told to those who have a clone of it.
func sharedMount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("", dir, "", unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "later"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRunPropagationFromTheHost(t *testing.T) {
	b := newBench(t)
	for option, want := range map[string]string{"": "0\n", "rprivate": "0\n", "rslave": "1\n", "rshared": "1\n"} {
		t.Run("option "+option, func(t *testing.T) {
			b := b.in(t)
			dir := sharedMount(t)
			x := b.box("echo up; while :; do sleep 60; done")
			x.ID = "propagation-" + option
			x.Spec.Mounts = append(x.Spec.Mounts, bind(dir, "/v", option))
			x.start()
			if got := x.output.line(); got != "up" {
				t.Fatal(got)
			}
			if err := unix.Mount("tmpfs", filepath.Join(dir, "later"), "tmpfs", 0, "size=1m"); err != nil {
				t.Fatal(err)
			}
			said, _, err := x.exec(nil, "grep", "-c", " /v/later ", "/proc/self/mountinfo")
			if err != nil || said != want {
				t.Errorf("said %q, %v", said, err)
			}
			if err := x.Cgroup.Kill(t.Context()); err != nil {
				t.Error(err)
			}
			x.wait(x.process)
			x.process.Drop()
		})
	}
}

func TestRunPropagationToTheHost(t *testing.T) {
	b := newBench(t)
	for option, want := range map[string]bool{"rslave": false, "rshared": true} {
		t.Run("option "+option, func(t *testing.T) {
			b := b.in(t)
			dir := sharedMount(t)
			x := b.box("mount -t tmpfs x /v/later && touch /v/later/file")
			privileged(b)(x.Spec)
			x.Spec.Mounts = append(x.Spec.Mounts, bind(dir, "/v", option))
			if said, exit := x.run(); exit.Code() != 0 {
				t.Fatalf("exit %d, said %s", exit.Code(), said)
			}
			if got := exists(filepath.Join(dir, "later/file")); got != want {
				t.Errorf("seen on the host: %v", got)
			}
		})
	}
}

func TestRunRootPropagation(t *testing.T) {
	b := newBench(t)
	for propagation, want := range map[string]string{"": "-\n", "private": "-\n", "shared": "shared:", "unbindable": "unbindable"} {
		t.Run("root "+propagation, func(t *testing.T) {
			b := b.in(t)
			x := b.box("grep ' / / ' /proc/self/mountinfo | head -n1 | cut -d' ' -f7 | sed 's/[0-9]*$//'")
			x.Spec.Linux.RootfsPropagation = propagation
			said, _ := x.run()
			if said != want && said != want+"\n" {
				t.Errorf("said %q", said)
			}
		})
	}
}
