package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/project"
)

// projectOptions are the global options as the loader wants them.
func (c *cli) projectOptions(services []string) (project.Options, error) {
	wd, err := os.Getwd()
	if err != nil {
		return project.Options{}, fmt.Errorf("find working directory: %w", err)
	}
	return project.Options{
		Files:      c.opts.files,
		Stdin:      c.in,
		ProjectDir: c.opts.directory,
		Name:       c.opts.name,
		EnvFiles:   c.opts.envFiles,
		Profiles:   c.opts.profiles,
		Services:   services,
		Environ:    c.env,
		WorkingDir: wd,
		Warn:       c.warn,
	}, nil
}

// load reads the project; services are those named on the command line, whose
// profiles become active.
func (c *cli) load(ctx context.Context, o project.Options) (*project.Project, error) {
	p, err := project.Load(ctx, o)
	if err != nil {
		return nil, err
	}
	c.project = p
	return p, c.checkGlobals()
}

// loadStack reads the project as the engine wants it.
func (c *cli) loadStack(ctx context.Context, services []string, scale map[string]int) (*engine.Stack, error) {
	o, err := c.projectOptions(services)
	if err != nil {
		return nil, err
	}
	o.Scale = scale
	p, err := c.load(ctx, o)
	if err != nil {
		return nil, err
	}
	return p.Stack()
}

// target is the project that a command is about, with its Stack if there is a file.
type target struct {
	name  string
	stack *engine.Stack
}

// findTarget finds the project for commands that need no Compose file when the name
// is known: by -p or COMPOSE_PROJECT_NAME the containers alone will do.
func (c *cli) findTarget(ctx context.Context, services []string) (target, error) {
	stack, err := c.loadStack(ctx, services, nil)
	if err == nil {
		return target{name: stack.Name, stack: stack}, nil
	}
	if !errors.Is(err, engine.ErrNotFound) {
		return target{}, err
	}
	o, optErr := c.projectOptions(nil)
	if optErr != nil {
		return target{}, optErr
	}
	names, nameErr := project.NamesOnly(ctx, o)
	if nameErr != nil || len(names.ConfigFiles) > 0 {
		return target{}, err
	}
	return target{name: names.Project}, nil
}

// findRunning finds the container of a service that exec, port and the like are about:
// the one of that number, or the first.
//
// Errors: docker compose's text when there is none that runs.
func (c *cli) findRunning(ctx context.Context, service string, index int) (*api.Client, engine.Container, error) {
	t, err := c.findTarget(ctx, []string{service})
	if err != nil {
		return nil, engine.Container{}, err
	}
	if err := t.known(service); err != nil {
		return nil, engine.Container{}, err
	}
	client, list, err := c.list(ctx, &engine.ListRequest{Project: t.name, Services: []string{service}})
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

// known finds names that are no service; without a Stack every name may be one.
func (t target) known(services ...string) error {
	if t.stack == nil {
		return nil
	}
	for _, name := range services {
		if _, ok := t.stack.Service(name); !ok && !slices.Contains(t.stack.Disabled, name) {
			return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", name))
		}
	}
	return nil
}

// parseScale reads SERVICE=N pairs.
func parseScale(pairs []string) (map[string]int, error) {
	out := map[string]int{}
	for _, pair := range pairs {
		name, count, ok := strings.Cut(pair, "=")
		n, err := strconv.Atoi(count)
		if !ok || name == "" || err != nil || n < 0 {
			return nil, invalid("invalid scale %q: it must be SERVICE=NUMBER", pair)
		}
		out[name] = n
	}
	return out, nil
}

// open opens a file, or standard input for "-".
func (c *cli) open(path string) (io.ReadCloser, error) {
	if path == "-" || path == "" {
		return io.NopCloser(c.in), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, engine.Problem(engine.ErrNotFound, err)
	}
	return f, nil
}
