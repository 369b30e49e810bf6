package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/project"
)

type configOptions struct {
	project.ConfigOptions

	quiet, resolveDigests, lockDigests                                            bool
	explain                                                                       bool
	services, volumes, networks, images, profiles, variables, environment, models bool
	hash, output                                                                  string
}

func newConfig(c *cli) *cobra.Command {
	var o configOptions
	cmd := &cobra.Command{
		Use:     "config [OPTIONS] [SERVICE...]",
		Aliases: []string{"convert"},
		Short:   "Parse, resolve and render compose file in canonical format",
		Long: `Config prints the project as it is understood: files merged, variables replaced,
short forms written out. The output can be used as a Compose file.

Exit status: 0 when the project is valid, 1 when it is not.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, other := range []string{"no-interpolate", "quiet", "lock-image-digests", "services", "volumes", "networks", "models", "profiles", "images", "hash", "variables", "environment"} {
				if err := flagConflict(cmd, [2]string{"explain", other}); err != nil {
					return err
				}
			}
			return c.config(cmd.Context(), &o, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Format, "format", "", "Format the output. Values: [yaml | json]")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Only validate the configuration, don't print anything")
	f.BoolVar(&o.explain, "explain", false, "Print where each value comes from: behind it, or as JSON")
	f.BoolVar(&o.resolveDigests, "resolve-image-digests", false, "Pin image tags to digests, as they are in the local store")
	f.BoolVar(&o.lockDigests, "lock-image-digests", false, "Produces an override file with image digests")
	f.BoolVar(&o.NoInterpolate, "no-interpolate", false, "Don't interpolate environment variables")
	f.BoolVar(&o.NoNormalize, "no-normalize", false, "Don't normalize compose model")
	f.BoolVar(&o.NoPathResolution, "no-path-resolution", false, "Don't resolve file paths")
	f.BoolVar(&o.NoConsistency, "no-consistency", false, "Don't check model consistency - warning: may produce invalid Compose output")
	f.BoolVar(&o.NoEnvResolution, "no-env-resolution", false, "Don't resolve service env files")
	f.BoolVar(&o.services, "services", false, "Print the service names, one per line")
	f.BoolVar(&o.volumes, "volumes", false, "Print the volume names, one per line")
	f.BoolVar(&o.networks, "networks", false, "Print the network names, one per line")
	f.BoolVar(&o.models, "models", false, "Print the model names, one per line")
	f.BoolVar(&o.profiles, "profiles", false, "Print the profile names, one per line")
	f.BoolVar(&o.images, "images", false, "Print the image names, one per line")
	f.StringVar(&o.hash, "hash", "", "Print the service config hash, one per line")
	f.BoolVar(&o.variables, "variables", false, "Print model variables and default values")
	f.BoolVar(&o.environment, "environment", false, "Print environment used for interpolation")
	f.StringVarP(&o.output, "output", "o", "", "Save to file (default to stdout)")
	return cmd
}

func (c *cli) config(ctx context.Context, o *configOptions, services []string) error {
	where, err := c.ProjectOptions(services)
	if err != nil {
		return err
	}
	text, err := c.configText(ctx, o, where, services)
	if err != nil || o.quiet {
		return err
	}
	if o.output == "" || o.output == "-" {
		_, err = c.Out.Write(text)
		return err
	}
	if err := os.WriteFile(o.output, text, 0o644); err != nil { //nolint:gosec,forbidigo // the user's file, for others to read
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// configText is what config prints: a list, or the project.
func (c *cli) configText(ctx context.Context, o *configOptions, where project.Options, services []string) ([]byte, error) {
	if o.variables {
		return c.configVariables(ctx, o, where)
	}
	list, err := c.configList(ctx, o, where, services)
	if list != nil || err != nil {
		return joinLines(list), err
	}
	o.Services, o.AllResources = services, c.Opts.AllResources
	if o.lockDigests {
		return c.lockDigests(ctx, where)
	}
	if o.resolveDigests {
		o.Digest = func(image string) (string, error) { return c.digestOf(ctx, image) }
	}
	if o.explain {
		return project.Explain(ctx, where, o.ConfigOptions)
	}
	return project.Config(ctx, where, o.ConfigOptions)
}

// configList is one of the lists, nil when none is asked for.
func (c *cli) configList(ctx context.Context, o *configOptions, where project.Options, services []string) ([]string, error) {
	if !o.services && !o.volumes && !o.networks && !o.images && !o.profiles && !o.environment && !o.models && o.hash == "" {
		return nil, nil
	}
	where.WithoutJobs = true
	p, err := c.Load(ctx, where)
	if err != nil {
		return nil, err
	}
	none := []string{}
	switch {
	case o.services:
		return append(none, p.ServiceNames()...), nil
	case o.volumes:
		return append(none, p.VolumeNames()...), nil
	case o.networks:
		return append(none, p.NetworkNames()...), nil
	case o.images:
		return append(none, p.Images(services...)...), nil
	case o.profiles:
		return append(none, p.Profiles()...), nil
	case o.environment:
		return append(none, p.Environment()...), nil
	case o.hash == "*":
		return p.Hashes()
	case o.hash != "":
		return p.Hashes(strings.Split(o.hash, ",")...)
	default: // models are not carried out
		return none, nil
	}
}

func joinLines(lines []string) []byte {
	if len(lines) == 0 {
		return nil
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// configVariables is a table of the variables that the files use, or JSON.
func (c *cli) configVariables(ctx context.Context, o *configOptions, where project.Options) ([]byte, error) {
	vars, err := project.Variables(ctx, where)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	if o.Format == "json" {
		type variable struct {
			Name          string
			DefaultValue  string
			PresenceValue string
			Required      bool
		}
		byName := map[string]variable{}
		for _, v := range vars {
			byName[v.Name] = variable{v.Name, v.Default, v.Alternate, v.Required}
		}
		err = format.JSON(&out, byName)
		return []byte(out.String()), err
	}
	var rows [][]string
	for _, v := range vars {
		rows = append(rows, []string{v.Name, strconv.FormatBool(v.Required), v.Default, v.Alternate})
	}
	err = format.Table(&out, []string{"NAME", "REQUIRED", "DEFAULT VALUE", "ALTERNATE VALUE"}, rows)
	return []byte(out.String()), err
}

// digestOf is the digest of an image in the local store.
func (c *cli) digestOf(ctx context.Context, image string) (string, error) {
	client, err := c.Connect(ctx)
	if err != nil {
		return "", err
	}
	img, err := client.Image(ctx, image)
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return "", engine.Hint(err, "`tiffin pull` fetches the images of the project")
	case err != nil:
		return "", err
	case img.Digest == "":
		return "", engine.Problem(engine.ErrNotFound, fmt.Errorf("image %s has no digest: it did not come from a registry", image))
	}
	return img.Digest, nil
}

// lockDigests is an override file that pins the image of each service.
func (c *cli) lockDigests(ctx context.Context, where project.Options) ([]byte, error) {
	where.WithoutJobs = true
	p, err := c.Load(ctx, where)
	if err != nil {
		return nil, err
	}
	stack, err := p.Stack()
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	out.WriteString("services:\n")
	for i := range stack.Services {
		svc := &stack.Services[i]
		ref := svc.Container.Image
		if ref == "" {
			continue
		}
		if !strings.Contains(ref, "@") {
			digest, err := c.digestOf(ctx, ref)
			if err != nil {
				return nil, err
			}
			ref += "@" + digest
		}
		fmt.Fprintf(&out, "  %q:\n    image: %q\n", svc.Name, ref)
	}
	return []byte(out.String()), nil
}
