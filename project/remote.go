package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"tiffin/engine"
	"tiffin/project/paths"
)

// remotes are the local copies of Compose files in registries and git repositories, by
// address.
type remotes map[string]string

// unfetchedError says that a file has to be fetched before the project can be loaded.
type unfetchedError struct{ place, address string }

func (e *unfetchedError) Error() string {
	return strings.TrimPrefix(e.place+": ", ": ") + e.address + ": remote Compose files are not fetched here"
}

// local is the file to open for a path; place is where that stands.
func (r remotes) local(path, place string) (string, error) {
	if !paths.IsRemote(path) {
		return path, nil
	}
	if file, ok := r[path]; ok {
		return file, nil
	}
	return "", engine.Hint(
		engine.Problem(engine.ErrUnsupported, &unfetchedError{place, path}), "Fetch it first, and name the local copy.")
}

// Accept implements compose-go's loader.ResourceLoader.
func (r remotes) Accept(path string) bool { return paths.IsRemote(path) }

// Load implements it. The reader has followed all files before, so the copy is there.
func (r remotes) Load(_ context.Context, path string) (string, error) { return r.local(path, "") }

// Dir implements it: relative paths begin at the copy.
func (r remotes) Dir(path string) string {
	if file, ok := r[path]; ok {
		path = file
	}
	return filepath.Dir(path)
}

// load loads a project as often as it takes to know all remote files. They are fetched
// between two tries: a network, or a question to the user, takes more time than a load may.
func load(ctx context.Context, o Options, w way) (*Project, error) {
	o.Warn = onlyOnce(o.Warn)
	fetched := remotes{}
	stdin := o.Stdin
	for {
		var read bytes.Buffer
		if stdin != nil {
			o.Stdin = io.TeeReader(stdin, &read)
		}
		p, err := loadWith(ctx, o, fetched, w)
		var need *unfetchedError
		if !errors.As(err, &need) || o.Fetch == nil {
			return p, err
		}
		file, err := o.Fetch(ctx, need.address)
		switch {
		case err != nil && need.place != "":
			return nil, fmt.Errorf("%s: %w", need.place, err)
		case err != nil:
			return nil, err
		}
		fetched[need.address] = file
		if stdin != nil {
			stdin = io.MultiReader(bytes.NewReader(read.Bytes()), stdin)
		}
	}
}
