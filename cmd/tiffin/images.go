package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/call"
)

type imagesOptions struct {
	quiet, all bool
	format     string
}

func newImages(c *cli) *cobra.Command {
	var o imagesOptions
	cmd := &cobra.Command{
		Use:   "images [OPTIONS] [SERVICE...]",
		Short: "List images used by the created containers",
		Long:  "Images lists the images that the containers of the project were made of. With --all, or where\nthere is no project, it lists those in the local store.",
		RunE:  func(cmd *cobra.Command, args []string) error { return c.images(cmd.Context(), &o, args) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "List all images in the local store")
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
		return caller.Invalid("unsupported --format %q: table and json are known", o.format)
	}
	if o.all {
		return c.storedImages(ctx, o)
	}
	t, err := c.FindTarget(ctx, services)
	if errors.Is(err, engine.ErrNotFound) && len(c.Opts.Files) == 0 && len(services) == 0 {
		return c.storedImages(ctx, o)
	}
	if err != nil {
		return err
	}
	if err := t.Known(services...); err != nil {
		return err
	}
	client, list, err := c.List(ctx, &call.ListRequest{Project: t.Name, Services: services, All: true})
	if err != nil {
		return err
	}
	var all []engine.Image
	if len(list) > 0 {
		if all, err = client.Images(ctx); err != nil {
			return err
		}
	}
	rows := []imageRow{}
	for i := range list {
		ct := &list[i]
		img := engine.Image{ID: ct.ImageID}
		if i := slices.IndexFunc(all, func(img engine.Image) bool { return img.ID == ct.ImageID }); i >= 0 {
			img = all[i]
		}
		rows = append(rows, newImageRow(ct.Name, ct.Spec.Image, &img))
	}
	return c.printImages(o, rows)
}

// storedImages lists the local store, a row for each name.
func (c *cli) storedImages(ctx context.Context, o *imagesOptions) error {
	client, err := c.Connect(ctx)
	if err != nil {
		return err
	}
	all, err := client.Images(ctx)
	if err != nil {
		return err
	}
	rows := []imageRow{}
	for i := range all {
		img := &all[i]
		for _, name := range img.Names {
			rows = append(rows, newImageRow("", name, img))
		}
		if len(img.Names) == 0 {
			rows = append(rows, newImageRow("", "<none>:<none>", img))
		}
	}
	slices.SortStableFunc(rows, func(a, b imageRow) int { return strings.Compare(a.Repository+":"+a.Tag, b.Repository+":"+b.Tag) })
	return c.printImages(o, rows)
}

func newImageRow(container, ref string, img *engine.Image) imageRow {
	repository, tag := splitReference(ref)
	row := imageRow{
		ID: img.ID, ContainerName: container, Repository: repository, Tag: tag,
		Platform: img.Platform, Size: int64(img.Size), LastTagTime: img.TaggedAt,
	}
	if !img.Created.IsZero() {
		row.Created = &img.Created
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
			fmt.Fprintln(c.Out, id)
		}
		return nil
	case o.format == "json":
		return format.JSON(c.Out, rows)
	default:
		return c.tableImages(rows)
	}
}

func (c *cli) tableImages(rows []imageRow) error {
	headings := []string{"CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"}
	skip := 0
	if !slices.ContainsFunc(rows, func(r imageRow) bool { return r.ContainerName != "" }) && len(rows) > 0 {
		skip = 1 // the store's images belong to no container
	}
	var table [][]string
	for _, r := range rows {
		created := "N/A"
		if r.Created != nil {
			created = units.HumanDuration(time.Since(*r.Created)) + " ago"
		}
		cells := []string{
			r.ContainerName, r.Repository, r.Tag, r.Platform, engine.ShortID(strings.TrimPrefix(r.ID, "sha256:")),
			units.HumanSizeWithPrecision(float64(r.Size), 3), created,
		}
		table = append(table, cells[skip:])
	}
	return format.Table(c.Out, headings[skip:], table)
}
