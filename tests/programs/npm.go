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

// Package is a package of npm that has a program. It brings all that it needs.
type Package struct{ Name, Module, Version, Bin string }

// Devcontainers is the CLI that editors and CI start dev containers with.
var Devcontainers = Package{"devcontainers-cli", "@devcontainers/cli", "0.89.0", "devcontainer"}

// Install is where a package's program is. It is fetched from the registry that npm is configured for when it is not
// there; npm and node are the machine's own.
func Install(tb testing.TB, p Package) string {
	tb.Helper()
	path, err := p.install(tb.Context())
	if err == nil {
		return path
	}
	if os.Getenv("REQUIRE_ROOT") == "1" {
		tb.Fatal(err)
	}
	tb.Skip(err)
	return ""
}

func (p Package) install(ctx context.Context) (path string, err error) {
	for _, name := range []string{"node", "npm"} {
		if _, err := exec.LookPath(name); err != nil {
			return "", fmt.Errorf("%s needs %s: %w", p.Module, name, err)
		}
	}
	folder := filepath.Join(images.Folder(), p.Name+"-"+p.Version)
	path = filepath.Join(folder, "node_modules", ".bin", p.Bin)
	unlock, err := lock(folder)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fresh := folder + ".new"
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", fresh, "--ignore-scripts", "--no-audit", "--no-fund", p.Module+"@"+p.Version)
	cmd.Env = append(os.Environ(), "npm_config_update_notifier=false")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install %s: %w\n%s", p.Module, err, said)
	}
	return path, os.Rename(fresh, folder)
}
