package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/call"
)

// cli is the caller; the commands are its methods.
type cli struct{ *caller.Caller }

// Command is docker's group of commands for secrets.
func Command(who *caller.Caller) *cobra.Command {
	c := &cli{who}
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Manage the secrets that Compose files call external",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return caller.Invalid("unknown command: %q", "tiffin secret "+args[0])
			}
			return cmd.Help()
		},
	}
	for _, sub := range []*cobra.Command{newCreate(c), newRm(c)} {
		act := sub.RunE
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			if c.Opts.DryRun {
				return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%q cannot be tried dry", cmd.CommandPath()))
			}
			return act(cmd, args)
		}
		cmd.AddCommand(sub)
	}
	cmd.AddCommand(newInspect(c), newLs(c))
	for _, sub := range cmd.Commands() {
		sub.DisableFlagsInUseLine = true
	}
	return cmd
}

type createOptions struct {
	labels           []string
	driver, template string
}

func newCreate(c *cli) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:   "create [OPTIONS] SECRET FILE|-",
		Short: "Create a secret from a file or standard input",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return caller.Invalid("secret %s: say where its content is: a FILE, or - for standard input", args[0])
			}
			return caller.Exactly(2)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.create(cmd.Context(), &o, args[0], args[1]) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.labels, "label", "l", nil, "Secret labels")
	f.StringVarP(&o.driver, "driver", "d", "", "Not carried out")
	f.StringVar(&o.template, "template-driver", "", "Not carried out")
	f.Lookup("driver").Hidden, f.Lookup("template-driver").Hidden = true, true
	return cmd
}

func (c *cli) create(ctx context.Context, o *createOptions, name, from string) error {
	for flag, value := range map[string]string{"--driver": o.driver, "--template-driver": o.template} {
		if value != "" {
			return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s is not supported: tiffin runs on one host, without a swarm", flag))
		}
	}
	labels, err := pairs("label", o.labels)
	if err != nil {
		return err
	}
	content, err := c.read(from)
	if err != nil {
		return fmt.Errorf("secret %s: %w", name, err)
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	s, err := client.CreateSecret(ctx, &call.SecretRequest{Name: name, Labels: labels, Content: content})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.Out, s.ID)
	return err
}

// most is above what the engine takes, so that it is the one to say so.
const most = 1 << 20

// read reads a file with the caller's rights, or standard input.
func (c *cli) read(from string) ([]byte, error) {
	if from == "-" {
		return io.ReadAll(io.LimitReader(c.In, most))
	}
	f, err := c.Open(from)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return io.ReadAll(io.LimitReader(f, most))
}

type lsOptions struct {
	quiet   bool
	format  string
	filters []string
}

func newLs(c *cli) *cobra.Command {
	var o lsOptions
	cmd := &cobra.Command{
		Use:     "ls [OPTIONS]",
		Aliases: []string{"list"},
		Short:   "List secrets",
		Args:    caller.Exactly(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.ls(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.filters, "filter", "f", nil, `Provide filter values (e.g. "name=token")`)
	f.StringVar(&o.format, "format", "table", "table, json, or a Go template")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Only display IDs")
	return cmd
}

func (c *cli) ls(ctx context.Context, o *lsOptions) error {
	keep, err := ParseFilters(o.filters)
	if err != nil {
		return err
	}
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	list, err := client.Secrets(ctx)
	if err != nil {
		return err
	}
	var rows []Row
	for i := range list {
		if keep(&list[i]) {
			rows = append(rows, RowOf(&list[i], time.Now()))
		}
	}
	switch {
	case o.quiet:
		for _, r := range rows {
			fmt.Fprintln(c.Out, r.ID)
		}
		return nil
	case o.format == "json":
		return format.JSONLines(c.Out, rows)
	case o.format == "table":
		headings, cells := Columns(rows)
		return format.Table(c.Out, headings, cells)
	default:
		return format.Template(c.Out, o.format, rows)
	}
}

func newInspect(c *cli) *cobra.Command {
	var layout string
	var pretty bool
	cmd := &cobra.Command{
		Use:   "inspect [OPTIONS] SECRET [SECRET...]",
		Short: "Display what is known of secrets, but for their content",
		Args:  caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if pretty && layout != "json" {
				return caller.Invalid("--format is incompatible with human friendly format")
			}
			return c.inspect(cmd.Context(), layout, pretty, args)
		},
	}
	cmd.Flags().StringVarP(&layout, "format", "f", "json", "json, or a Go template")
	cmd.Flags().BoolVar(&pretty, "pretty", false, "Print the information in a human friendly format")
	return cmd
}

func (c *cli) inspect(ctx context.Context, layout string, pretty bool, refs []string) error {
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	list, err := client.Secrets(ctx)
	if err != nil {
		return err
	}
	found := []Inspected{}
	var errs []error
	for _, ref := range refs {
		s, err := engine.FindSecret(list, ref)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found = append(found, Inspect(&s))
	}
	switch {
	case pretty:
		for i := range found {
			err = errors.Join(err, found[i].Pretty(c.Out))
		}
	case layout == "json" || layout == "":
		err = format.Indented(c.Out, found)
	default:
		err = format.Template(c.Out, layout, found)
	}
	return errors.Join(append([]error{err}, errs...)...)
}

func newRm(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "rm SECRET [SECRET...]",
		Aliases: []string{"remove"},
		Short:   "Remove one or more secrets",
		Args:    caller.AtLeast(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.rm(cmd.Context(), args) },
	}
}

func (c *cli) rm(ctx context.Context, refs []string) error {
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, ref := range refs {
		if err := client.RemoveSecret(ctx, ref); err != nil {
			errs = append(errs, err)
			continue
		}
		fmt.Fprintln(c.Out, ref)
	}
	return errors.Join(errs...)
}
