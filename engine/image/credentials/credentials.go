package credentials

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/docker-credential-helpers/client"
	helper "github.com/docker/docker-credential-helpers/credentials"

	"tiffin/engine"
	"tiffin/engine/call"
)

const (
	dockerHub = "docker.io"
	// hubServer is what docker's configuration calls it, for historical reasons.
	hubServer = "https://index.docker.io/v1/"
	// tokenUser says that the secret of a helper is an identity token.
	tokenUser = "<token>"

	helperTime = 30 * time.Second
)

// Registry is the registry that an image comes from, by its name in images.
//
// Errors: engine.ErrInvalid.
func Registry(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", engine.Problem(engine.ErrInvalid, fmt.Errorf("image reference %q: %w", image, err))
	}
	return reference.Domain(named), nil
}

// Lookup finds the login for one registry; the zero value when there is none.
func Lookup(ctx context.Context, registry string) (call.RegistryAuth, error) {
	found, err := All(ctx, []string{registry})
	return found[registry], err
}

// All finds the logins for registries, by their names in images. Those without one are left out. What was found
// is returned with the error of what could not be asked: images that need no login can be had all the same.
func All(ctx context.Context, registries []string) (map[string]call.RegistryAuth, error) {
	file, err := config.Load(config.Dir())
	if err != nil {
		return nil, fmt.Errorf("docker's configuration: %w", err)
	}
	found := map[string]call.RegistryAuth{}
	var errs []error
	var mu sync.Mutex
	var g sync.WaitGroup
	for _, r := range registries {
		g.Go(func() {
			auth, err := lookup(ctx, file, r)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("login for registry %s: %w", r, err))
			}
			if auth != (call.RegistryAuth{}) {
				found[r] = auth
			}
		})
	}
	g.Wait()
	return found, errors.Join(errs...)
}

func lookup(ctx context.Context, file *configfile.ConfigFile, registry string) (call.RegistryAuth, error) {
	server := registry
	if registry == dockerHub {
		server = hubServer
	}
	if name := helperFor(file, server); name != "" {
		return ask(ctx, "docker-credential-"+name, server)
	}
	c, err := file.GetAuthConfig(server)
	if err != nil {
		return call.RegistryAuth{}, err
	}
	return call.RegistryAuth{
		Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken, RegistryToken: c.RegistryToken,
	}, nil
}

func helperFor(file *configfile.ConfigFile, server string) string {
	if name, ok := file.CredentialHelpers[server]; ok {
		return name
	}
	return file.CredentialsStore
}

// ask runs a helper.
func ask(ctx context.Context, program, server string) (call.RegistryAuth, error) {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	run := func(args ...string) client.Program { return &command{cmd: exec.CommandContext(ctx, program, args...)} }
	c, err := client.Get(run, server)
	switch {
	case helper.IsErrCredentialsNotFound(err):
		return call.RegistryAuth{}, nil
	case ctx.Err() != nil:
		return call.RegistryAuth{}, fmt.Errorf("%s did not answer: %w", program, ctx.Err())
	case err != nil:
		return call.RegistryAuth{}, fmt.Errorf("%s: %w", program, err)
	case c.Username == tokenUser:
		return call.RegistryAuth{IdentityToken: c.Secret}, nil
	default:
		return call.RegistryAuth{Username: c.Username, Password: c.Secret}, nil
	}
}

// command is a helper's process. What it says on standard error is its error's text.
type command struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func (c *command) Input(in io.Reader) { c.cmd.Stdin = in }

func (c *command) Output() ([]byte, error) {
	c.cmd.Stderr = &c.stderr
	c.cmd.WaitDelay = time.Second
	out, err := c.cmd.Output()
	if text := strings.TrimSpace(c.stderr.String()); err != nil && text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return out, err
}
