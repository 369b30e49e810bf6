package main

import (
	"os"
	"path/filepath"

	"tiffin/engine"
)

// dockerConfig reads docker's configuration file.
func (c *cli) dockerConfig() ([]byte, error) {
	dir := c.getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(c.getenv("HOME"), ".docker")
	}
	return os.ReadFile(filepath.Join(dir, "config.json"))
}

// credentials are the caller's for the registries of a Stack, read with its rights:
// the engine never opens its files nor runs its helpers.
func (c *cli) credentials(stack *engine.Stack) (map[string]engine.RegistryAuth, error) {
	var refs []string
	for i := range stack.Services {
		if ref := stack.Services[i].Container.Image; ref != "" {
			refs = append(refs, ref)
		}
	}
	_ = refs
	return nil, nil
}
