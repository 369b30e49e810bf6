package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiffin/tests/harness"
)

const recoverable = `
name: shop
services:
  counter:
    image: busybox
    init: true
    command: [sh, -c, "i=0; while :; do echo line $$i; i=$$((i+1)); sleep 0.02; done"]
  job:
    image: busybox
    init: true
    command: [sh, -c, "echo begun; while [ ! -e /go/now ]; do sleep 0.05; done; echo done; exit 7"]
    volumes: ["./go:/go"]
  web:
    image: busybox
    init: true
    command: [httpd, -f, -p, "8080", -h, /go]
    volumes: ["./go:/go"]
    ports: ["127.0.0.1:${PORT}:8080"]
`

// An engine that is killed takes nothing with it: containers run on, and the next engine knows what has happened
// meanwhile.
func TestKillingTheEngineLosesNothing(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Env["PORT"] = freePort(t)
	e.Write(t, "compose.yaml", recoverable)
	e.Write(t, "go/index.html", "still here\n")
	e.OK(t, "pull")
	before := e.Snapshot(t)
	e.OK(t, "up", "-d")
	page := "http://127.0.0.1:" + e.Env["PORT"] + "/"
	answers(t, page) // started does not mean listening yet
	browse(t, page, "still here")

	ids := e.OK(t, "ps", "-q", "--no-trunc")
	killEngine(t, e)
	e.Write(t, "go/now", "") // the job ends while no engine is there
	time.Sleep(300 * time.Millisecond)

	if got := e.OK(t, "ps", "-a", "-q", "--no-trunc"); got != ids {
		t.Errorf("containers: got\n%swant\n%s", got, ids)
	}
	want := map[string]string{"counter": "running", "web": "running", "job": "exited 7"}
	for service, state := range want {
		if got := states(t, e)[service]; got != state {
			t.Errorf("%s: %q, want %q", service, got, state)
		}
	}
	browse(t, page, "still here")
	if out := e.OK(t, "exec", "-T", "counter", "echo", "hi"); out != "hi\n" {
		t.Errorf("exec prints %q", out)
	}
	if logs := e.OK(t, "logs", "--no-log-prefix", "job"); logs != "begun\ndone\n" {
		t.Errorf("logs of the job: %q", logs)
	}
	everyLineOnce(t, e.OK(t, "logs", "--no-log-prefix", "counter"))

	e.OK(t, "down", "-t", "1")
	e.NothingLeft(t, without(before, e))
}

// killEngine ends the engine as a fault would.
func killEngine(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	pid := enginePid(t, e)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	harness.Until(t, 5*time.Second, "the engine is dead", func() bool { return syscall.Kill(pid, 0) != nil })
}

func enginePid(t *testing.T, e *harness.Tiffin) int {
	t.Helper()
	for line := range strings.Lines(e.OK(t, "engine", "status")) {
		if text, ok := strings.CutPrefix(line, "pid: "); ok {
			pid, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				t.Fatalf("engine status: %q", line)
			}
			return pid
		}
	}
	t.Fatal("engine status names no pid")
	return 0
}

func everyLineOnce(t *testing.T, logs string) {
	t.Helper()
	n := 0
	for line := range strings.Lines(logs) {
		if want := "line " + strconv.Itoa(n) + "\n"; line != want {
			t.Fatalf("line %d of the log is %q", n, line)
		}
		n++
	}
	if n < 20 {
		t.Errorf("only %d lines in the log", n)
	}
}

// without leaves the engine's own process out of what was there before: it is another one now.
func without(before harness.Snapshot, e *harness.Tiffin) harness.Snapshot {
	for _, p := range e.Processes() {
		if strings.HasPrefix(p.Command, "tiffin engine") {
			before["process "+p.String()] = true
		}
	}
	return before
}
