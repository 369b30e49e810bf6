package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"tiffin/tests/images"
)

// Docker is the path of the docker CLI in the version that tests/clients/go.mod names. It is
// built from its Go module and kept in the tests' cache.
func Docker(tb testing.TB) string {
	tb.Helper()
	path, err := buildDocker()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// DockerHost is what DOCKER_HOST is to be for the engine.
func (e *Tiffin) DockerHost() string { return "unix://" + e.socket() }

const dockerModule = "github.com/docker/cli"

var buildDocker = sync.OnceValues(func() (string, error) {
	version, err := runGo("list", "-m", "-f", "{{.Version}}", dockerModule)
	if err != nil {
		return "", err
	}
	version, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(version), "v"), "+")
	path := filepath.Join(images.Folder(), "docker-"+version)
	if err := os.MkdirAll(images.Folder(), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// The module has no go.mod, so the compiler would take it for a program of 2021.
	_, err = runGo("build", "-gcflags", dockerModule+"/...=-lang=go1.26", "-ldflags", "-s -w -X "+dockerModule+"/cli/version.Version="+version,
		"-o", path+".new", dockerModule+"/cmd/docker")
	if err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
})

// runGo runs the go command in the module of the clients.
func runGo(args ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), "go", args...)
	cmd.Dir = filepath.Join(Repository(), "tests", "clients")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out), nil
}
