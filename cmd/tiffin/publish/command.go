package publish

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/image/artifact"
	"tiffin/engine/image/credentials"
	"tiffin/engine/plan"
	"tiffin/project"
	"tiffin/project/publication"
)

// The kinds of steps, which are in no plan of a stack.
const (
	pushImage  plan.Kind = "push image"
	publishing plan.Kind = "publish"
)

// Host is what the command needs of the others.
type Host struct {
	*caller.Caller

	// Version of docker compose that made the artifact.
	Version string
	// Built are the images that are built here and have a name.
	Built func(stack *engine.Stack) []string
	// Push sends images as far as that can be done.
	Push func(ctx context.Context, images []string, report engine.Report) error
	// Show prints what would be done.
	Show func(p *plan.Plan) error
}

type options struct {
	app, digests, env, yes, insecure bool
	version                          string
}

// Command is docker compose's publish.
func Command(h *Host) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "publish [OPTIONS] REPOSITORY[:TAG]",
		Short: "Publish compose application",
		Long: `Publish puts the Compose files into a registry, as they are written: variables stay variables.
What services extend goes along; env files do with --with-env. tiffin -f oci://REPOSITORY[:TAG] up
runs what was published, and so does docker compose. Images that are built are pushed first.

What others should perhaps not see is asked about: bind mounts, env files, what looks like a secret.`,
		Args: caller.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error { return h.publish(cmd.Context(), &o, args[0]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.app, "app", false, "Published compose application (includes referenced images)")
	f.StringVar(&o.version, "oci-version", "", "OCI image/artifact specification version (automatically determined by default)")
	f.BoolVar(&o.digests, "resolve-image-digests", false, "Pin image tags to digests")
	f.BoolVar(&o.env, "with-env", false, "Include environment variables in the published OCI artifact")
	f.BoolVarP(&o.yes, "yes", "y", false, `Assume "yes" as answer to all prompts`)
	f.BoolVar(&o.insecure, "insecure-registry", false, "Use insecure registry")
	f.Lookup("insecure-registry").Hidden = true
	return cmd
}

func (h *Host) publish(ctx context.Context, o *options, ref string) error {
	switch o.version {
	case "", artifact.Version10, artifact.Version11:
	default:
		return caller.Invalid("unsupported OCI version: %q: 1.0 and 1.1 are known", o.version)
	}
	domain, err := credentials.Registry(ref)
	if err != nil {
		return err
	}
	h.Opts.Yes = h.Opts.Yes || o.yes
	p, stack, err := h.everything(ctx)
	if err != nil {
		return err
	}
	files, err := p.Publication(publication.EnvFiles(o.env))
	if err != nil {
		return err
	}
	if err := refused(stack, p.NamesImage, &files.Findings); err != nil {
		return err
	}
	for _, question := range questions(stack, &files.Findings, publication.EnvFiles(o.env)) {
		if !h.Opts.Yes && !h.Confirm(question) {
			return caller.ErrInterrupted
		}
	}
	for _, at := range files.Findings.Staying {
		h.Warn(at + " is named in what is published, and is not published itself")
	}
	if h.Opts.DryRun {
		return h.Show(steps(h.Built(stack), ref))
	}
	r := artifact.Registry{Auth: func(registry string) (call.RegistryAuth, error) { return credentials.Lookup(ctx, registry) }}
	if o.insecure {
		r.Insecure = []string{domain}
	}
	show := h.NewProgress("publish")
	defer show.Finish()
	if err := h.Push(ctx, h.Built(stack), show.Report); err != nil {
		return err
	}
	return h.send(ctx, o, r, &sending{ref: ref, stack: stack, files: files.Files, report: show.Report})
}

// everything is the project with the services of all profiles: they are published, too.
func (h *Host) everything(ctx context.Context) (*project.Project, *engine.Stack, error) {
	where, err := h.ProjectOptions(nil)
	if err != nil {
		return nil, nil, err
	}
	where.Profiles = []string{"*"}
	p, err := h.Load(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	stack, err := p.Stack()
	return p, stack, err
}

// steps are what is done, for --dry-run.
func steps(images []string, ref string) *plan.Plan {
	p := &plan.Plan{}
	for _, image := range images {
		p.Steps = append(p.Steps, plan.Step{Seq: len(p.Steps) + 1, Kind: pushImage, Name: image})
	}
	p.Steps = append(p.Steps, plan.Step{Seq: len(p.Steps) + 1, Kind: publishing, Name: ref})
	return p
}

// sending is a project on its way.
type sending struct {
	ref    string
	stack  *engine.Stack
	files  []publication.File
	report engine.Report
}

func (h *Host) send(ctx context.Context, o *options, r artifact.Registry, s *sending) (err error) {
	s.report(engine.Progress{ID: s.ref, Status: engine.Working, Text: "publishing"})
	defer func() {
		if err != nil {
			s.report(engine.Progress{ID: s.ref, Status: engine.Failed, Text: "Error", Details: err.Error()})
			return
		}
		s.report(engine.Progress{ID: s.ref, Status: engine.Done, Text: "published"})
	}()
	docs := documents(s.files, h.Version)
	var pinned []string
	if o.digests || o.app {
		var override publication.File
		if override, pinned, err = pins(ctx, r, s.stack); err != nil {
			return err
		}
		docs = append(docs, documents([]publication.File{override}, h.Version)...)
	}
	pushed, err := r.Push(ctx, s.ref, o.version, docs)
	if err != nil || !o.app {
		return err
	}
	return r.PushImages(ctx, pushed, pinned, map[string]string{"com.docker.compose.version": h.Version})
}

// pins asks the registries of all images for their digests, and makes a Compose file of them.
func pins(ctx context.Context, r artifact.Registry, stack *engine.Stack) (override publication.File, images []string, err error) {
	var text strings.Builder
	text.WriteString("services:\n")
	known := map[string]string{}
	for i := range stack.Services {
		svc := &stack.Services[i]
		ref := svc.Container.Image
		if ref == "" {
			continue
		}
		if known[ref] == "" {
			if known[ref] = ref; !strings.Contains(ref, "@") {
				digest, err := r.Resolve(ctx, ref)
				if err != nil {
					return override, nil, fmt.Errorf("service %q: %w", svc.Name, err)
				}
				known[ref] += "@" + digest
			}
			images = append(images, known[ref])
		}
		fmt.Fprintf(&text, "  %q:\n    image: %q\n", svc.Name, known[ref])
	}
	return publication.File{Name: "image-digests.yaml", Content: []byte(text.String())}, images, nil
}

// documents are files in docker compose's form.
func documents(files []publication.File, version string) []artifact.Document {
	var out []artifact.Document
	for _, f := range files {
		d := artifact.Document{MediaType: artifact.TypeFile, Content: f.Content, Annotations: map[string]string{"com.docker.compose.version": version}}
		switch f.Kind {
		case publication.Env:
			d.MediaType = artifact.TypeEnvFile
			d.Annotations["com.docker.compose.envfile"] = f.Name
		case publication.Extended:
			d.Annotations["com.docker.compose.extends"] = "true"
			fallthrough
		default:
			d.Annotations["com.docker.compose.file"] = f.Name
		}
		out = append(out, d)
	}
	return out
}
