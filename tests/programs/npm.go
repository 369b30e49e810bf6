package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tiffin/tests/images"
)

// Package is a package of npm.
type Package struct{ Name, Module, Version string }

// Devcontainers is the CLI that editors and CI start dev containers with; its program is .bin/devcontainer.
var Devcontainers = Package{"devcontainers-cli", "@devcontainers/cli", "0.89.0"}

// Testcontainers is the library for Node, which speaks to the engine by dockerode, as many other tools do. It is the
// last that runs on the Node of Debian 12.
var Testcontainers = Package{"testcontainers", "testcontainers", "10.28.0"}

// Install is the folder node_modules that has a package and all that it needs. It is fetched from the registry that npm
// is configured for when it is not there, without running the programs that packages bring; npm and node are the
// machine's own.
func Install(tb testing.TB, p Package) string {
	tb.Helper()
	path, err := p.install(tb.Context())
	orSkip(tb, err)
	return path
}

func (p Package) install(ctx context.Context) (path string, err error) {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return "", fmt.Errorf("%s needs %s: %w", p.Module, name, err)
		}
	}
	folder := filepath.Join(images.Folder(), p.Name+"-"+p.Version)
	path = filepath.Join(folder, "node_modules")
	unlock, err := lock(folder)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fresh := folder + ".new"
	if err := os.RemoveAll(fresh); err != nil { // of one that was killed
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", p.Module+"@"+p.Version)
	cmd.Env = append(os.Environ(), "npm_config_update_notifier=false")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w\n%s", p.Module, err, said)
	}
	return path, os.Rename(fresh, folder)
}
