package daemon

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tiffin/engine"
	"tiffin/engine/call"
)

// The tests in this file run containers. They do so in a network and a mount namespace
// of their own, into which this program executes itself again.
const insideVariable = "TIFFIN_DAEMON_TEST_INSIDE"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 || os.Getenv(insideVariable) != "" {
		unix.Umask(0o022)
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		os.Exit(1)
	}
}

// bench is an engine with roots of its own and one image, busybox.
type bench struct {
	*Daemon
	cfg Config
}

const testImage = "busybox:test"

func openBench(t *testing.T) *bench {
	t.Helper()
	needs := func(what string) {
		if os.Getenv("REQUIRE_ROOT") == "1" {
			t.Fatal("this test needs " + what)
		}
		t.Skip("this test needs " + what)
	}
	if os.Geteuid() != 0 {
		needs("root")
	}
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		needs("busybox (make setup installs it)")
	}
	// The path of a socket is short, that of t.TempDir is not.
	root, err := os.MkdirTemp("", "tfd") //nolint:usetesting // a socket's path is short: t.TempDir has the name of the test in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(root) })
	program := filepath.Join(root, "keeper")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "tiffin/cmd/tiffin-keeper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build keeper: %v\n%s", err, out)
	}
	keeper, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{cfg: Config{
		DataRoot: filepath.Join(root, "data"), RunRoot: filepath.Join(root, "run"), Version: "test", Keeper: keeper,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Stop: func() {},
	}}
	b.open(t)
	t.Cleanup(func() { b.close(t) })
	config := engine.ImageConfig{Cmd: []string{"sleep", "1000"}, Env: []string{"PATH=/bin"}, Volumes: []string{"/keep"}}
	if _, err := b.ImportImage(t.Context(), rootfs(t, box), testImage, config); err != nil {
		t.Fatal(err)
	}
	return b
}

func rootfs(t *testing.T, box []byte) *bytes.Buffer {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, dir := range []string{"bin", "etc", "tmp", "dev", "proc", "sys"} {
		check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}))
	}
	check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "bin/busybox", Mode: 0o755, Size: int64(len(box))}))
	_, err := w.Write(box)
	check(t, err)
	for _, name := range []string{"sh", "sleep", "cat", "echo", "hostname", "grep", "rm", "ln", "ls", "true", "false", "kill", "touch"} {
		check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777}))
	}
	check(t, w.Close())
	return &buf
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) open(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := Open(ctx, b.cfg)
	check(t, err)
	b.Daemon = d
}

// reopen is a new engine on the roots of one that ended.
func (b *bench) reopen(t *testing.T) {
	t.Helper()
	check(t, b.Close())
	b.open(t)
}

// close removes what is left, ends the engine, and looks for what it left behind.
func (b *bench) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, c := range b.all(func(*engine.Container) bool { return true }) {
		if err := b.Remove(ctx, c.ID, call.RemoveOptions{Force: true, Volumes: true}); err != nil && !errors.Is(err, engine.ErrNotFound) {
			t.Error(err)
		}
	}
	base := b.rooms.CgroupBase
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	check(t, err)
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, filepath.Dir(b.cfg.DataRoot)) {
			t.Errorf("a mount is left: %s", line)
		}
	}
	for _, pattern := range []string{
		filepath.Join(b.cfg.RunRoot, "netns", "*"), filepath.Join(b.cfg.RunRoot, "keepers", "*"), filepath.Join(b.cfg.RunRoot, "containers", "*"),
		filepath.Join(b.cfg.DataRoot, "containers", "*"), filepath.Join(b.cfg.DataRoot, "volumes", strings.Repeat("?", 64)),
		"/sys/fs/cgroup" + base, "/sys/fs/cgroup/*" + base,
	} {
		left, err := filepath.Glob(pattern)
		check(t, err)
		for _, path := range left {
			t.Errorf("a file is left: %s", path)
		}
	}
}

// stack is a project of services without a network.
func stack(services ...engine.Service) *call.UpRequest {
	s := engine.Stack{Name: "demo", Services: services}
	for i := range s.Services {
		svc := &s.Services[i]
		svc.Scale = max(svc.Scale, 1)
		svc.PullPolicy = engine.PullNever
		svc.Hash = "1"
		svc.Container.Image = testImage
		if svc.Container.NetworkMode == "" {
			svc.Container.NetworkMode = "none"
		}
		svc.Container.StopTimeout = new(engine.Duration(time.Second))
	}
	slices.SortFunc(s.Services, func(a, b engine.Service) int { return strings.Compare(a.Name, b.Name) })
	return &call.UpRequest{Stack: s}
}

func sh(name, script string) engine.Service {
	return engine.Service{Name: name, Container: engine.ContainerSpec{Cmd: []string{"sh", "-c", script}}}
}

func (b *bench) up(t *testing.T, req *call.UpRequest) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, b.Up(ctx, req, nil))
}

func (b *bench) down(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	check(t, b.Down(ctx, &call.DownRequest{Project: "demo", Volumes: true, Timeout: new(engine.Duration(0))}, nil))
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.projects) > 0 {
		t.Errorf("%d projects are remembered after down", len(b.projects))
	}
}

// run is the output of a command in a container.
func (b *bench) run(t *testing.T, ref string, cmd ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, complaints bytes.Buffer
	code, err := b.Exec(ctx, ref, &call.ExecRequest{Cmd: cmd}, call.Streams{Stdout: &out, Stderr: &complaints})
	check(t, err)
	if code != 0 {
		t.Fatalf("%q exited with code %d: %s", cmd, code, complaints.String())
	}
	return out.String()
}

// until waits for a state of a container.
func (b *bench) until(t *testing.T, ref string, good func(*engine.Container) bool) engine.Container {
	t.Helper()
	c, err := b.Container(ref)
	check(t, err)
	limit := time.After(20 * time.Second)
	for {
		record, changed := c.Watch()
		if good(&record) {
			return record
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("%s is %s, exit code %d", ref, record.State.Status, record.State.ExitCode)
		}
	}
}

func TestAContainerIsCreatedStartedEnteredStoppedAndRemoved(t *testing.T) {
	b := openBench(t)
	b.up(t, stack(sh("a", "touch /keep/x; exec sleep 1000")))
	if got := b.run(t, "demo-a-1", "sh", "-c", "until [ -e /keep/x ]; do sleep 0.01; done; ls /keep; hostname"); got != "x\n"+engine.ShortID(b.id(t, "demo-a-1"))+"\n" {
		t.Errorf("exec printed %q", got)
	}
	check(t, b.Act(t.Context(), &call.ActRequest{Project: "demo", Action: call.ActStop}, nil))
	if c := b.until(t, "demo-a-1", (*engine.Container).Ended); c.State.ExitCode != 137 {
		t.Errorf("exit code %d, want 137: the first process ignores SIGTERM", c.State.ExitCode)
	}
	b.down(t)
}

func (b *bench) id(t *testing.T, ref string) string {
	t.Helper()
	c, err := b.Container(ref)
	check(t, err)
	return c.ID
}

func TestANewEngineFindsWhatRunsAndHowTheOthersEnded(t *testing.T) {
	b := openBench(t)
	ends, again := sh("ends", "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 7"), sh("again", "sleep 0.3; exit 3")
	again.Container.Restart = engine.RestartPolicy{Mode: engine.RestartOnFailure, MaxAttempts: 1}
	b.up(t, stack(sh("runs", "exec sleep 1000"), ends, again))
	pid := b.until(t, "demo-runs-1", func(c *engine.Container) bool { return c.State.Status.Alive() }).State.Pid
	b.run(t, "demo-ends-1", "touch", "/tmp/go")
	b.reopen(t)
	if c := b.until(t, "demo-ends-1", (*engine.Container).Ended); c.State.ExitCode != 7 {
		t.Errorf("exit code %d, want 7", c.State.ExitCode)
	}
	if c := b.until(t, "demo-again-1", (*engine.Container).Ended); c.State.ExitCode != 3 || c.State.RestartCount != 1 {
		t.Errorf("exit code %d after %d restarts, want 3 after 1", c.State.ExitCode, c.State.RestartCount)
	}
	if c := b.until(t, "demo-runs-1", func(c *engine.Container) bool { return c.State.Status.Alive() }); c.State.Pid != pid {
		t.Errorf("pid %d, was %d", c.State.Pid, pid)
	}
	if got := b.run(t, "demo-runs-1", "echo", "here"); got != "here\n" {
		t.Errorf("exec printed %q", got)
	}
	b.down(t)
}

func TestSharedMemoryIsItsOwnersToShare(t *testing.T) {
	b := openBench(t)
	owner := sh("owner", "touch /dev/shm/mark; exec sleep 1000")
	owner.Container.IpcMode = "shareable"
	guest := sh("guest", "exec sleep 1000")
	guest.Container.IpcMode = "service:owner"
	guest.DependsOn = []engine.Dependency{{Service: "owner", Condition: engine.ConditionStarted}}
	b.up(t, stack(owner, guest))
	b.reopen(t)
	if got := b.run(t, "demo-guest-1", "ls", "/dev/shm"); got != "mark\n" {
		t.Errorf("shared memory has %q", got)
	}
	b.down(t)

	owner.Container.Cmd = []string{"sh", "-c", "exec sleep 1000"}
	owner.Container.IpcMode = ""
	err := b.Up(t.Context(), stack(owner, guest), nil)
	if !errors.Is(err, engine.ErrConflict) || !strings.Contains(err.Error(), "not shareable") {
		t.Errorf("an owner without shared memory: %v", err)
	}
	b.down(t)
}

func TestABadOptionIsRefusedBeforeWhatRunsIsTouched(t *testing.T) {
	b := openBench(t)
	b.up(t, stack(sh("a", "exec sleep 1000")))
	id := b.id(t, "demo-a-1")
	bad := sh("a", "exec sleep 1000")
	bad.Container.CapAdd = []string{"NO_SUCH"}
	req := stack(bad)
	req.Stack.Services[0].Hash = "2"
	if err := b.Up(t.Context(), req, nil); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("up: %v", err)
	}
	if c := b.until(t, id, func(c *engine.Container) bool { return c.State.Status.Alive() }); c.Name != "demo-a-1" {
		t.Errorf("it is named %s", c.Name)
	}
	b.down(t)
}

func TestAVolumeWithAFileSystemOfItsOwnIsMountedWhileItIsUsed(t *testing.T) {
	b := openBench(t)
	svc := sh("a", "exec sleep 1000")
	svc.Container.Mounts = []engine.Mount{{Type: engine.MountVolume, Source: "mem", Target: "/mem"}}
	req := stack(svc)
	req.Stack.Volumes = []engine.VolumeSpec{{Key: "mem", Name: "demo_mem", Driver: "local", DriverOpts: map[string]string{"type": "tmpfs", "device": "tmpfs"}}}
	// The table of mounts cannot be read at one stroke while others change it.
	mounted := func() bool {
		v, ok := b.Volume("demo_mem")
		if !ok {
			t.Fatal("no such volume")
		}
		var fs unix.Statfs_t
		check(t, unix.Statfs(v.Mountpoint, &fs))
		return fs.Type == unix.TMPFS_MAGIC
	}
	b.up(t, req)
	b.reopen(t)
	if !mounted() {
		t.Error("not mounted while a container uses it")
	}
	check(t, b.Act(t.Context(), &call.ActRequest{Project: "demo", Action: call.ActStop}, nil))
	if mounted() {
		t.Error("mounted after the last user stopped")
	}
	b.down(t)
}

func TestAOneOffWhoseStartDidNotSucceedGoes(t *testing.T) {
	b := openBench(t)
	req := stack(sh("a", "true"))
	spec := req.Stack.Services[0].Container
	spec.Cmd, spec.AutoRemove = []string{"/no/such/command"}, true
	spec.NetworkMode = "bridge"
	_, err := b.Run(t.Context(), &call.RunRequest{Up: *req, Service: "a", Container: spec, Start: true}, nil)
	var exit *engine.ExitError
	if !errors.As(err, &exit) || exit.Code != 127 {
		t.Errorf("run: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	check(t, b.Events(ctx, b.started, time.Time{}, nil, func(ev engine.Event) error {
		if ev.Type == engine.EventContainer && ev.Action == "destroy" {
			cancel()
		}
		return nil
	}))
	if left := b.all(func(*engine.Container) bool { return true }); len(left) > 0 {
		t.Errorf("%s is still there", left[0].Name)
	}
	b.down(t)
	if _, ok := b.Network("bridge"); ok {
		t.Error("the default bridge is left")
	}
}

func TestRemovingTwiceAtOnceRemovesOnce(t *testing.T) {
	b := openBench(t)
	b.up(t, stack(sh("a", "exec sleep 1000")))
	id := b.id(t, "demo-a-1")
	errs := make(chan error)
	for range 4 {
		go func() { errs <- b.Remove(context.Background(), id, call.RemoveOptions{Force: true, Volumes: true}) }()
	}
	for range 4 {
		if err := <-errs; err != nil && !errors.Is(err, engine.ErrNotFound) {
			t.Error(err)
		}
	}
}

func TestTheEndOfTheEngineEndsCallsUnderWay(t *testing.T) {
	b := openBench(t)
	a, waits := sh("a", "exec sleep 1000"), sh("b", "exec sleep 1000")
	a.Container.Healthcheck = &engine.Healthcheck{Test: []string{"CMD", "false"}, StartPeriod: engine.Duration(time.Hour)}
	waits.DependsOn = []engine.Dependency{{Service: "a", Condition: engine.ConditionHealthy}}
	ended := make(chan error, 1)
	started := make(chan struct{}, 16)
	go func() {
		ended <- b.Up(context.Background(), stack(a, waits), func(p engine.Progress) {
			if p.Text == "Waiting" {
				started <- struct{}{}
			}
		})
	}()
	<-started
	d := b.Daemon
	check(t, d.Close())
	if err := <-ended; !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("up: %v", err)
	}
	if err := d.Up(t.Context(), stack(a), nil); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("up after the end: %v", err)
	}
	b.open(t)
	b.down(t)
}
