package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// agents has the engine's socket in two containers; which of them starts again has the socket of the engine of then.
const agents = `
name: agents
x-agent: &agent
  image: busybox
  init: true
  command: [sleep, "1000"]
  use_api_socket: true
  volumes: ["./apiclient:/apiclient:ro"]
services:
  one: *agent
  two: *agent
`

// A container that has the engine's socket reaches an engine with it, whatever has become of the one that it was started
// by: it was killed, stopped, replaced. The container itself is left alone.
func TestTheSocketInAContainerOutlivesTheEngine(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	buildAPIClient(t, e)
	e.Write(t, "compose.yaml", agents)
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	one, two := firstProcess(t, e, "agents-one-1"), firstProcess(t, e, "agents-two-1")
	ping(t, one, two)

	pid := enginePid(t, e)
	killEngine(t, e)
	ping(t, one, two) // nobody is refused meanwhile: they wait
	if next := enginePid(t, e); next == pid {
		t.Fatalf("the engine is still %d", pid)
	}

	// A connection starts an engine as a command does; one that comes too late and was called by nobody ends again.
	e.OK(t, "engine", "stop")
	e.OK(t, "engine", "--revived")
	e.Fails(t, 1, "engine", "status")
	ping(t, two, one)
	enginePid(t, e)

	e.OK(t, "engine", "stop")
	e.OK(t, "ps")
	ping(t, one, two)

	// One of an engine before, one of this.
	e.OK(t, "restart", "-t", "0", "two")
	two = firstProcess(t, e, "agents-two-1")
	ping(t, one, two)
	killEngine(t, e)
	e.OK(t, "ps") // it waits for nobody
	ping(t, one, two)
	e.OK(t, "engine", "stop")
	ping(t, two)
	ping(t, one)

	upgraded(t, e, func() { ping(t, one, two) })

	e.OK(t, "down", "-t", "0")
	e.NothingLeft(t, without(before, e))
	e.OK(t, "engine", "stop")
	if _, err := os.Lstat(filepath.Join(e.Run, "tiffin.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// upgraded replaces the file that an engine runs from: the next one is of the new file, whoever starts it.
func upgraded(t *testing.T, e *harness.Tiffin, reaches func()) {
	t.Helper()
	text, err := os.ReadFile(harness.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tiffin")
	install := func() {
		if err := errors.Join(os.WriteFile(path+".new", text, 0o755), os.Rename(path+".new", path)); err != nil {
			t.Fatal(err)
		}
	}
	runs := func() {
		t.Helper()
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", enginePid(t, e))); got != path || err != nil {
			t.Errorf("the engine runs from %s: %v", got, err)
		}
	}
	e.OK(t, "engine", "stop")
	install()
	first := e.Command(t.Context(), "ps")
	first.Path = path
	if out, err := first.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	runs()
	for _, ends := range []func(){func() { e.OK(t, "engine", "stop") }, func() { killEngine(t, e) }} {
		install()
		ends()
		reaches()
		runs()
	}
}

// buildAPIClient makes a program that needs nothing of the image that it runs in.
func buildAPIClient(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(e.Dir, "apiclient"), "./tests/e2e/apiclient")
	build.Dir, build.Env = harness.Repository(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// firstProcess is the pid of a container's.
func firstProcess(t *testing.T, e *harness.Tiffin, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(e.Dir, "apiclient"), filepath.Join(e.Run, "tiffin.sock"), "/containers/"+name+"/json").Output()
	var c struct{ State struct{ Pid int } }
	_, body, _ := strings.Cut(string(out), "\n")
	if err := errors.Join(err, json.Unmarshal([]byte(body), &c)); err != nil || c.State.Pid == 0 {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return strconv.Itoa(c.State.Pid)
}

// ping asks for an engine from within containers, and without the help of one: exec would need it.
func ping(t *testing.T, pids ...string) {
	t.Helper()
	for _, pid := range pids {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		out, err := exec.CommandContext(ctx, "nsenter", "-t", pid, "-m", "-r", "/apiclient", "/var/run/docker.sock", "/_ping").CombinedOutput()
		cancel()
		if err != nil || strings.TrimSpace(string(out)) != "200\nOK" {
			t.Fatalf("in the container of %s: %v: %s", pid, err, out)
		}
	}
}

// What starts by itself after a reboot has the socket of the engine that starts it, and no folder in its place.
func TestTheSocketInAContainerAfterAReboot(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	buildAPIClient(t, e)
	e.Write(t, "compose.yaml", `
name: agent
services:
  agent:
    image: busybox
    init: true
    restart: always
    command: [sleep, "1000"]
    volumes: ["./apiclient:/apiclient:ro", "`+filepath.Join(e.Run, "tiffin.sock")+`:/var/run/docker.sock"]
`)
	e.OK(t, "up", "-d")
	e.OK(t, "engine", "stop")
	e.Reboot(t)
	e.OK(t, "ls") // starts the engine
	harness.Until(t, 20*time.Second, "the container runs again", func() bool { return states(t, e)["agent"] == "running" })
	agent := firstProcess(t, e, "agent-agent-1")
	ping(t, agent)
	killEngine(t, e)
	ping(t, agent)
	e.OK(t, "down", "-t", "0")
}
