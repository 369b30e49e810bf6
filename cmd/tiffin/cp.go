package main

import (
	"context"
	"errors"
	"io"
	"path"
	"sync"

	"github.com/spf13/cobra"

	"tiffin/cmd/tiffin/caller"
	"tiffin/cmd/tiffin/copies"
	"tiffin/engine"
	"tiffin/engine/api"
	"tiffin/engine/archive"
	"tiffin/engine/call"
)

type cpOptions struct {
	all, archive, follow bool
	index                int
}

func newCp(c *cli) *cobra.Command {
	var o cpOptions
	cmd := &cobra.Command{
		Use:   "cp [OPTIONS] SERVICE:SRC_PATH DEST_PATH|-\n  tiffin cp [OPTIONS] SRC_PATH|- SERVICE:DEST_PATH",
		Short: "Copy files/folders between a service container and the local filesystem",
		Long: `Cp copies to all containers of a service, or from its first one. They need not run.

A folder that is there gets the copy in it; SRC_PATH/. copies what is in a folder. With - a tar
stream is written, or read. In a container, files are root's, and on the host the caller's,
unless --archive keeps their owners. What /proc and /sys show is not copied.`,
		Args: caller.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error { return c.cp(cmd.Context(), &o, args[0], args[1]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.all, "all", false, "Include containers created by the run command")
	f.BoolVarP(&o.archive, "archive", "a", false, "Archive mode (copy all uid/gid information)")
	f.BoolVarP(&o.follow, "follow-link", "L", false, "Always follow symbol link in SRC_PATH")
	f.IntVar(&o.index, "index", 0, "Index of the container if service has multiple replicas")
	return cmd
}

func (c *cli) cp(ctx context.Context, o *cpOptions, from, to string) error {
	source, target, err := copies.ParseEnds(from, to)
	if err != nil {
		return err
	}
	service := source.Service + target.Service
	client, list, err := c.FindContainers(ctx, service, caller.Which{Index: o.index, OneOffs: o.all})
	if err != nil {
		return err
	}
	if c.Opts.DryRun {
		return c.printStep("copy", from+" to "+to)
	}
	local, err := copies.OpenLocal()
	if err != nil {
		return err
	}
	defer local.Close() //nolint:errcheck // nothing is written through it
	w := &copying{c: c, o: o, client: client, local: local, source: source, target: target}
	if source.Service != "" {
		if target.Stream() {
			return w.out(ctx, &list[0])
		}
		list = list[:1]
	}
	p := c.NewProgress("cp")
	defer p.Finish()
	do := w.out
	switch {
	case source.Stream():
		return w.streamTo(ctx, list, p.Report)
	case target.Service != "":
		do = w.in
	}
	for i := range list {
		if err := reported(p.Report, &list[i], func() error { return do(ctx, &list[i]) }); err != nil {
			return err
		}
	}
	return nil
}

// reported tells of one container's copy.
func reported(report engine.Report, ct *engine.Container, do func() error) error {
	e := engine.Progress{ID: "Container " + ct.Name, Status: engine.Working, Text: "Copying"}
	report(e)
	err := do()
	if e.Status, e.Text = engine.Done, "Copied"; err != nil {
		e.Status, e.Text, e.Details = engine.Failed, "Error", err.Error()
	}
	report(e)
	return err
}

// copying is a copy under way.
type copying struct {
	c              *cli
	o              *cpOptions
	client         *api.Client
	local          copies.Local
	source, target copies.End
}

// follow says whether the source's link is followed; a slash behind it says so, too.
func (w *copying) follow() bool { return w.o.follow || copies.Folder(w.source.Path) }

// at is a path in a container; relative ones begin at its root.
func at(name string) string { return path.Clean("/" + name) }

// out copies from a container.
func (w *copying) out(ctx context.Context, ct *engine.Container) error {
	req := call.FileRequest{Container: ct.ID, Path: at(w.source.Path), Follow: w.follow()}
	from, err := w.client.StatFile(ctx, &req)
	if err != nil {
		return err
	}
	if err := copies.CheckSource(w.source.Path, &from); err != nil {
		return err
	}
	if w.target.Stream() {
		if _, isTerminal := caller.Terminal(w.c.Out); isTerminal {
			return engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("an archive cannot go to a terminal")), "give a path, or redirect")
		}
		req.Name = copies.Name(w.source.Path)
		return w.client.ReadFiles(ctx, &req, w.c.Out)
	}
	there, err := w.local.Look(w.target.Path, true)
	if err != nil {
		return err
	}
	folder, name, err := copies.Place(w.source.Path, &from, w.target.Path, &there)
	if err != nil {
		return err
	}
	req.Name = name
	return copies.Piped(
		func(out io.Writer) error { return w.client.ReadFiles(ctx, &req, out) },
		func(in io.Reader) error { return w.local.Unpack(ctx, in, folder, w.o.archive) })
}

// in copies into a container.
func (w *copying) in(ctx context.Context, ct *engine.Container) error {
	from, err := w.local.Look(w.source.Path, w.follow())
	if err != nil {
		return err
	}
	if err := copies.CheckSource(w.source.Path, &from); err != nil {
		return err
	}
	there, err := w.client.StatFile(ctx, &call.FileRequest{Container: ct.ID, Path: at(w.target.Path), Follow: true})
	if err != nil {
		return err
	}
	folder, name, err := copies.Place(w.source.Path, &from, w.target.Path, &there)
	if err != nil {
		return err
	}
	return copies.Piped(
		func(out io.Writer) error {
			return w.local.Pack(ctx, out, w.source.Path, archive.PackOptions{Name: name, Follow: w.follow()})
		},
		func(in io.Reader) error {
			return w.client.WriteFiles(ctx, &call.WriteRequest{Container: ct.ID, Folder: folder, Owners: w.o.archive}, in)
		})
}

// streamTo copies the tar stream of standard input into all containers at once: it can be read only once.
func (w *copying) streamTo(ctx context.Context, list []engine.Container, report engine.Report) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var writers []io.Writer
	var ends []*io.PipeWriter
	var work sync.WaitGroup
	errs := make([]error, len(list))
	for i := range list {
		r, out := io.Pipe()
		writers, ends = append(writers, out), append(ends, out)
		work.Go(func() {
			errs[i] = reported(report, &list[i], func() error { return w.stream(ctx, &list[i], r) })
			if errs[i] != nil {
				cancel(errs[i])
			}
			_, _ = io.Copy(io.Discard, r) // what follows the end of the archive
		})
	}
	_, err := io.Copy(io.MultiWriter(writers...), w.c.In)
	for _, end := range ends {
		_ = end.CloseWithError(err)
	}
	work.Wait()
	return errors.Join(errors.Join(errs...), err)
}

func (w *copying) stream(ctx context.Context, ct *engine.Container, r io.Reader) error {
	there, err := w.client.StatFile(ctx, &call.FileRequest{Container: ct.ID, Path: at(w.target.Path), Follow: true})
	if err != nil {
		return err
	}
	if there.Missing || !there.Mode.IsDir() {
		return caller.Invalid("destination %q must be a directory that is there", w.target.Service+":"+w.target.Path)
	}
	return w.client.WriteFiles(ctx, &call.WriteRequest{Container: ct.ID, Folder: there.Path, Owners: w.o.archive}, r)
}
