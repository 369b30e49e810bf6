// Package providers runs the programs that look after services without containers.
//
// They are the caller's: they run with the caller's rights, never by the engine.
package providers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"time"

	"tiffin/engine"
	"tiffin/project/provider"
)

// Runner runs providers of one project.
type Runner struct {
	Project string
	// Env is what the programs see, Getenv what their search looks at.
	Env    []string
	Getenv func(string) string
	Report engine.Report
	Warn   func(string)
}

// maxLine bounds a line of a provider.
const maxLine = 1 << 20

// grace is how long a program may take to end when the command is interrupted.
const grace = 10 * time.Second

// Up runs providers, one after the other, and hands on what each tells.
func (r *Runner) Up(ctx context.Context, list []provider.Provider, give func(service string, vars provider.Variables)) error {
	for i := range list {
		p := &list[i]
		if len(p.Waits) > 0 {
			r.Warn(fmt.Sprintf("service %q has a provider, which is run before the containers of %s, that it depends on",
				p.Service, strings.Join(p.Waits, ", ")))
		}
		vars, err := r.run(ctx, "up", p)
		if err != nil {
			return err
		}
		give(p.Service, vars)
	}
	return nil
}

// Down releases what providers made, in reverse order. Each is run, whatever becomes of others.
func (r *Runner) Down(ctx context.Context, list []provider.Provider) error {
	return r.back(ctx, "down", list)
}

// Stop lets providers that say they can pause what they made.
func (r *Runner) Stop(ctx context.Context, list []provider.Provider) error {
	return r.back(ctx, "stop", list)
}

func (r *Runner) back(ctx context.Context, action string, list []provider.Provider) error {
	var errs []error
	for _, p := range slices.Backward(list) {
		_, err := r.run(ctx, action, &p)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// words are what is shown of an action, as docker compose has it.
var words = map[string][2]string{"up": {"Creating", "Created"}, "down": {"Removing", "Removed"}, "stop": {"Stopping", "Stopped"}}

func (r *Runner) run(ctx context.Context, action string, p *provider.Provider) (provider.Variables, error) {
	vars := provider.Variables{Named: map[string]string{}, Raw: map[string]string{}}
	failed := func(err error) error {
		r.Report(engine.Progress{ID: p.Service, Status: engine.Failed, Text: "Error", Details: err.Error()})
		text := fmt.Errorf("provider %q of service %q: %w", p.Type, p.Service, err)
		if p.Place != "" {
			text = fmt.Errorf("%s: %w", p.Place, text)
		}
		return text
	}
	path, err := find(p.Type, r.Getenv)
	if err != nil {
		return vars, engine.Hint(engine.Problem(engine.ErrNotFound, failed(err)),
			"Install docker-"+p.Type+" among docker's plugins, or "+p.Type+" in PATH.")
	}
	known := r.metadata(ctx, path)
	if action == "stop" && known.Stop == nil {
		return vars, nil
	}
	args, unknown, err := known.arguments(r.Project, action, p)
	if err != nil {
		return vars, engine.Hint(engine.Problem(engine.ErrInvalid, failed(err)), "Add it under options.")
	}
	if action == "up" && len(unknown) > 0 {
		r.Warn(fmt.Sprintf("the provider of service %q does not know %s, which is left out", p.Service, strings.Join(unknown, ", ")))
	}
	r.Report(engine.Progress{ID: p.Service, Status: engine.Working, Text: words[action][0]})
	if err := r.talk(ctx, exec.CommandContext(ctx, path, args...), p, &vars); err != nil {
		return vars, failed(err)
	}
	r.Report(engine.Progress{ID: p.Service, Status: engine.Done, Text: words[action][1]})
	return vars, nil
}

// talk runs a program and listens to it.
func (r *Runner) talk(ctx context.Context, cmd *exec.Cmd, p *provider.Provider, vars *provider.Variables) error {
	var complaints bytes.Buffer
	cmd.Env, cmd.Stderr, cmd.WaitDelay = r.Env, &complaints, grace
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	told, wrong := r.listen(out, p, vars)
	if wrong != nil {
		_ = cmd.Process.Kill() // it would write on to nobody
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case told != "":
		return errors.New(told)
	case wrong != nil:
		return wrong
	case err != nil:
		return errors.Join(err, lastLine(complaints.String()))
	default:
		return nil
	}
}

// listen reads messages to their end. told is the error that the program has told, if any.
func (r *Runner) listen(out interface{ Read([]byte) (int, error) }, p *provider.Provider, vars *provider.Variables) (told string, err error) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		k, text, err := read(lines.Bytes(), vars)
		switch {
		case err != nil:
			return told, err
		case k == failure && told == "":
			told = text
		case k == info:
			r.Report(engine.Progress{ID: p.Service, Status: engine.Working, Text: text})
		}
	}
	return told, lines.Err()
}

// lastLine is the end of what a program complained of.
func lastLine(text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil
	}
	return errors.New(text[strings.LastIndexByte(text, '\n')+1:])
}

// metadata is what a program says of itself; nothing when it does not.
func (r *Runner) metadata(ctx context.Context, path string) *metadata {
	cmd := exec.CommandContext(ctx, path, "compose", "metadata")
	cmd.Env, cmd.WaitDelay = r.Env, grace
	out, err := cmd.Output()
	var m metadata
	if err != nil || json.Unmarshal(out, &m) != nil {
		return &metadata{}
	}
	return &m
}

func sortedKeys(m map[string][]string) []string { return slices.Sorted(maps.Keys(m)) }
