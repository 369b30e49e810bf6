package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tiffin/cmd/tiffin/copies"
	"tiffin/engine"
	"tiffin/engine/call"
	"tiffin/engine/plan"
)

// templates is where transformations have them.
const templates = "/templates"

// recipe makes a transformation of templates, on docker's image of the program that fills them.
const recipe = "FROM docker/compose-bridge-transformer\n" +
	"LABEL " + label + "=" + transformation + "\n" +
	"COPY templates " + templates + "\n"

func (h *Host) create(ctx context.Context, path, from string) error {
	out, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return engine.Problem(engine.ErrConflict, fmt.Errorf("output folder %s already exists", out))
	}
	if h.Opts.DryRun {
		return h.Show(&plan.Plan{Steps: []plan.Step{{Seq: 1, Kind: "create transformation", Name: out}}})
	}
	client, err := h.Connect(ctx)
	if err != nil {
		return err
	}
	// The container is made and never started: its files are there all the same.
	err = h.with(ctx, client, engine.ContainerSpec{Image: from, NetworkMode: "none"}, func(id string) error {
		req := call.FileRequest{Container: id, Path: templates, Follow: true, Name: "templates"}
		there, err := client.StatFile(ctx, &req)
		if err != nil {
			return err
		}
		if there.Missing || !there.Mode.IsDir() {
			return engine.Hint(engine.Problem(engine.ErrInvalid, fmt.Errorf("image %s has no directory %s", from, templates)),
				"`tiffin bridge transformations ls` lists the transformations that are here")
		}
		if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // as any directory that the user makes
			return fmt.Errorf("cannot create output folder: %w", err)
		}
		local, err := copies.OpenLocal()
		if err != nil {
			return err
		}
		defer local.Close() //nolint:errcheck // nothing is written through it
		return copies.Piped(
			func(w io.Writer) error { return client.ReadFiles(ctx, &req, w) },
			func(r io.Reader) error { return local.Unpack(ctx, r, out, false) })
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "Dockerfile"), []byte(recipe), 0o644); err != nil { //nolint:gosec,forbidigo // the user's file, for others to read
		return fmt.Errorf("write Dockerfile: %w", err)
	}
	_, err = fmt.Fprintf(h.Out, "Transformer created in %q\n", out)
	return err
}
