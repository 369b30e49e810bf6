package clients

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"
	tc "github.com/testcontainers/testcontainers-go"
	"golang.org/x/sys/unix"
	"tiffin/tests/harness"
	"tiffin/tests/images"
)

// nodeVersion is of Testcontainers for Node, which speaks to the engine by dockerode, as
// many other tools do. It is the last that runs on the Node of Debian 12.
const nodeVersion = "10.28.0"

// node is a session of the library for Node: it asks for other things, in other words.
func (r *reaping) node(t *testing.T) {
	harness.RequireTool(t, "node", "npm")
	modules := nodeModules(t)
	s := &session{cmd: exec.CommandContext(t.Context(), "node", "node/session.cjs")}
	s.cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "HOME="+r.e.Dir, "TMPDIR="+t.TempDir(), "DOCKER_HOST="+r.e.DockerHost(),
		"TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1", "TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT=500ms",
		"RYUK_CONTAINER_IMAGE="+tc.ReaperDefaultImage) //nolint:staticcheck // see TestReaper
	s.start(t)
	s.ready(t)
	reapers, err := r.api.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", reaperLabel+"=true")})
	if err != nil {
		t.Fatal(err)
	}
	if len(reapers.Items) != 1 {
		t.Fatalf("%d reapers, want one", len(reapers.Items))
	}
	const label = "org.testcontainers.session-id"
	id := reapers.Items[0].Labels[label]
	of := label + "=" + id
	r.has(t, of, "2 containers, 1 networks, 0 volumes, 1 images")
	gone := r.reaped(t, "testcontainers-ryuk-"+id, of)
	s.end(t)
	gone()
}

// nodeModules is a folder with the library, installed once into the tests' cache.
func nodeModules(t *testing.T) string {
	t.Helper()
	dir, err := install(t.Context(), "testcontainers", nodeVersion)
	if err == nil {
		return filepath.Join(dir, "node_modules")
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		t.Fatal(err)
	}
	t.Skip(err)
	return ""
}

// install has npm install a package, without the programs that packages bring to be run.
func install(ctx context.Context, name, version string) (string, error) {
	dir := filepath.Join(images.Folder(), "npm-"+name+"-"+version)
	if err := os.MkdirAll(images.Folder(), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(dir+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	made := dir + ".new"
	if err := os.RemoveAll(made); err != nil { // of one that was interrupted
		return "", err
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", made, name+"@"+version)
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w\n%s", name, err, out)
	}
	return dir, os.Rename(made, dir)
}
