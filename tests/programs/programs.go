// Package programs builds other people's programs from their Go modules, or takes them from npm, for tests.
//
// Each is built once, in a module of its own, into the folder that tests/images keeps, under a name with its version.
// One of npm is put there, too.
package programs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"tiffin/tests/images"
)

// Program is a main package of a module.
type Program struct {
	Name, Module, Version, Package string
	// Variable is the one that the linker puts the version into: without, a program does not know its own.
	Variable string
}

// Buildx is docker's plugin for builds; it runs without docker, too.
var Buildx = Program{
	"docker-buildx", "github.com/docker/buildx", "v0.38.2", "github.com/docker/buildx/cmd/buildx", "github.com/docker/buildx/version.Version",
}

// Compose is docker's plugin for Compose files; it runs without docker, too.
var Compose = Program{
	"docker-compose", "github.com/docker/compose/v5", "v5.6.0", "github.com/docker/compose/v5/cmd", "github.com/docker/compose/v5/internal.Version",
}

// Act runs the workflows of GitHub Actions.
var Act = Program{"act", "github.com/nektos/act", "v0.2.89", "github.com/nektos/act", "main.version"}

// Path is where a program is. It is built when it is not there, which takes minutes.
func Path(tb testing.TB, p Program) string {
	tb.Helper()
	// The test's own thread may be in a network namespace from which nothing is reached.
	var path string
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		path, err = p.Build(tb.Context())
	}()
	<-done
	orSkip(tb, err)
	return path
}

// orSkip skips a test that lacks a program; with REQUIRE_ROOT=1 it fails.
func orSkip(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_ROOT") == "1":
		tb.Fatal(err)
	default:
		tb.Skip(err)
	}
}

// Build is Path for who has no test.
func (p Program) Build(ctx context.Context) (path string, err error) {
	path = filepath.Join(images.Folder(), p.Name+"-"+p.Version)
	unlock, err := lock(path)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	work, err := os.MkdirTemp("", "tiffin-program-")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	for _, args := range [][]string{
		{"mod", "init", "program"}, {"get", p.Module + "@" + p.Version}, {"build", "-trimpath", "-ldflags", "-s -w -X " + p.Variable + "=" + p.Version, "-o", path + ".new", p.Package},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir, cmd.Env = work, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOWORK=off")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("build %s: go %s: %w\n%s", p.Name, args[0], err, &said)
		}
	}
	return path, os.Rename(path+".new", path)
}

// lock waits until nobody else makes what is to be at path.
func lock(path string) (unlock func(), err error) {
	if err := os.MkdirAll(images.Folder(), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	unlock = func() { _ = f.Close() } // which gives the lock back
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}
