package bench

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"tiffin/tests/harness"
)

// stockDocker measures the docker CLI. What it takes for a question that costs the engine
// nothing is its own; the rest of a run is ours.
func stockDocker(b *testing.B, e *harness.Tiffin) []row {
	b.Helper()
	binary := harness.Docker(b)
	docker := func(args ...string) func() {
		return func() {
			cmd := exec.CommandContext(b.Context(), binary, args...)
			cmd.Env = append(os.Environ(), "DOCKER_HOST="+e.DockerHost(), "HOME="+e.Dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("docker %v: %v\n%s", args, err, out)
			}
		}
	}
	run := docker("run", "--rm", "busybox", "true")
	run() // the network is there from now on
	const times = 15
	rows := []row{
		{what: "docker version", took: measure(times, docker("version"))},
		{"docker run --rm", measure(times, run), 228 * time.Millisecond, 60 * time.Millisecond},
		{what: "docker run --rm, no network", took: measure(times, docker("run", "--rm", "--network", "none", "busybox", "true"))},
	}
	docker("run", "-d", "--name", "measured", "busybox", "sleep", "1000")()
	rows = append(rows, row{what: "docker exec", took: measure(times, docker("exec", "measured", "true"))})
	docker("rm", "-f", "measured")()
	return rows
}
