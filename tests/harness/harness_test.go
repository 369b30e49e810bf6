package harness

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// spy stands in for the test that a helper is told to fail.
type spy struct {
	testing.TB

	said []string
	how  string
}

func (s *spy) Helper()                  {}
func (s *spy) Context() context.Context { return context.Background() }
func (s *spy) Errorf(f string, a ...any) {
	s.said, s.how = append(s.said, fmt.Sprintf(f, a...)), "failed"
}
func (s *spy) Fatal(a ...any)            { s.end("failed", fmt.Sprint(a...)) }
func (s *spy) Fatalf(f string, a ...any) { s.end("failed", fmt.Sprintf(f, a...)) }
func (s *spy) Skip(a ...any)             { s.end("skipped", fmt.Sprint(a...)) }

func (s *spy) end(how, what string) {
	s.said, s.how = append(s.said, what), how
	runtime.Goexit()
}

// watch tells what becomes of a test that calls f.
func watch(f func(*spy)) *spy {
	s := &spy{how: "passed"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(s)
	}()
	<-done
	return s
}

func TestWhatATestLacksSkipsItOrFailsIt(t *testing.T) {
	cases := map[string]struct{ required, tool, want string }{
		"a program that is there":                  {"", "sh", "passed"},
		"a program that is missing":                {"", "no-such-program", "skipped"},
		"a program that is missing where required": {"1", "no-such-program", "failed"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Setenv("REQUIRE_ROOT", c.required)
			if got := watch(func(tb *spy) { RequireTool(tb, c.tool) }); got.how != c.want {
				t.Errorf("the test has %s (%q), want %s", got.how, got.said, c.want)
			}
		})
	}
}

func TestEventually(t *testing.T) {
	calls := 0
	if !Eventually(time.Second, func() bool { calls++; return calls == 3 }) {
		t.Error("did not wait for the third call")
	}
	if Eventually(time.Millisecond, func() bool { return false }) {
		t.Error("never is not eventually")
	}
	if got := watch(func(tb *spy) { Until(tb, time.Millisecond, "rain", func() bool { return false }) }); got.how != "failed" {
		t.Errorf("the test has %s", got.how)
	}
}

// roots are a Tiffin without a binary, for what needs none.
func roots(t *testing.T) *Tiffin {
	t.Helper()
	RequireRoot(t)
	return &Tiffin{Data: t.TempDir(), Run: t.TempDir(), Dir: t.TempDir(), binary: "/bin/sh", Env: map[string]string{}}
}

type fixture struct {
	t *testing.T
	e *Tiffin
}

// Each kind of thing that can be left behind is left behind once, and has to be found by name.
func TestNothingLeftNamesWhatIsLeft(t *testing.T) {
	cases := map[string]struct {
		leave func(f fixture)
		want  string
	}{
		"a file": {func(f fixture) {
			must(f.t, os.WriteFile(filepath.Join(f.e.Run, "stale.sock"), nil, 0o600))
		}, "stale.sock"},
		"a file of a build under way": {func(f fixture) {
			must(f.t, os.MkdirAll(filepath.Join(f.e.Run, "builds/mounts/secret"), 0o700))
		}, "builds/mounts/secret"},
		"a file of a volume": {func(f fixture) {
			must(f.t, os.MkdirAll(filepath.Join(f.e.Data, "volumes/shop_data"), 0o700))
		}, "volumes/shop_data"},
		"a mount": {func(f fixture) {
			must(f.t, unix.Mount("tiffin-test", f.e.Run, "tmpfs", 0, ""))
			f.t.Cleanup(func() { must(f.t, unix.Unmount(f.e.Run, 0)) })
		}, "(tmpfs tiffin-test)"},
		"a link": {func(f fixture) {
			link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "tfnleak0", Group: f.e.group()}}
			must(f.t, netlink.LinkAdd(link))
			f.t.Cleanup(func() { must(f.t, netlink.LinkDel(link)) })
		}, "link tfnleak0"},
		"a control group": {func(f fixture) {
			group(f)
		}, "control group"},
		"an element of an nftables set": {func(f fixture) {
			conn, err := nftables.New()
			must(f.t, err)
			table := conn.AddTable(&nftables.Table{Name: f.e.table(), Family: nftables.TableFamilyINet})
			set := &nftables.Set{Table: table, Name: "ports", KeyType: nftables.TypeInetService}
			must(f.t, conn.AddSet(set, []nftables.SetElement{{Key: []byte{0x1f, 0x90}}}))
			must(f.t, conn.Flush())
			f.t.Cleanup(func() {
				conn.DelTable(table)
				must(f.t, conn.Flush())
			})
		}, " set ports element 1f90"},
		"a process in a control group": {func(f fixture) {
			procs := filepath.Join(group(f), "cgroup.procs")
			cmd := exec.Command("sleep", "1234")
			begin(f.t, cmd)
			must(f.t, os.WriteFile(procs, []byte(strconv.Itoa(cmd.Process.Pid)), 0o644))
		}, "process sleep 1234"},
		"a process that knows the roots": {func(f fixture) {
			cmd := exec.Command("sleep", "1235")
			cmd.Env = f.e.environ()
			begin(f.t, cmd)
		}, "process sleep 1235"},
		"the child of a process that knows the roots": {func(f fixture) {
			cmd := exec.Command("sh", "-c", "env -i sleep 1236 & wait")
			cmd.Env = f.e.environ()
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			begin(f.t, cmd)
			f.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		}, "process sleep 1236"},
		"a process with a file below the roots": {func(f fixture) {
			file, err := os.Create(filepath.Join(f.e.Data, "held"))
			must(f.t, err)
			defer func() { _ = file.Close() }()
			cmd := exec.Command("sleep", "1237")
			cmd.Stdin = file
			begin(f.t, cmd)
		}, "process sleep 1237"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := roots(t)
			before := e.Snapshot(t)
			c.leave(fixture{t, e})
			var got *spy
			Eventually(time.Minute, func() bool { // a process needs a moment to become what it will be
				got = &spy{how: "passed"}
				for line := range e.Snapshot(t).without(before) {
					got.said = append(got.said, line)
				}
				return strings.Contains(strings.Join(got.said, "\n"), c.want)
			})
			if all := strings.Join(got.said, "\n"); !strings.Contains(all, c.want) {
				t.Errorf("found %q, want %q among it", all, c.want)
			}
		})
	}
}

func TestWhatIsKeptForTheNextTimeIsNotLeft(t *testing.T) {
	e := roots(t)
	before := e.Snapshot(t)
	for _, name := range []string{"images/blob", "builds/cache.db"} {
		path := filepath.Join(e.Data, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, nil, 0o600))
	}
	if got := watch(func(s *spy) { e.NothingLeft(s, before) }); got.how != "passed" {
		t.Errorf("it %s: %q", got.how, got.said)
	}
}

func TestNothingLeftFailsTheTest(t *testing.T) {
	e := roots(t)
	before := e.Snapshot(t)
	must(t, os.WriteFile(filepath.Join(e.Run, "stale.sock"), nil, 0o600))
	got := watch(func(tb *spy) { e.NothingLeft(tb, before) })
	if got.how != "failed" || !strings.Contains(strings.Join(got.said, "\n"), "file "+e.Run+"/stale.sock") {
		t.Errorf("the test has %s: %q", got.how, got.said)
	}
}

func TestWhatGoesAwayIsNotLeft(t *testing.T) {
	e := roots(t)
	before := e.Snapshot(t)
	path := filepath.Join(e.Run, "late")
	must(t, os.WriteFile(path, nil, 0o600))
	time.AfterFunc(300*time.Millisecond, func() { _ = os.Remove(path) })
	if got := watch(func(tb *spy) { e.NothingLeft(tb, before) }); got.how != "passed" {
		t.Errorf("the test has %s: %q", got.how, got.said)
	}
}

func TestProcessesFindsTheHolderOfASocket(t *testing.T) {
	e := roots(t)
	cmd := exec.Command("sleep", "1238")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", filepath.Join(e.Run, "k"))
	must(t, err)
	f, err := l.(*net.UnixListener).File()
	must(t, err)
	cmd.ExtraFiles = []*os.File{f}
	begin(t, cmd)
	Until(t, time.Minute, "the process is found", func() bool {
		for _, p := range e.Processes() {
			if p.Pid == cmd.Process.Pid {
				return true
			}
		}
		return false
	})
}

func TestTheRegistryStandsInForDockerHub(t *testing.T) {
	e := roots(t)
	r := Registry(t)
	e.Mirror(t, r)
	text, err := os.ReadFile(filepath.Join(e.Data, "engine.json"))
	must(t, err)
	want := fmt.Sprintf(`{"insecure-registries":["%[1]s"],"registry-mirrors":{"docker.io":["http://%[1]s"]}}`, r.Addr)
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get("http://" + r.Addr + "/v2/library/busybox/tags/list")
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("busybox: %s", resp.Status)
	}
}

func TestACommandSeesItsRootsAndNothingElse(t *testing.T) {
	t.Setenv("COMPOSE_FILE", "elsewhere.yaml")
	e := roots(t)
	e.Env["GREETING"] = "hello"
	r := e.Input(t, "word\n", "-c", `read w; echo $w $GREETING $TIFFIN_RUN_ROOT $COMPOSE_FILE; echo oh >&2; exit 3`)
	if r.Stdout != "word hello "+e.Run+"\n" || r.Stderr != "oh\n" || r.Code != 3 {
		t.Errorf("got %+v", r)
	}
	if got := watch(func(tb *spy) { e.OK(tb, "-c", "exit 4") }); got.how != "failed" {
		t.Errorf("a command that fails: the test has %s", got.how)
	}
	if got := watch(func(tb *spy) { e.Fails(tb, 5, "-c", "exit 4") }); got.how != "failed" {
		t.Errorf("another exit code: the test has %s", got.how)
	}
}

func TestARunningCommandIsHeardAndInterrupted(t *testing.T) {
	e := roots(t)
	r := e.Start(t, "-c", "trap 'echo bye; exit 5' INT; echo hello; while :; do sleep 0.01; done")
	r.Says(t, "hello")
	r.Interrupt(t)
	if code := r.Code(t); code != 5 || r.Output() != "hello\nbye\n" {
		t.Errorf("exit code %d, output %q", code, r.Output())
	}
	if got := watch(func(tb *spy) { r.Says(tb, "never") }); got.how != "failed" {
		t.Errorf("silence: the test has %s", got.how)
	}
}

// group makes a control group that ends with the test.
func group(f fixture) string {
	f.t.Helper()
	dir := "/sys/fs/cgroup/pids/tiffin-" + f.e.key()
	if err := os.Mkdir(dir, 0o755); err != nil { // one hierarchy for all
		dir = "/sys/fs/cgroup/tiffin-" + f.e.key()
		must(f.t, os.Mkdir(dir, 0o755))
	}
	f.t.Cleanup(func() {
		Until(f.t, time.Minute, dir+" is empty", func() bool { return os.Remove(dir) == nil })
	})
	return dir
}

// begin starts a program that ends with the test.
func begin(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// In a namespace of its own the test is the host.
func TestWhatIsLeftOnTheHostIsSeen(t *testing.T) {
	RequireRoot(t)
	runtime.LockOSThread() // and never unlocked
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	set := func(value string) {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("0")
	before, err := readHost()
	if err != nil {
		t.Fatal(err)
	}
	set("1")
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "tf-other"}}
	if err := netlink.LinkAdd(bridge); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetAlias(bridge, "tiffin network other"); err != nil {
		t.Fatal(err)
	}
	if got := leftOnHost(before, 0); got != "" {
		t.Errorf("while another engine has a network: got %q", got)
	}
	if err := netlink.LinkDel(bridge); err != nil {
		t.Fatal(err)
	}
	if got, want := leftOnHost(before, 0), "  net/ipv4/ip_forward is 1, and was 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
