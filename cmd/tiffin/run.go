package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/call"
	"tiffin/project"
)

type runOptions struct {
	up upOptions

	detach, rm, servicePorts, useAliases, noTTY, tty, interactive, quiet bool
	capAdd, capDrop, env, envFiles, labels, publish, volumes             []string
	entrypoint, name, user, workdir                                      string
}

func newRun(c *cli) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [OPTIONS] SERVICE|JOB [COMMAND] [ARGS...]",
		Short: "Run a one-off command on a service",
		Args:  caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.servicePorts && len(o.publish) > 0 {
				return caller.Invalid("--service-ports and --publish are incompatible")
			}
			return c.runOneOff(cmd, &o, args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVar(&o.up.build, "build", false, "Build image before starting container")
	f.StringArrayVar(&o.capAdd, "cap-add", nil, "Add Linux capabilities")
	f.StringArrayVar(&o.capDrop, "cap-drop", nil, "Drop Linux capabilities")
	f.BoolVarP(&o.detach, "detach", "d", false, "Run container in background and print container ID")
	f.StringVar(&o.entrypoint, "entrypoint", "", "Override the entrypoint of the image")
	f.StringArrayVarP(&o.env, "env", "e", nil, "Set environment variables")
	f.StringArrayVar(&o.envFiles, "env-from-file", nil, "Set environment variables from file")
	f.BoolVarP(&o.interactive, "interactive", "i", true, "Keep STDIN open even if not attached")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "Add or override a label")
	f.StringVar(&o.name, "name", "", "Assign a name to the container")
	f.BoolVar(&o.up.noDeps, "no-deps", false, "Don't start linked services")
	f.BoolVarP(&o.noTTY, "no-TTY", "T", false, "Disable pseudo-TTY allocation (default: auto-detected)")
	f.BoolVarP(&o.tty, "tty", "t", true, "Allocate a pseudo-TTY")
	f.Lookup("tty").Hidden = true
	f.StringArrayVarP(&o.publish, "publish", "p", nil, "Publish a container's port(s) to the host")
	f.StringVar(&o.up.pull, "pull", "policy", `Pull image before running ("always"|"missing"|"never"|"policy")`)
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Don't print anything to STDOUT")
	f.BoolVar(&o.up.quietBuild, "quiet-build", false, "Suppress progress output from the build process")
	f.BoolVar(&o.up.quietPull, "quiet-pull", false, "Pull without printing progress information")
	f.BoolVar(&o.up.removeOrphans, "remove-orphans", false, "Remove containers for services not defined in the Compose file")
	f.BoolVar(&o.rm, "rm", false, "Automatically remove the container when it exits")
	f.BoolVarP(&o.servicePorts, "service-ports", "P", false, "Run command with all service's ports enabled and mapped to the host")
	f.BoolVar(&o.useAliases, "use-aliases", false, "Use the service's network useAliases in the network(s) the container connects to")
	f.StringVarP(&o.user, "user", "u", "", "Run as specified username or uid")
	f.StringArrayVarP(&o.volumes, "volume", "v", nil, "Bind mount a volume")
	f.StringVarP(&o.workdir, "workdir", "w", "", "Working directory inside the container")
	return cmd
}

func (c *cli) runOneOff(cmd *cobra.Command, o *runOptions, args []string) error {
	ctx := cmd.Context()
	service := args[0]
	stack, err := c.LoadStack(ctx, []string{service}, nil)
	if err != nil {
		return err
	}
	if _, ok := stack.Service(service); !ok {
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("no such service: %s", service))
	}
	up, err := o.up.request(c, cmd, stack, nil)
	if err != nil {
		return err
	}
	up.Services = []string{service}
	if err := c.provide(ctx, up); err != nil {
		return err
	}
	stack, up.Services = &up.Stack, nil
	svc, ok := stack.Service(service)
	if ok && svc.Job != nil && svc.Job.NotManual {
		return engine.Hint(caller.Invalid("job %q is not run by hand: triggers.manual is false", service), "leave `manual: false` out of its triggers, or wait for its schedule")
	}
	if !ok || svc.Container.Image == "" {
		return caller.Invalid("service %q has a provider, and no container", service)
	}
	_, inTerminal := caller.Terminal(c.In)
	_, outTerminal := caller.Terminal(c.Out)
	req := &call.RunRequest{Up: *up, Service: service, Name: o.name, UseAliases: o.useAliases, Start: o.detach, Container: svc.Container}
	if err := o.apply(c, &req.Container, args[1:]); err != nil {
		return err
	}
	req.Container.TTY = !o.noTTY && o.tty && inTerminal && outTerminal && !o.detach
	req.Container.OpenStdin = o.interactive && !o.detach
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	req.Up.Auths = c.Credentials(ctx, client, stack, req.Up.Pull)
	if err := c.buildBeforeRun(ctx, client, req, &o.up); err != nil {
		return err
	}
	p := c.NewProgress("run")
	report := quietPulls(p.Report, o.up.quietPull)
	id, err := client.Run(ctx, req, func(e engine.Progress) {
		if e.Text != "Running" { // what is up already is no news before each command
			report(e)
		}
	})
	p.Finish()
	if err != nil {
		return caller.OfCommand(err)
	}
	if o.detach {
		_, err := fmt.Fprintln(c.Out, id)
		return err
	}
	return c.attachOneOff(ctx, client, id, &req.Container)
}

// apply changes the service's spec as the flags say. A one-off is not restarted, and
// publishes nothing unless told so.
func (o *runOptions) apply(c *cli, spec *engine.ContainerSpec, command []string) error {
	spec.Restart = engine.RestartPolicy{}
	spec.AutoRemove = o.rm
	if !o.servicePorts {
		spec.Ports = nil
	}
	if o.entrypoint != "" {
		words, err := project.SplitCommand(o.entrypoint)
		if err != nil {
			return fmt.Errorf("--entrypoint: %w", err)
		}
		spec.Entrypoint, spec.Cmd = words, []string{}
	}
	if len(command) > 0 {
		spec.Cmd = command
	}
	if o.user != "" {
		spec.User = o.user
	}
	if o.workdir != "" {
		spec.WorkingDir = o.workdir
	}
	spec.CapAdd = slices.Concat(spec.CapAdd, o.capAdd)
	spec.CapDrop = slices.Concat(spec.CapDrop, o.capDrop)
	if err := o.applyEnv(c, spec); err != nil {
		return err
	}
	labels := maps.Clone(spec.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, l := range o.labels {
		k, v, _ := strings.Cut(l, "=")
		labels[k] = v
	}
	spec.Labels = labels
	return o.applyMounts(spec)
}

func (o *runOptions) applyEnv(c *cli, spec *engine.ContainerSpec) error {
	env := slices.Clone(spec.Env)
	for _, path := range o.envFiles {
		vars, err := project.ReadEnvFile(path, c.Env)
		if err != nil {
			return err
		}
		env = append(env, vars...)
	}
	spec.Env = append(env, c.withValues(o.env)...)
	return nil
}

func (o *runOptions) applyMounts(spec *engine.ContainerSpec) error {
	wd, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find working directory: %w", err)
	}
	spec.Ports = slices.Clone(spec.Ports)
	for _, text := range o.publish {
		ports, err := project.ParsePorts(text)
		if err != nil {
			return err
		}
		spec.Ports = append(spec.Ports, ports...)
	}
	mounts := slices.Clone(spec.Mounts)
	for _, text := range o.volumes {
		m, err := project.ParseVolume(text, wd)
		if err != nil {
			return err
		}
		mounts = slices.DeleteFunc(mounts, func(old engine.Mount) bool { return old.Target == m.Target })
		mounts = append(mounts, m)
	}
	spec.Mounts = mounts
	return nil
}

// attachOneOff starts the container with its streams on ours.
func (c *cli) attachOneOff(ctx context.Context, client *api.Client, id string, spec *engine.ContainerSpec) error {
	code, err := c.Streamed(caller.Streams{TTY: spec.TTY, Stdin: spec.OpenStdin}, func(s call.Streams) (int, error) {
		return client.Attach(ctx, &call.AttachRequest{
			Container: id, Stdin: spec.OpenStdin, Start: true, Replay: true, ConsoleSize: caller.TerminalSize(c.Out),
		}, s)
	})
	if err != nil {
		return err
	}
	return caller.ExitWith(code)
}
