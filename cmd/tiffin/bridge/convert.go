package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/engine/plan"
	"tiffin/project"
)

// The kind of a step, which is in no plan of a stack.
const transform plan.Kind = "transform with"

func (h *Host) convert(ctx context.Context, o *convertOptions) error {
	if len(o.transformations) == 0 {
		o.transformations = []string{defaultImage}
	}
	output, templates, err := folders(o)
	if err != nil {
		return err
	}
	stack, err := h.LoadStack(ctx, nil, nil)
	if err != nil {
		return err
	}
	if err := spares(output, append(stack.ConfigFiles, templates)); err != nil {
		return err
	}
	if h.Opts.DryRun {
		p := &plan.Plan{}
		for i, image := range o.transformations {
			p.Steps = append(p.Steps, plan.Step{Seq: i + 1, Kind: transform, Name: image})
		}
		return h.Show(p)
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	model, err := h.model(ctx, client, stack)
	if err != nil {
		return err
	}
	confirm := func(question string) bool { return o.yes || h.Confirm(question) }
	if err := prepare(output, o.output, confirm); err != nil {
		return err
	}
	return h.transform(ctx, client, model, mounts{output, templates}, o.transformations)
}

// folders are the output and the templates, absolute; "" for no templates.
func folders(o *convertOptions) (output, templates string, err error) {
	if output, err = filepath.Abs(o.output); err != nil || o.templates == "" {
		return output, "", err
	}
	if templates, err = filepath.Abs(o.templates); err != nil {
		return "", "", err
	}
	if info, err := os.Stat(templates); err != nil || !info.IsDir() {
		return "", "", engine.Problem(engine.ErrNotFound, fmt.Errorf("--templates %s: there is no such directory", o.templates))
	}
	return output, templates, nil
}

// model is the project as transformations want it. What its images say of themselves is a part of it, so those that
// are not here are pulled; one that is built is not, since that would say nothing of the next build.
func (h *Host) model(ctx context.Context, client *api.Client, stack *engine.Stack) ([]byte, error) {
	show := h.NewProgress("pull")
	err := client.Pull(ctx, &call.PullRequest{
		Stack: *stack, Policy: engine.PullMissing, SkipBuild: true, Auths: h.Credentials(ctx, client, stack, engine.PullMissing),
	}, show.Report)
	show.Finish()
	if err != nil {
		return nil, err
	}
	exposed := map[string][]string{}
	for i := range stack.Services {
		svc := &stack.Services[i]
		img, err := client.Image(ctx, svc.Container.Image)
		switch {
		case errors.Is(err, engine.ErrNotFound) && svc.Buildable():
			h.Warn(fmt.Sprintf("image %s of service %q is not there, so the ports that it exposes are not known: `tiffin build` makes it",
				svc.Container.Image, svc.Name))
		case err != nil:
			return nil, err
		}
		exposed[svc.Name] = img.Config.Expose
	}
	text, err := h.Project.Canonical(project.ConfigOptions{AllResources: h.Opts.AllResources})
	if err != nil {
		return nil, err
	}
	return enrich(text, stack, exposed)
}

// transform gives the project to each transformation.
func (h *Host) transform(ctx context.Context, client *api.Client, model []byte, m mounts, images []string) (err error) {
	in, err := os.MkdirTemp("", "tiffin-bridge-")
	if err != nil {
		return fmt.Errorf("make a folder for the project: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(in)) }()
	// The content of secrets is in it.
	if err := os.WriteFile(filepath.Join(in, "compose.yaml"), model, 0o600); err != nil { //nolint:forbidigo // nobody else reads it meanwhile
		return fmt.Errorf("write the project: %w", err)
	}
	for _, image := range images {
		code, err := h.runTransformer(ctx, client, transformer(image, in, m, os.Getuid(), os.Getgid()))
		if err != nil {
			return err
		}
		if code != 0 {
			return caller.OfCommand(fmt.Errorf("transformation %s failed: %w", image, &engine.ExitError{Code: code}))
		}
	}
	return nil
}
