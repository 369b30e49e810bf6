package main

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"tiffin/cmd/tiffin/builds"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// buildBefore builds what up needs, as the engine plans it: sources are the caller's. What may be pulled rather than
// built is pulled first. The request then says that it is done.
func (c *cli) buildBefore(ctx context.Context, client *api.Client, req *call.UpRequest, o *upOptions) error {
	if req.NoBuild || !slices.ContainsFunc(req.Stack.Services, func(s engine.Service) bool { return s.Buildable() }) {
		return nil
	}
	p, err := client.PlanBuilds(ctx, req)
	if err != nil {
		return err
	}
	for _, w := range p.Warnings {
		c.Warn(w)
	}
	missing, err := c.pullBefore(ctx, client, req, p, o.quietPull)
	if err != nil {
		return err
	}
	if services := builds.Needed(p, missing); len(services) > 0 {
		opts := c.buildOptions(o.quietBuild)
		opts.Targets = builds.OnePlatform(&req.Stack, builds.Targets(&req.Stack, services))
		if err := c.Project.CheckBuild(builds.Names(opts.Targets)...); err != nil {
			return err
		}
		if err := c.runBuilds(ctx, client, opts); err != nil {
			return err
		}
	}
	req.NoBuild = true
	return nil
}

// buildBeforeRun is for a one-off container, and what its service depends on.
func (c *cli) buildBeforeRun(ctx context.Context, client *api.Client, req *call.RunRequest, o *upOptions) error {
	up := req.Up
	up.Services = []string{req.Service}
	err := c.buildBefore(ctx, client, &up, o)
	req.Up.NoBuild = up.NoBuild
	return err
}

// pullBefore tries to pull what can be built as well, and returns what could not be.
func (c *cli) pullBefore(ctx context.Context, client *api.Client, req *call.UpRequest, p *plan.Plan, quiet bool) ([]string, error) {
	pulls := slices.DeleteFunc(slices.Clone(p.Steps), func(s plan.Step) bool { return s.Kind != plan.PullImage })
	if len(pulls) == 0 {
		return nil, nil
	}
	shown := c.NewProgress("pull")
	defer shown.Finish()
	report := quietPulls(shown.Report, quiet)
	var mu sync.Mutex
	var missing []string
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range pulls {
		group.Go(func() error {
			id := "Image " + s.Name
			report(engine.Progress{ID: id, Status: engine.Working, Text: "Pulling"})
			_, err := client.PullImage(ctx, s.Name, s.Platform, req.Auths, func(p engine.Progress) {
				if p.Status != engine.Failed { // it is built then
					report(p)
				}
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == nil {
				report(engine.Progress{ID: id, Status: engine.Done, Text: "Pulled"})
				return nil
			}
			report(engine.Progress{ID: id, Status: engine.Warning, Text: "Not pulled", Details: err.Error()})
			mu.Lock()
			defer mu.Unlock()
			missing = append(missing, s.Name)
			return nil
		})
	}
	return missing, group.Wait()
}
