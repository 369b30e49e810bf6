// Package archives has the commands for images without a registry.
package archives

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/progress"
	"tiffin/engine"
	"tiffin/engine/builder/change"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// Kinds of steps that are in no plan of a stack.
const (
	loadImages  plan.Kind = "load images from"
	importImage plan.Kind = "import image"
	tagImage    plan.Kind = "tag image"
	removeImage plan.Kind = "remove image"
)

// cli is the caller; the commands are its methods.
type cli struct {
	*caller.Caller
	dry func(kind plan.Kind, name string) error
}

// Commands are docker's for archives and names of images. dry prints what would be done.
func Commands(who *caller.Caller, dry func(kind plan.Kind, name string) error) []*cobra.Command {
	c := &cli{who, dry}
	return []*cobra.Command{newLoad(c), newSave(c), newImport(c), newTag(c), newRmi(c)}
}

func newLoad(c *cli) *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:   "load [-i FILE]",
		Short: "Read images from an archive of docker save, or of an OCI layout",
		Args:  caller.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := c.Open(input)
			if err != nil {
				return err
			}
			defer in.Close() //nolint:errcheck // it was only read
			if c.Opts.DryRun {
				return c.dry(loadImages, nameOfInput(input))
			}
			client, err := c.Connect(cmd.Context())
			if err != nil {
				return err
			}
			p := c.NewProgress("load")
			names, err := client.LoadImages(cmd.Context(), in, p.Report)
			p.Finish()
			for _, n := range names {
				fmt.Fprintln(c.Out, "Loaded image: "+progress.Printable(n))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "Read from tar archive file, instead of STDIN")
	return cmd
}

func newSave(c *cli) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "save [-o FILE] IMAGE [IMAGE...]",
		Short: "Write images to an archive that docker load reads, too",
		Args:  caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.Connect(cmd.Context())
			if err != nil {
				return err
			}
			if output != "" && output != "-" {
				return SaveTo(output, func(w io.Writer) error { return client.SaveImages(cmd.Context(), args, w) })
			}
			if _, isTerminal := caller.Terminal(c.Out); isTerminal {
				return engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("an archive cannot go to a terminal")), "give -o FILE, or redirect")
			}
			return client.SaveImages(cmd.Context(), args, c.Out)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Write to a file, instead of STDOUT")
	return cmd
}

// SaveTo writes a file that is whole or not there.
func SaveTo(path string, write func(io.Writer) error) error {
	tmp := path + ".part"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644) //nolint:gosec // as any file that the user makes
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return os.Rename(tmp, path)
}

func nameOfInput(path string) string {
	if path == "" || path == "-" {
		return "standard input"
	}
	return path
}

func newImport(c *cli) *cobra.Command {
	var config engine.ImageConfig
	var changes []string
	cmd := &cobra.Command{
		Use:   "import [OPTIONS] FILE|- NAME",
		Short: "Make an image of the tar of a root filesystem",
		Args:  caller.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := change.Apply(config, changes)
			if err != nil {
				return err
			}
			in, err := c.Open(args[0])
			if err != nil {
				return err
			}
			defer in.Close() //nolint:errcheck // it was only read
			if c.Opts.DryRun {
				return c.dry(importImage, args[1]+" from "+nameOfInput(args[0]))
			}
			client, err := c.Connect(cmd.Context())
			if err != nil {
				return err
			}
			img, err := client.ImportImage(cmd.Context(), in, args[1], config)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.Out, img.ID)
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&changes, "change", "c", nil, "Apply Dockerfile instruction to the created image")
	f.StringArrayVar(&config.Entrypoint, "entrypoint", nil, "Word of the entrypoint (repeat for each)")
	f.StringArrayVar(&config.Cmd, "cmd", nil, "Word of the default command (repeat for each)")
	f.StringArrayVarP(&config.Env, "env", "e", nil, "Environment variable")
	f.StringVarP(&config.WorkingDir, "workdir", "w", "", "Working directory")
	f.StringVarP(&config.User, "user", "u", "", "User")
	f.StringArrayVar(&config.Expose, "expose", nil, "Port, 80/tcp")
	f.StringArrayVar(&config.Volumes, "volume", nil, "Path of a volume")
	f.StringVar(&config.StopSignal, "stop-signal", "", "Signal that asks it to end")
	return cmd
}

func newTag(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "tag IMAGE NAME",
		Short: "Give an image a further name",
		Args:  caller.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.Opts.DryRun {
				return c.dry(tagImage, args[0]+" as "+args[1])
			}
			client, err := c.Connect(cmd.Context())
			if err != nil {
				return err
			}
			return client.TagImage(cmd.Context(), args[0], args[1])
		},
	}
}

func newRmi(c *cli) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "rmi [OPTIONS] IMAGE [IMAGE...]",
		Short: "Remove images",
		Args:  caller.AtLeast(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.Opts.DryRun {
				return c.dry(removeImage, strings.Join(args, " "))
			}
			client, err := c.Connect(cmd.Context())
			if err != nil {
				return err
			}
			for _, ref := range args {
				lines, err := client.RemoveImage(cmd.Context(), ref, call.ForceRemove(force))
				if err != nil {
					return err
				}
				for _, l := range lines {
					fmt.Fprintln(c.Out, progress.Printable(l))
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Remove it although stopped containers use it")
	return cmd
}
