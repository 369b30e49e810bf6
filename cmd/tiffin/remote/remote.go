package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"tiffin/engine"
	"tiffin/engine/image/artifact"
)

// The environment variables that turn remote files off.
const (
	envGit = "COMPOSE_EXPERIMENTAL_GIT_REMOTE"
	envOCI = "COMPOSE_EXPERIMENTAL_OCI_REMOTE"
)

// Fetcher fetches for one caller.
type Fetcher struct {
	Getenv   func(string) string
	Registry artifact.Registry
	// Confirm asks whether what was never here may be used.
	Confirm func(question string) bool
}

// Fetch makes a local copy of the Compose file at an address.
//
// Errors: engine.ErrUnsupported where that is turned off; ErrInvalid, ErrNotFound, ErrDenied, ErrUnavailable.
func (f *Fetcher) Fetch(ctx context.Context, address string) (string, error) {
	ref, isOCI := strings.CutPrefix(address, "oci://")
	kind, variable := "git", envGit
	if isOCI {
		kind, variable = "OCI", envOCI
	}
	if err := f.enabled(kind, variable); err != nil {
		return "", err
	}
	cache, err := f.cache()
	if err != nil {
		return "", err
	}
	if isOCI {
		return f.artifact(ctx, cache, ref)
	}
	at, err := parseGit(address)
	if err != nil {
		return "", err
	}
	return f.repository(ctx, cache, at)
}

func (f *Fetcher) enabled(kind, variable string) error {
	value := f.Getenv(variable)
	on, err := strconv.ParseBool(value)
	switch {
	case value == "" || on:
		return nil
	case err != nil:
		return engine.Problem(engine.ErrInvalid, fmt.Errorf("%s is no truth value: %q", variable, value))
	default:
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("%s remote resource is disabled by %q", kind, variable))
	}
}

// cache is the folder of all copies.
func (f *Fetcher) cache() (string, error) {
	dir := f.Getenv("XDG_CACHE_HOME")
	if home := f.Getenv("HOME"); dir == "" && home != "" {
		dir = filepath.Join(home, ".cache")
	}
	if !filepath.IsAbs(dir) {
		return "", engine.Hint(engine.Problem(engine.ErrInvalid, errors.New("there is no folder for copies of remote Compose files")),
			"set HOME or XDG_CACHE_HOME")
	}
	dir = filepath.Join(dir, "tiffin", "remote")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the folder for remote Compose files: %w", err)
	}
	return dir, nil
}

// copied makes the folder name in the cache by fill, unless it is there. It appears as a whole or not at all.
func (f *Fetcher) copied(cache, name, what string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if !f.Confirm(fmt.Sprintf("%s comes from elsewhere, and may do to this host whatever a Compose file can. Use it?", what)) {
		return "", engine.Problem(engine.ErrDenied, fmt.Errorf("%s is not used: operation cancelled by user", what))
	}
	temporary, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", fmt.Errorf("make a folder for a remote Compose file: %w", err)
	}
	err = fill(temporary)
	if err == nil {
		if err = os.Rename(temporary, dir); errors.Is(err, os.ErrExist) {
			err = nil // somebody else was faster
		}
	}
	return dir, errors.Join(err, os.RemoveAll(temporary))
}

// artifact copies a project in a registry: its files are documents of one, those that services extend and env files
// stand beside it.
func (f *Fetcher) artifact(ctx context.Context, cache, ref string) (string, error) {
	found, err := f.Registry.Find(ctx, ref)
	if err != nil {
		return "", err
	}
	dir, err := f.copied(cache, found.Digest, "oci://"+ref, func(dir string) error {
		docs, err := found.Documents(ctx)
		if err != nil {
			return err
		}
		return unpack(dir, docs)
	})
	return filepath.Join(dir, "compose.yaml"), err
}

func unpack(dir string, docs []artifact.Document) error {
	files := map[string][]byte{}
	for _, doc := range docs {
		name := "compose.yaml"
		switch {
		case doc.MediaType == artifact.TypeEnvFile:
			name = doc.Annotations["com.docker.compose.envfile"]
		case doc.MediaType != artifact.TypeFile:
			continue
		case doc.Annotations["com.docker.compose.extends"] == "true":
			name = doc.Annotations["com.docker.compose.file"]
		}
		if name == "" || name == "." || name == ".." || name != filepath.Base(name) {
			return engine.Problem(engine.ErrInvalid, fmt.Errorf("the project has a file with the name %q", name))
		}
		if len(files[name]) > 0 {
			files[name] = append(files[name], "\n---\n"...)
		}
		files[name] = append(files[name], doc.Content...)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil { //nolint:forbidigo // a file of the caller's
			return fmt.Errorf("write a remote Compose file: %w", err)
		}
	}
	return nil
}

// composeFile is the Compose file in a checkout; subdir names it, or its folder. It may not lead out by links.
func composeFile(root, subdir string) (string, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(root, subdir))
	if err != nil {
		return "", engine.Problem(engine.ErrNotFound, fmt.Errorf("the repository has no %s", subdir))
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	if inside, err := filepath.Rel(real, path); err != nil || !filepath.IsLocal(inside) {
		return "", engine.Problem(engine.ErrInvalid, fmt.Errorf("%s leads out of the repository", subdir))
	}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, err
	}
	for _, name := range []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"} {
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && !info.IsDir() {
			return filepath.Join(path, name), nil
		}
	}
	return "", engine.Problem(engine.ErrNotFound, errors.New("the repository has no Compose file there"))
}
