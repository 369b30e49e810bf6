package bridge

import (
	"context"
	"fmt"
	"strings"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/format"
	"tiffin/engine"
	"tiffin/engine/plan"
)

// The label of transformations, and the one that is meant when none is named.
const (
	label          = "com.docker.compose.bridge"
	transformation = "transformation"
	defaultImage   = "docker/compose-bridge-kubernetes"
)

// Host is what the commands need of the others.
type Host struct {
	*caller.Caller

	// Show prints what would be done.
	Show func(p *plan.Plan) error
}

// Command is docker compose's group of commands.
func Command(h *Host) *cobra.Command {
	images := group("transformations CMD [OPTIONS]", "Manage transformation images")
	images.AddCommand(newList(h), newCreate(h))
	cmd := group("bridge CMD [OPTIONS]", "Convert compose files into another model")
	cmd.AddCommand(newConvert(h), images)
	return cmd
}

// group is a command that only has others.
func group(use, short string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, TraverseChildren: true, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return caller.Invalid("unknown command: %q", cmd.CommandPath()+" "+args[0])
			}
			return cmd.Help()
		},
	}
}

type convertOptions struct {
	output, templates string
	transformations   []string
	yes               bool
}

func newConvert(h *Host) *cobra.Command {
	var o convertOptions
	cmd := &cobra.Command{
		Use:   "convert",
		Short: "Convert compose files to Kubernetes manifests, Helm charts, or another model",
		Long: `Convert runs transformations, which are images, one after the other: each gets the resolved project as
/in/compose.yaml and writes into the output directory. An image that is not here is pulled.

Exit status: that of the transformation that fails.`,
		Args: caller.Exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return h.convert(cmd.Context(), &o) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "out", "The output directory for the Kubernetes resources")
	f.StringVar(&o.templates, "templates", "", "Directory containing transformation templates")
	f.StringArrayVarP(&o.transformations, "transformation", "t", nil, "Transformation to apply to compose model (default: "+defaultImage+")")
	f.BoolVarP(&o.yes, "yes", "y", false, `Assume "yes" to the output directory overwrite prompt`)
	return cmd
}

type listOptions struct {
	format string
	quiet  bool
}

func newList(h *Host) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List available transformations",
		Args:    caller.Exactly(0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return h.list(cmd.Context(), &o) },
	}
	cmd.Flags().StringVar(&o.format, "format", "table", "Format the output. Values: [table | json]")
	cmd.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "Only display transformer names")
	return cmd
}

func newCreate(h *Host) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "create [OPTION] PATH",
		Short: "Create a new transformation",
		Long: `Create makes a folder with the templates of a transformation, and a Dockerfile for one that has them
changed: tiffin build and tiffin bridge convert -t take it from there.`,
		Args: caller.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error { return h.create(cmd.Context(), args[0], from) },
	}
	cmd.Flags().StringVarP(&from, "from", "f", defaultImage, "Existing transformation to copy")
	return cmd
}

// row is an image as docker lists it.
type row struct {
	Containers  int
	Created     int64
	ID          string `json:"Id"`
	Labels      map[string]string
	ParentID    string `json:"ParentId"`
	RepoDigests []string
	RepoTags    []string
	SharedSize  int
	Size        int64
}

func (h *Host) list(ctx context.Context, o *listOptions) error {
	if o.format != "table" && o.format != "json" {
		return caller.Invalid("unsupported --format %q: table and json are known", o.format)
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	all, err := client.Images(ctx)
	if err != nil {
		return err
	}
	rows := []row{}
	var table [][]string
	for i := range all {
		img := &all[i]
		if img.Labels[label] != transformation {
			continue
		}
		r := rowOf(img)
		rows, table = append(rows, r), append(table, r.cells())
	}
	switch {
	case o.quiet:
		for _, r := range rows {
			name := r.ID
			if len(r.RepoTags) > 0 {
				name = r.RepoTags[0]
			}
			fmt.Fprintln(h.Out, name)
		}
		return nil
	case o.format == "json":
		return format.JSON(h.Out, rows)
	default:
		return format.Table(h.Out, []string{"IMAGE ID", "REPO", "TAGS", "SIZE"}, table)
	}
}

func rowOf(img *engine.Image) row {
	return row{
		Containers: -1, Created: img.Created.Unix(), ID: img.ID, Labels: img.Labels, SharedSize: -1, Size: int64(img.Size),
		RepoDigests: append([]string{}, img.Digests...), RepoTags: append([]string{}, img.Names...),
	}
}

func (r *row) cells() []string {
	repository, tag := "<none>", "<none>"
	if len(r.RepoTags) > 0 {
		repository, tag = r.RepoTags[0], "latest"
		if i := strings.LastIndexByte(repository, ':'); i > strings.LastIndexByte(repository, '/') {
			repository, tag = repository[:i], repository[i+1:]
		}
	}
	return []string{engine.ShortID(strings.TrimPrefix(r.ID, "sha256:")), repository, tag, units.HumanSizeWithPrecision(float64(r.Size), 3)}
}
