package clients

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	tc "github.com/testcontainers/testcontainers-go"
	tcexec "github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
	"tiffin/tests/harness"
)

// TestTestcontainers runs the library as its users do. It finds the engine by DOCKER_HOST,
// once, so all of its tests share one. Its reaper's image is on no registry here, and the
// module that it is built from on no proxy: what it would clear up, the tests terminate.
func TestTestcontainers(t *testing.T) {
	e := engine(t, harness.Registry(t), "busybox", "nginx")
	before := e.Snapshot(t)
	t.Setenv("DOCKER_HOST", e.DockerHost())
	t.Setenv("HOME", e.Dir) // a ~/.testcontainers.properties would be read
	t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	t.Setenv("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1") // in a container, it would take the gateway of the network bridge
	for name, test := range map[string]func(*testing.T){
		"wait": waits, "network": onNetworks, "files": files, "output": consumes, "reuse": reuses,
	} {
		t.Run(name, test)
	}
	if !t.Failed() {
		e.NothingLeft(t, before)
	}
}

// run starts a container that ends with the test.
func run(t *testing.T, image string, opts ...tc.ContainerCustomizer) *tc.DockerContainer {
	t.Helper()
	c, err := tc.Run(t.Context(), image, opts...)
	tc.CleanupContainer(t, c, tc.StopTimeout(0))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const limit = time.Minute

func waits(t *testing.T) { //nolint:thelper // a test, run by name
	sleeper := func(script string) tc.CustomizeRequestOption { return tc.WithCmd("sh", "-c", script+"; sleep 1000") }
	for name, c := range map[string]struct {
		image string
		opts  []tc.ContainerCustomizer
	}{
		"log":  {"busybox", []tc.ContainerCustomizer{sleeper("echo; echo is ready"), tc.WithWaitStrategyAndDeadline(limit, wait.ForLog("is ready"))}},
		"port": {"nginx", []tc.ContainerCustomizer{tc.WithExposedPorts("80/tcp"), tc.WithWaitStrategyAndDeadline(limit, wait.ForListeningPort("80/tcp"))}},
		"http": {"nginx", []tc.ContainerCustomizer{tc.WithExposedPorts("80/tcp"), tc.WithWaitStrategyAndDeadline(limit, wait.ForHTTP("/").WithPort("80/tcp"))}},
		"exec": {"busybox", []tc.ContainerCustomizer{sleeper("touch /ready"), tc.WithWaitStrategyAndDeadline(limit, wait.ForExec([]string{"ls", "/ready"}))}},
		"exit": {"busybox", []tc.ContainerCustomizer{tc.WithCmd("true"), tc.WithWaitStrategyAndDeadline(limit, wait.ForExit())}},
		"file": {"busybox", []tc.ContainerCustomizer{sleeper("echo content > /file"), tc.WithWaitStrategyAndDeadline(limit, wait.ForFile("/file"))}},
		"health": {"busybox", []tc.ContainerCustomizer{
			sleeper(":"), tc.WithWaitStrategyAndDeadline(limit, wait.ForHealthCheck()),
			tc.WithConfigModifier(func(c *container.Config) {
				c.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "true"}, Interval: 100 * time.Millisecond}
			}),
		}},
		"all": {"nginx", []tc.ContainerCustomizer{
			tc.WithExposedPorts("80/tcp"), tc.WithWaitStrategyAndDeadline(limit, wait.ForAll(wait.ForExposedPort(), wait.ForLog("start worker process"))),
		}},
	} {
		t.Run(name, func(t *testing.T) { run(t, c.image, c.opts...) })
	}
	t.Run("never", func(t *testing.T) {
		c, err := tc.Run(t.Context(), "busybox", tc.WithCmd("sh", "-c", "echo gone; exit 3"), tc.WithWaitStrategyAndDeadline(limit, wait.ForLog("nosuch")))
		tc.CleanupContainer(t, c)
		if err == nil || !strings.Contains(err.Error(), "exited with code 3") {
			t.Errorf("got %v, want how it ended", err)
		}
	})
}

func onNetworks(t *testing.T) { //nolint:thelper // a test, run by name
	n, err := network.New(t.Context())
	tc.CleanupNetwork(t, n)
	if err != nil {
		t.Fatal(err)
	}
	web := run(t, "nginx", network.WithNetwork([]string{"web"}, n), tc.WithExposedPorts("80/tcp"), tc.WithWaitStrategy(wait.ForListeningPort("80/tcp")))
	run(t, "busybox", network.WithNetwork(nil, n), tc.WithCmd("wget", "-qO-", "http://web/"), tc.WithWaitStrategyAndDeadline(limit, wait.ForExit(), wait.ForLog("nginx")))
	names, err := web.Networks(t.Context())
	if err != nil || len(names) != 1 || names[0] != n.Name {
		t.Errorf("networks: got %v, %v, want %s", names, err, n.Name)
	}
	aliases, err := web.NetworkAliases(t.Context())
	if err != nil || !strings.Contains(fmt.Sprint(aliases[n.Name]), "web") {
		t.Errorf("aliases: got %v, %v, want web", aliases, err)
	}
	if ip, err := web.ContainerIP(t.Context()); err != nil || ip == "" {
		t.Errorf("the container's address: %q, %v", ip, err)
	}
	at, err := web.Endpoint(t.Context(), "http")
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the published port: %s", answer.Status)
	}
}

func files(t *testing.T) { //nolint:thelper // a test, run by name
	ctx := t.Context()
	given := filepath.Join(t.TempDir(), "given")
	if err := os.WriteFile(given, []byte("from the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := run(t, "busybox", tc.WithCmd("sh", "-c", "cat /early; sleep 1000"), tc.WithFiles(
		tc.ContainerFile{HostFilePath: given, ContainerFilePath: "/early", FileMode: 0o644},
		tc.ContainerFile{Reader: strings.NewReader("x"), ContainerFilePath: "/made/on/the/way", FileMode: 0o755},
	), tc.WithWaitStrategyAndDeadline(limit, wait.ForLog("from the host")))
	if err := c.CopyToContainer(ctx, []byte("later"), "/tmp/later", 0o640); err != nil {
		t.Fatal(err)
	}
	if err := c.CopyDirToContainer(ctx, filepath.Dir(given), "/tmp/any", 0o755); err != nil {
		t.Fatal(err)
	}
	code, out, err := c.Exec(ctx, []string{"sh", "-c", "cat /tmp/later; stat -c %a /tmp/later /made/on/the/way; find /tmp -name given | wc -l; exit 3"}, tcexec.Multiplexed())
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(out)
	if err != nil || code != 3 || !strings.HasPrefix(string(said), "later640\n755\n1\n") {
		t.Errorf("exec: code %d, %q, %v", code, said, err)
	}
	back, err := c.CopyFileFromContainer(ctx, "/tmp/later")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = back.Close() }()
	if text, err := io.ReadAll(back); err != nil || string(text) != "later" {
		t.Errorf("copied back: %q, %v", text, err)
	}
	if _, err := c.CopyFileFromContainer(ctx, "/nosuch"); err == nil {
		t.Error("a file that there is not was copied")
	}
}

// consumer collects lines of output.
type consumer struct {
	mu    sync.Mutex
	lines []string
}

// Accept implements testcontainers.LogConsumer.
func (c *consumer) Accept(l tc.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, l.LogType+" "+string(l.Content))
}

func (c *consumer) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines, "")
}

func consumes(t *testing.T) { //nolint:thelper // a test, run by name
	heard := &consumer{}
	c := run(t, "busybox", tc.WithCmd("sh", "-c", "echo out; echo err >&2; sleep 1000"), tc.WithLogConsumers(heard))
	harness.Until(t, limit, "both streams are heard", func() bool {
		text := heard.text()
		return strings.Contains(text, "STDOUT out\n") && strings.Contains(text, "STDERR err\n")
	})
	logs, err := c.Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = logs.Close() }()
	if text, err := io.ReadAll(logs); err != nil || !strings.Contains(string(text), "out\n") {
		t.Errorf("logs: %q, %v", text, err)
	}
	none := time.Duration(0)
	if err := c.Stop(t.Context(), &none); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st, err := c.State(t.Context()); err != nil || !st.Running {
		t.Errorf("started again: %+v, %v", st, err)
	}
}

func reuses(t *testing.T) { //nolint:thelper // a test, run by name
	// Two at a time: the one that loses reads in the error that the name is in use, and takes the other's.
	ids := make(chan string, 2)
	for range cap(ids) {
		go func() {
			c, err := tc.Run(context.WithoutCancel(t.Context()), "busybox", tc.WithCmd("sleep", "1000"), tc.WithReuseByName("shared"))
			if err != nil {
				ids <- err.Error()
				return
			}
			ids <- c.GetContainerID()
		}()
	}
	a, b := <-ids, <-ids
	if a != b {
		t.Errorf("got %s and %s, want one container", a, b)
	}
	run(t, "busybox", tc.WithReuseByName("shared"))
}
