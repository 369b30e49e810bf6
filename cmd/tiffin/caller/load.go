package caller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"tiffin/cmd/tiffin/remote"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/image/credentials"
	"tiffin/project"
	"tiffin/project/suggest"
)

// ProjectOptions are the global options as the loader wants them.
func (c *Caller) ProjectOptions(services []string) (project.Options, error) {
	wd, err := os.Getwd()
	if err != nil {
		return project.Options{}, fmt.Errorf("find working directory: %w", err)
	}
	return project.Options{
		Files:      c.Opts.Files,
		Stdin:      c.In,
		ProjectDir: c.Opts.Directory,
		Name:       c.Opts.Name,
		Instance:   c.Opts.Instance,
		EnvFiles:   c.Opts.EnvFiles,
		Profiles:   c.Opts.Profiles,
		Services:   services,
		Environ:    c.Env,
		WorkingDir: wd,
		Warn:       c.Warn,
		Fetch:      c.fetch(),
	}, nil
}

// fetch gets Compose files from elsewhere; not for shells that complete words.
func (c *Caller) fetch() func(ctx context.Context, address string) (string, error) {
	if c.quiet {
		return nil
	}
	f := &remote.Fetcher{Getenv: c.Getenv, Confirm: c.trusts}
	return func(ctx context.Context, address string) (string, error) {
		f.Registry.Auth = func(registry string) (call.RegistryAuth, error) { return credentials.Lookup(ctx, registry) }
		return f.Fetch(ctx, address)
	}
}

// trusts asks on a terminal; whoever calls without one has no way to answer.
func (c *Caller) trusts(question string) bool {
	if _, ok := Terminal(c.In); !ok || c.Opts.Yes {
		return true
	}
	return c.Confirm(question)
}

// Load reads the project; services are those named on the command line, whose
// profiles become active.
func (c *Caller) Load(ctx context.Context, o project.Options) (*project.Project, error) {
	p, err := project.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	c.Project = p
	return p, c.CheckGlobals()
}

// LoadStack reads the project as the engine wants it.
func (c *Caller) LoadStack(ctx context.Context, services []string, scale map[string]int) (*engine.Stack, error) {
	o, err := c.ProjectOptions(services)
	if err != nil {
		return nil, err
	}
	o.Scale = scale
	p, err := c.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	return p.Stack()
}

// Target is the project that a command is about, with its Stack if there is a file.
type Target struct {
	Name  string
	Stack *engine.Stack
}

// FindTarget finds the project for commands that need no Compose file when the name
// is known: by -p or COMPOSE_PROJECT_NAME the containers alone will do.
func (c *Caller) FindTarget(ctx context.Context, services []string) (Target, error) {
	stack, err := c.LoadStack(ctx, services, nil)
	if err == nil {
		return Target{Name: stack.Name, Stack: stack}, nil
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return Target{}, err
	}
	o, optErr := c.ProjectOptions(nil)
	if optErr != nil {
		return Target{}, optErr
	}
	names, nameErr := project.NamesOnly(ctx, o)
	if nameErr != nil || len(names.ConfigFiles) > 0 {
		return Target{}, err
	}
	return Target{Name: names.Project}, nil
}

// FindRunning finds the container of a service that exec, port and the like are about:
// the one of that number, or the first.
//
// Errors: docker compose's text when there is none that runs.
func (c *Caller) FindRunning(ctx context.Context, service string, index int) (*api.Client, engine.Container, error) {
	t, err := c.FindTarget(ctx, []string{service})
	if err != nil {
		return nil, engine.Container{}, err
	}
	if err := t.Known(service); err != nil {
		return nil, engine.Container{}, err
	}
	client, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: []string{service}})
	if err != nil {
		return nil, engine.Container{}, err
	}
	slices.SortFunc(list, func(a, b engine.Container) int { return a.Number - b.Number })
	for i := range list {
		if index == 0 || list[i].Number == index {
			return client, list[i], nil
		}
	}
	if len(list) > 0 {
		return nil, engine.Container{}, engine.Problem(engine.ErrNotFound, fmt.Errorf("service %q has no container %d that runs", service, index))
	}
	return nil, engine.Container{}, engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("service %q is not running", service)),
		"start it with `tiffin up -d "+service+"`")
}

// Known finds names that are no service; without a Stack every name may be one.
func (t Target) Known(services ...string) error {
	if t.Stack == nil {
		return nil
	}
	for _, name := range services {
		if _, ok := t.Stack.Service(name); !ok && !slices.Contains(t.Stack.Disabled, name) {
			known := slices.Clone(t.Stack.Disabled)
			for i := range t.Stack.Services {
				known = append(known, t.Stack.Services[i].Name)
			}
			return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", name)), suggest.Meant(name, known))
		}
	}
	return nil
}

// ParseScale reads SERVICE=N pairs.
func ParseScale(pairs []string) (map[string]int, error) {
	out := map[string]int{}
	for _, pair := range pairs {
		name, count, ok := strings.Cut(pair, "=")
		n, err := strconv.Atoi(count)
		if !ok || name == "" || err != nil || n < 0 {
			return nil, Invalid("invalid scale %q: it must be SERVICE=NUMBER", pair)
		}
		out[name] = n
	}
	return out, nil
}

// Open opens a file, or standard input for "-".
func (c *Caller) Open(path string) (io.ReadCloser, error) {
	if path == "-" || path == "" {
		return io.NopCloser(c.In), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, engine.Problem(engine.ErrNotFound, err)
	}
	return f, nil
}
