package caller

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/image/credentials"
)

// DockerConfig is what of docker's configuration file concerns the command line itself.
type DockerConfig struct {
	PsFormat    string
	StatsFormat string

	Auths       map[string]json.RawMessage
	CredsStore  string
	CredHelpers map[string]string
}

// ReadDockerConfig reads docker's configuration file; a broken one is for those who need it.
func (c *Caller) ReadDockerConfig() DockerConfig {
	dir := c.Getenv("DOCKER_CONFIG")
	if dir == "" {
		dir = filepath.Join(c.Getenv("HOME"), ".docker")
	}
	var config DockerConfig
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil && json.Unmarshal(text, &config) != nil {
		// credentials says what is wrong with it.
		config.CredsStore = "?"
	}
	return config
}

func (d *DockerConfig) logins() bool {
	return len(d.Auths) > 0 || len(d.CredHelpers) > 0 || d.CredsStore != ""
}

// Credentials are the caller's for the registries that the images of a Stack may be fetched
// from, found with the caller's rights: the engine never opens its files nor runs its helpers.
// policy replaces the services' own pull policies, unless it is empty. Logins that cannot be
// found are a warning: the image may be had without.
func (c *Caller) Credentials(ctx context.Context, client *api.Client, stack *engine.Stack, policy engine.PullPolicy) map[string]call.RegistryAuth {
	config := c.ReadDockerConfig()
	if !config.logins() || c.Opts.DryRun {
		return nil
	}
	var images []string
	for i := range stack.Services {
		for _, svc := range stack.Services[i].WithHooks() {
			if svc.Container.Image != "" && mayPull(ctx, client, svc, policy) {
				images = append(images, svc.Container.Image)
			}
		}
	}
	return c.Logins(ctx, images...)
}

// Logins are the caller's for the registries of images. Those that cannot be found are a warning, as above.
func (c *Caller) Logins(ctx context.Context, images ...string) map[string]call.RegistryAuth {
	config := c.ReadDockerConfig()
	if !config.logins() {
		return nil
	}
	var registries []string
	for _, image := range images {
		registry, err := credentials.Registry(image)
		if err == nil && !slices.Contains(registries, registry) {
			registries = append(registries, registry)
		}
	}
	if len(registries) == 0 {
		return nil
	}
	found, err := credentials.All(ctx, registries)
	if err != nil {
		c.Warn(err.Error())
	}
	return found
}

// mayPull says whether the image of a service may have to be fetched: a helper that asks
// for a password must not run for nothing.
func mayPull(ctx context.Context, client *api.Client, svc *engine.Service, policy engine.PullPolicy) bool {
	if policy == "" {
		policy = svc.PullPolicy
	}
	switch policy {
	case engine.PullAlways, engine.PullRefresh:
		return true
	case engine.PullNever, engine.PullBuild:
		return false
	default:
		_, err := client.Image(ctx, svc.Container.Image)
		return err != nil
	}
}
