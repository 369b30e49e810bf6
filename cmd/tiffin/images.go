package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"tiffin/engine"
)

type imagesOptions struct {
	quiet  bool
	format string
}

func newImages(c *cli) *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use:   "images [OPTIONS] [SERVICE...]",
		Short: "List images used by the created containers; without a project, those in the store",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.images(cmd.Context(), &o, args) },
	}
	cmd.Flags().StringVar(&o.format, "format", "table", "Format the output. Values: [table | json]")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "Only display IDs")
	return cmd
}

// imageRow is an image as `images --format json` shows it, by docker compose's keys.
type imageRow struct {
	ID            string
	ContainerName string
	Repository    string
	Tag           string
	Platform      string
	Size          int64
	Created       *time.Time `json:",omitempty"`
	LastTagTime   time.Time
}

func (c *cli) images(ctx context.Context, o *imagesOptions, services []string) error {
	if o.format != "table" && o.format != "json" {
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("unsupported --format %q: table and json are known", o.format))
	}
	t, err := c.findTarget(ctx, services)
	if err != nil {
		return err
	}
	if err := t.known(services...); err != nil {
		return err
	}
	client, err := c.connect(ctx)
	if err != nil {
		return err
	}
	all, err := client.Images(ctx)
	if err != nil {
		return err
	}
	list, err := client.List(ctx, &engine.ListRequest{Project: t.name, Services: services, All: true})
	if err != nil {
		return err
	}
	rows := []imageRow{}
	for i := range list {
		rows = append(rows, newImageRow(&list[i], all))
	}
	return c.printImages(o, rows)
}

func newImageRow(ct *engine.Container, all []engine.Image) imageRow {
	repository, tag := splitReference(ct.Spec.Image)
	row := imageRow{ID: ct.ImageID, ContainerName: ct.Name, Repository: repository, Tag: tag}
	if i := slices.IndexFunc(all, func(img engine.Image) bool { return img.ID == ct.ImageID }); i >= 0 {
		row.Platform, row.Size, row.LastTagTime = all[i].Platform, int64(all[i].Size), all[i].TaggedAt
		if !all[i].Created.IsZero() {
			row.Created = &all[i].Created
		}
	}
	return row
}

// splitReference cuts nginx:alpine; the tag that is not said is latest.
func splitReference(ref string) (repository, tag string) {
	ref, _, digested := strings.Cut(ref, "@")
	i := strings.LastIndexByte(ref, ':')
	if i < 0 || strings.Contains(ref[i:], "/") {
		if digested {
			return ref, "<none>"
		}
		return ref, "latest"
	}
	return ref[:i], ref[i+1:]
}

func (c *cli) printImages(o *imagesOptions, rows []imageRow) error {
	switch {
	case o.quiet:
		var ids []string
		for _, r := range rows {
			ids = append(ids, strings.TrimPrefix(r.ID, "sha256:"))
		}
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			fmt.Fprintln(c.out, id)
		}
		return nil
	case o.format == "json":
		return writeJSON(c.out, rows)
	default:
		var table [][]string
		for _, r := range rows {
			created := "N/A"
			if r.Created != nil {
				created = units.HumanDuration(time.Since(*r.Created)) + " ago"
			}
			table = append(table, []string{
				r.ContainerName, r.Repository, r.Tag, r.Platform, engine.ShortID(strings.TrimPrefix(r.ID, "sha256:")),
				units.HumanSizeWithPrecision(float64(r.Size), 3), created,
			})
		}
		return writeTable(c.out, []string{"CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"}, table)
	}
}

func newLoad(c *cli) *cobra.Command {
	var input string
	cmd := &cobra.Command{
		Use:   "load [-i FILE]",
		Short: "Read images from an archive of docker save, or of an OCI layout",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := c.open(input)
			if err != nil {
				return err
			}
			defer in.Close()
			client, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			p := c.newProgress("load")
			names, err := client.LoadImages(cmd.Context(), in, p.report)
			p.finish()
			for _, n := range names {
				fmt.Fprintln(c.out, "Loaded image: "+printable(n))
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
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			if output != "" && output != "-" {
				return saveTo(output, func(w io.Writer) error { return client.SaveImages(cmd.Context(), args, w) })
			}
			if _, isTerminal := terminal(c.out); isTerminal {
				return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("an archive cannot go to a terminal")), "give -o FILE, or redirect")
			}
			return client.SaveImages(cmd.Context(), args, c.out)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Write to a file, instead of STDOUT")
	return cmd
}

// saveTo writes a file that is whole or not there.
func saveTo(path string, write func(io.Writer) error) error {
	tmp := path + ".part"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	err = write(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(tmp) //nolint:errcheck // the first error tells
		return err
	}
	return os.Rename(tmp, path)
}

func newImport(c *cli) *cobra.Command {
	var config engine.ImageConfig
	cmd := &cobra.Command{
		Use:   "import [OPTIONS] FILE|- NAME",
		Short: "Make an image of the tar of a root filesystem",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := c.open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			client, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			img, err := client.ImportImage(cmd.Context(), in, args[1], config)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.out, img.ID)
			return err
		},
	}
	f := cmd.Flags()
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
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.connect(cmd.Context())
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
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			for _, ref := range args {
				lines, err := client.RemoveImage(cmd.Context(), ref, engine.ForceRemove(force))
				if err != nil {
					return err
				}
				for _, l := range lines {
					fmt.Fprintln(c.out, printable(l))
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Remove it although stopped containers use it")
	return cmd
}
