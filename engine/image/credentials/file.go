package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"

	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/cli/cli/config/types"
	"github.com/docker/docker-credential-helpers/client"

	"tiffin/engine/call"
)

// File is a configuration file of docker's with all logins of the caller, those that helpers
// keep, too: programs in containers have no helpers. What was found is returned with the
// error of what could not be asked.
func File(ctx context.Context) ([]byte, error) {
	from, err := config.Load(config.Dir())
	if err != nil {
		return nil, fmt.Errorf("docker's configuration: %w", err)
	}
	servers := map[string]bool{}
	for _, known := range [][]string{slices.Collect(maps.Keys(from.AuthConfigs)), slices.Collect(maps.Keys(from.CredentialHelpers))} {
		for _, s := range known {
			servers[s] = true
		}
	}
	var errs []error
	if from.CredentialsStore != "" {
		kept, err := list(ctx, "docker-credential-"+from.CredentialsStore)
		errs = append(errs, err)
		for _, s := range kept {
			servers[s] = true
		}
	}
	out := configfile.ConfigFile{AuthConfigs: map[string]types.AuthConfig{}}
	for _, server := range slices.Sorted(maps.Keys(servers)) {
		auth, err := lookup(ctx, from, server)
		if err != nil {
			errs = append(errs, fmt.Errorf("login for registry %s: %w", server, err))
		}
		if auth != (call.RegistryAuth{}) {
			out.AuthConfigs[server] = types.AuthConfig{
				Username: auth.Username, Password: auth.Password, IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
			}
		}
	}
	var text bytes.Buffer
	errs = append(errs, out.SaveToWriter(&text))
	return text.Bytes(), errors.Join(errs...)
}

// list asks a helper for whom it has logins.
func list(ctx context.Context, program string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	found, err := client.List(func(args ...string) client.Program { return &command{cmd: exec.CommandContext(ctx, program, args...)} })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	return slices.Collect(maps.Keys(found)), nil
}
