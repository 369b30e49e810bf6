package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
)

// reboot opens an engine on a run root of an earlier boot.
func (b *bench) reboot(t *testing.T) {
	t.Helper()
	b.endAll(t)
	check(t, os.WriteFile(filepath.Join(b.cfg.RunRoot, "boot-id"), []byte("an earlier one\n"), 0o600))
	b.open(t)
}

// endAll ends the engine, the keeper and the containers.
func (b *bench) endAll(t *testing.T) {
	t.Helper()
	var pids []int
	for _, c := range b.all(func(c *engine.Container) bool { return c.State.Status.Alive() }) {
		if len(pids) == 0 {
			pids = append(pids, parent(t, c.State.Pid)) // the keeper first: it is not to see the others end
		}
		pids = append(pids, c.State.Pid)
	}
	check(t, b.Close())
	for _, pid := range pids {
		kill(t, pid)
	}
}

func parent(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	check(t, err)
	_, rest, _ := strings.Cut(string(status), "\nPPid:\t")
	line, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(line)
	check(t, err)
	return n
}

// kill ends a process and returns when it has.
func kill(t *testing.T, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return
	}
	check(t, err)
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && err != unix.ESRCH {
		t.Fatal(err)
	}
	if n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000); n != 1 {
		t.Fatalf("process %d does not end: %v", pid, err)
	}
}

// booted waits until the engine has started again what it can.
func (b *bench) booted(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	p := b.project("demo")
	b.mu.Unlock()
	select {
	case p.turn <- struct{}{}: // not by lock, to which a boot gives way
		<-p.turn
	case <-time.After(20 * time.Second):
		t.Fatal("the engine is still starting what waits")
	}
}

func always(svc engine.Service, deps ...engine.Dependency) engine.Service {
	svc.Container.Restart.Mode = engine.RestartAlways
	svc.DependsOn = deps
	return svc
}

func alive(c *engine.Container) bool { return c.State.Status.Alive() }

func TestWhatRanUntilEverythingWasKilledStartsAgain(t *testing.T) {
	b := openBench(t)
	b.up(t, stack(always(sh("kept", "exec sleep 1000")), always(sh("stopped", "exec sleep 1000")), sh("plain", "exec sleep 1000")))
	check(t, b.Act(t.Context(), &call.ActRequest{Project: "demo", Action: call.ActStop, Services: []string{"stopped"}}, nil))
	b.endAll(t)
	b.open(t)
	b.until(t, "demo-kept-1", alive)
	if c := b.until(t, "demo-plain-1", (*engine.Container).Ended); c.State.ExitCode != engine.ExitUnknown {
		t.Errorf("exit code %d", c.State.ExitCode)
	}
	b.until(t, "demo-stopped-1", (*engine.Container).Ended) // until the machine is started anew

	b.reboot(t)
	b.until(t, "demo-kept-1", alive)
	b.until(t, "demo-stopped-1", alive) // as docker does: that is unless-stopped's difference
	b.booted(t)
	b.down(t)
}

func TestACommandGoesBeforeWhatABootStillWaitsFor(t *testing.T) {
	b := openBench(t)
	db := always(sh("db", "[ -e /keep/ran ] || touch /keep/ok; touch /keep/ran; exec sleep 1000"))
	db.Container.Healthcheck = &engine.Healthcheck{
		Test: []string{"CMD", "ls", "/keep/ok"}, Interval: engine.Duration(50 * time.Millisecond), Retries: 1,
	}
	healthy := engine.Dependency{Service: "db", Condition: engine.ConditionHealthy}
	b.up(t, stack(db, always(sh("api", "exec sleep 1000"), healthy), always(sh("web", "exec sleep 1000"), healthy)))
	keep, _ := b.Volume(b.until(t, "demo-db-1", alive).Mounts[0].Name)
	ok := filepath.Join(keep.Mountpoint, "ok")
	check(t, os.Remove(ok))
	b.reboot(t)
	b.until(t, "demo-db-1", func(c *engine.Container) bool { return c.State.Health.Status == engine.Unhealthy })
	for _, name := range []string{"demo-api-1", "demo-web-1"} {
		if c := b.until(t, name, waits); c.State.ExitCode != engine.ExitUnknown {
			t.Errorf("%s waits with exit code %d", name, c.State.ExitCode)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	check(t, b.Act(ctx, &call.ActRequest{Project: "demo", Action: call.ActStop, Services: []string{"api"}}, nil))
	check(t, os.WriteFile(ok, nil, 0o644))
	b.until(t, "demo-web-1", alive)
	if c := b.until(t, "demo-api-1", (*engine.Container).Ended); !c.State.Stopped {
		t.Errorf("a command stopped it, yet its state is %+v", c.State)
	}
	b.booted(t)
	b.down(t)
}

func TestWhatCannotStartAtBootSaysWhy(t *testing.T) {
	b := openBench(t)
	job := sh("job", "[ ! -e /keep/ran ] || exec sleep 1000; touch /keep/ran")
	late := always(sh("late", "exec sleep 1000"), engine.Dependency{Service: "job", Condition: engine.ConditionCompleted})
	b.up(t, stack(job, late))
	check(t, b.Act(t.Context(), &call.ActRequest{Project: "demo", Action: call.ActStart, Services: []string{"job"}}, nil))
	b.reboot(t)
	if c := b.until(t, "demo-late-1", (*engine.Container).Ended); c.State.Error != `service "job" didn't complete successfully: exit 255` || c.State.Stopped {
		t.Errorf("%+v", c.State)
	}
	b.reboot(t)
	if c := b.until(t, "demo-late-1", (*engine.Container).Ended); c.State.Error == "" {
		t.Error("the next boot does not try again")
	}
	b.booted(t)
	b.down(t)
}
