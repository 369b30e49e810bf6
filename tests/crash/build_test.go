package crash

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tiffin/engine/api"
	"tiffin/tests/harness"
)

const dockerfile = `FROM busybox AS made
ARG ROUND
RUN echo $ROUND >/round
COPY data /data
RUN for i in 1 2 3 4 5; do echo step $i; echo $i >>/steps; usleep 20000; done
FROM busybox
COPY --from=made /data /data
COPY --from=made /round /steps /made/
RUN --mount=type=cache,target=/cache --mount=type=secret,id=none find /data -type f | sort | xargs cat | md5sum >/sum
CMD ["cat", "/made/round", "/sum"]
`

// few is how many points are left out between two that are taken, unless all are asked for.
const few = 5

// Wherever the engine is killed in a build: nothing runs on, the image has its name when its build had come to the
// end and not before, the next build takes what was complete and makes the rest, and nothing is left.
func TestKillingTheEngineInABuild(t *testing.T) {
	e := harness.New(t)
	registry := harness.Registry(t)
	e.Configure(t, map[string]any{
		"registry-mirrors": map[string][]string{"docker.io": {"http://" + registry.Addr}},
		// What is there for builds goes when nobody builds, not a while later.
		"build": map[string]any{"linger": "1ms"},
	})
	folder := writeContext(t)
	e.Write(t, "compose.yaml", "name: crash\nservices: {base: {image: busybox}, app: {image: app, network_mode: none}}\n")
	e.OK(t, "pull", "base")

	first := build{folder: folder, name: "app", round: "first", hear: quiet}.run(t, e)
	if first.err != nil {
		t.Fatal(&first)
	}
	want := strings.TrimPrefix(e.OK(t, "run", "--rm", "-T", "app"), "first\n")
	before := e.Snapshot(t)

	step := few
	if os.Getenv("CRASH_ALL") == "1" {
		step = 1
	}
	t.Logf("%d points, every %d. is taken", len(first.events), step)
	for i := 1; i <= len(first.events); i += step {
		t.Run(fmt.Sprintf("%d %s", i, first.events[i-1]), func(t *testing.T) {
			round := "round" + strconv.Itoa(i)
			pid := enginePid(t, e)
			b := build{folder: folder, name: "app:" + round, round: round, hear: func(events int) {
				if events == i {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}}
			cut := b.run(t, e)
			_ = syscall.Kill(pid, syscall.SIGKILL) // events may come together, so that there are fewer
			harness.Until(t, 5*time.Second, "the engine is dead", func() bool { return syscall.Kill(pid, 0) != nil })
			harness.Until(t, 5*time.Second, "its build's processes are dead", func() bool { return len(jobs(e)) == 0 })

			startEngine(t, e)
			_, err := api.NewClient(e.Run+"/tiffin.sock").Image(t.Context(), "app:"+round)
			named := err == nil
			ended := cut.err == nil || slices.ContainsFunc(cut.events, func(ev string) bool { return strings.HasPrefix(ev, "end naming to ") })
			begun := slices.ContainsFunc(cut.events, func(ev string) bool { return strings.HasPrefix(ev, "begin naming to ") })
			if ended && !named || !begun && named {
				t.Errorf("the image has its name: %v; heard:\n%s", named, &cut)
			}
			b.hear = quiet
			whole := b.run(t, e)
			if whole.err != nil {
				t.Fatalf("the next build: %v", &whole)
			}
			if list := again(cut, whole); len(list) > 0 {
				t.Errorf("made again: %q", list)
			}
			e.OK(t, "tag", "app:"+round, "app")
			if got := e.OK(t, "run", "--rm", "-T", "app"); got != round+"\n"+want {
				t.Errorf("the image holds %q", got)
			}
			e.NothingLeft(t, withEngine(before, e))
		})
	}
}

// writeContext makes a context whose copying takes long enough to be hit.
func writeContext(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"Dockerfile": dockerfile, "data/large": strings.Repeat("0123456789abcdef", 1<<18)}
	for i := range 300 {
		files["data/f"+strconv.Itoa(i)] = strconv.Itoa(i)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// jobs are the processes of build steps.
func jobs(e *harness.Tiffin) []string {
	var list []string
	for _, p := range e.Processes() {
		if !strings.HasPrefix(p.Command, "tiffin") {
			list = append(list, p.String())
		}
	}
	return list
}

// startEngine has a command start the engine.
func startEngine(t *testing.T, e *harness.Tiffin) {
	t.Helper()
	e.OK(t, "tag", "busybox", "busybox")
}

func enginePid(t *testing.T, e *harness.Tiffin) int {
	t.Helper()
	for line := range strings.Lines(e.OK(t, "engine", "status")) {
		if text, ok := strings.CutPrefix(line, "pid: "); ok {
			pid, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("the engine says no pid")
	return 0
}

// withEngine leaves the engine's own process out: it is another one now.
func withEngine(before harness.Snapshot, e *harness.Tiffin) harness.Snapshot {
	for _, p := range e.Processes() {
		if strings.HasPrefix(p.Command, "tiffin engine") || strings.HasPrefix(p.Command, "tiffin-keeper") {
			before["process "+p.String()] = true
		}
	}
	return before
}
