package e2e

import (
	"fmt"
	"strings"
	"testing"

	"tiffin/tests/harness"
)

// A stack as large as people have them: everything at once, and nothing of it left.
func TestFiftyServicesComeAndGo(t *testing.T) {
	const services = 50
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	var file strings.Builder
	file.WriteString("name: many\nservices:\n")
	for i := range services {
		fmt.Fprintf(&file, "  s%d:\n    image: busybox\n    command: [sh, -c, \"trap 'exit 0' TERM; sleep 1000 & wait\"]\n", i)
	}
	e.Write(t, "compose.yaml", file.String())
	e.OK(t, "pull")
	before := e.Snapshot(t)

	e.OK(t, "up", "-d")
	running := 0
	for _, state := range states(t, e) {
		if state == "running" {
			running++
		}
	}
	if running != services {
		t.Errorf("%d of %d services are running", running, services)
	}
	ids := e.OK(t, "ps", "-q")
	e.OK(t, "up", "-d")
	if again := e.OK(t, "ps", "-q"); again != ids {
		t.Error("a second up has changed containers")
	}
	e.OK(t, "down")
	e.NothingLeft(t, before)
}

// An attached up that is interrupted stops what it has started.
func TestInterruptStopsTheStack(t *testing.T) {
	e := harness.New(t)
	e.Mirror(t, harness.Registry(t))
	e.Write(t, "compose.yaml", `
name: attached
services:
  web:
    image: busybox
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo hello; sleep 1000 & wait"]
`)
	e.OK(t, "pull")
	before := e.Snapshot(t)

	up := e.Start(t, "up")
	up.Says(t, "web-1  | hello")
	up.Interrupt(t)
	up.Says(t, "web-1  | bye")
	if code := up.Code(t); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, up.Output())
	}
	if got := states(t, e)["web"]; got != "exited 0" {
		t.Errorf("web: %q, want it stopped", got)
	}
	e.OK(t, "down")
	e.NothingLeft(t, before)
}
