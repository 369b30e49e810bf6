package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/docker/go-units"

	"tiffin/tests/harness"
)

// The cache is kept to the size that the engine was told, once nobody builds; what images have does not count, and
// stays. Another project uses it, and so does the next engine.
func TestTheBuildCacheIsKeptToItsSize(t *testing.T) {
	registry := harness.Registry(t)
	e := harness.New(t)
	e.Configure(t, map[string]any{
		"registry-mirrors": map[string][]string{"docker.io": {"http://" + registry.Addr}},
		"build":            map[string]any{"linger": "1ms", "cache-size": 30e6},
	})
	e.Write(t, "compose.yaml", `
name: cache
services:
  kept: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN head -c 20000000 /dev/zero >/kept\n"}, network_mode: none}
  a: {build: {context: ., dockerfile_inline: "FROM busybox AS a\nRUN head -c 20000000 /dev/zero >/a\nFROM scratch\nCOPY --from=a /etc/passwd /\n"}}
  b: {build: {context: ., dockerfile_inline: "FROM busybox AS b\nRUN head -c 20000001 /dev/zero >/b\nFROM scratch\nCOPY --from=b /etc/passwd /\n"}}
`)
	e.Write(t, "other.yaml", `
name: other
services:
  small: {build: {context: ., dockerfile_inline: "FROM busybox\nRUN head -c 20000000 /dev/zero >/kept\n"}}
`)
	e.OK(t, "build", "kept")
	for _, f := range []struct{ what, file, service string }{{"the same project", "compose.yaml", "kept"}, {"another project", "other.yaml", "small"}} {
		if steps := e.Do(t, "--progress", "plain", "-f", f.file, "build", f.service).Stderr; !strings.Contains(steps, "CACHED") {
			t.Errorf("%s makes the step again:\n%s", f.what, steps)
		}
	}
	e.OK(t, "engine", "stop")
	if steps := e.Do(t, "--progress", "plain", "build", "kept").Stderr; !strings.Contains(steps, "CACHED") {
		t.Errorf("the next engine makes the step again:\n%s", steps)
	}
	e.OK(t, "build", "a")
	e.OK(t, "build", "b")
	var last int64
	small := harness.Eventually(20*time.Second, func() bool {
		last = private(t, e)
		return last <= 30e6
	})
	if !small {
		t.Errorf("the cache has %d bytes that no image has, at most 30 MB were allowed", last)
	}
	if out := e.OK(t, "run", "--rm", "-T", "kept", "wc", "-c", "/kept"); out != "20000000 /kept\n" {
		t.Errorf("the image holds %q", out)
	}
	e.OK(t, "builder", "prune", "-af")
	if n := private(t, e); n != 0 {
		t.Errorf("after prune %d bytes are left", n)
	}
	e.OK(t, "run", "--rm", "-T", "kept", "true")
}

// private is how many bytes the cache has that no image has.
func private(t *testing.T, e *harness.Tiffin) int64 {
	t.Helper()
	var sum int64
	decoder := json.NewDecoder(strings.NewReader(e.OK(t, "builder", "du", "--format", "json")))
	for decoder.More() {
		var r struct {
			Size   string
			Shared bool
		}
		if err := decoder.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Shared {
			continue
		}
		n, err := units.FromHumanSize(r.Size)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}
