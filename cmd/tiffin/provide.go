package main

import (
	"context"

	"tiffin/cmd/tiffin/providers"
	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/project/provider"
)

// provide runs the providers that the services of a request need. The request then has what
// they told. Who only looks, asks nobody.
func (c *cli) provide(ctx context.Context, req *call.UpRequest) error {
	list := c.providers(req.NoDeps, req.Services...)
	if len(list) == 0 {
		return nil
	}
	if c.Opts.DryRun {
		c.Warn(notAsked)
		return nil
	}
	p := c.NewProgress("up")
	err := c.runner(p.Report).Up(ctx, list, c.Project.Provide)
	p.Finish()
	if err != nil {
		return err
	}
	stack, err := c.Project.Stack()
	if err == nil {
		req.Stack = *stack
	}
	return err
}

const notAsked = "providers are not asked: services that depend on them may change by what they tell"

func (c *cli) providers(noDeps bool, services ...string) []provider.Provider { //nolint:revive // it is the flag's value
	if c.Project == nil {
		return nil
	}
	reach := provider.WithDependencies
	if noDeps {
		reach = provider.NamedOnly
	}
	return c.Project.Providers(reach, services...)
}

func (c *cli) runner(report engine.Report) *providers.Runner {
	return &providers.Runner{
		Project: c.Project.Name(), Env: c.Project.Environment(), Getenv: c.Getenv, Report: report, Warn: c.Warn,
	}
}

// releaseProviders takes the providers of a project down that was there for a while only,
// also when the command is interrupted.
func (c *cli) releaseProviders(ctx context.Context) func() {
	ctx = context.WithoutCancel(ctx)
	return func() {
		list := c.providers(false)
		if len(list) == 0 {
			return
		}
		p := c.NewProgress("down")
		defer p.Finish()
		if err := c.runner(p.Report).Down(ctx, list); err != nil {
			c.Warn(err.Error())
		}
	}
}
