package client

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/frontend/dockerfile/dfgitutil"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"tiffin/engine"
)

// The names that the frontend has for what it is sent.
const (
	contextName    = "context"
	dockerfileName = "dockerfile"

	defaultDockerfile = "Dockerfile"
	// inlineName is what errors call a Dockerfile that stands in the Compose file.
	inlineName = "dockerfile_inline"
	ignoreFile = ".dockerignore"
	standardIn = "-"
)

// source is what a build is made of, and how the frontend is told of it.
type source struct {
	attrs   map[string]string
	folders map[string]string    // by name: on the caller's disk
	made    map[string]fsutil.FS // by name: files that are no files there
	stores  map[string]content.Store
	upload  io.Reader // the context is this archive
}

// sourceOf finds what a build is made of. stdin is where the context "-" comes from.
//
// Errors: engine.ErrNotFound and engine.ErrInvalid, before any engine has to be asked.
func sourceOf(j *job, o *Options) (*source, error) {
	s := &source{
		attrs: map[string]string{}, folders: map[string]string{}, made: map[string]fsutil.FS{}, stores: map[string]content.Store{},
	}
	b := j.build()
	var err error
	switch {
	case b.Context == standardIn:
		err = s.fromStandardInput(b, o.Stdin)
	case isRemote(b.Context):
		s.attrs[contextName] = b.Context
		err = s.remoteDockerfile(b)
	default:
		err = s.fromFolder(b)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(b.AdditionalContexts)) {
		if err := s.addContext(j, name, b.AdditionalContexts[name], o.Images); err != nil {
			return nil, fmt.Errorf("additional context %s: %w", name, err)
		}
	}
	return s, nil
}

// isRemote says whether the engine fetches a context by itself.
func isRemote(context string) bool {
	if strings.HasPrefix(context, "http://") || strings.HasPrefix(context, "https://") {
		return true
	}
	ref, ok, err := dfgitutil.ParseGitRef(context)
	return ok && (err != nil || !ref.IndistinguishableFromLocal || !isFolder(context))
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (s *source) fromFolder(b *engine.Build) error {
	if err := wantFolder("build context", b.Context); err != nil {
		return err
	}
	s.folders[contextName] = b.Context
	if b.DockerfileInline != "" {
		s.inline(b)
		return nil
	}
	path := cmp.Or(b.Dockerfile, defaultDockerfile)
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		return engine.Problem(engine.ErrUnsupported, fmt.Errorf("dockerfile %s: a Dockerfile with an address of its own is not fetched", path))
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.Context, path)
	}
	return s.dockerfile(b.Context, path)
}

func wantFolder(what, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return engine.Problem(engine.ErrNotFound, fmt.Errorf("%s %s does not exist", what, path))
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case !info.IsDir():
		return invalid("%s %s is no folder", what, path)
	default:
		return nil
	}
}

// dockerfile tells the frontend of a Dockerfile on the caller's disk. One in the context is read from there, so that
// errors show where in it it lies, and its own ignore file is found.
func (s *source) dockerfile(context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(path) == defaultDockerfile {
		lower := filepath.Join(filepath.Dir(path), strings.ToLower(defaultDockerfile))
		if _, lowerErr := os.Stat(lower); lowerErr == nil {
			path = lower
			info, err = os.Lstat(path)
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return engine.Hint(engine.Problem(engine.ErrNotFound, fmt.Errorf("there is no %s", path)),
			"name the Dockerfile with build.dockerfile, a relative path begins at the context")
	case err != nil:
		return fmt.Errorf("dockerfile: %w", err)
	case info.IsDir():
		return invalid("dockerfile %s is a folder", path)
	case info.Mode()&fs.ModeSymlink != 0:
		return s.linkedDockerfile(path)
	}
	if inside, err := filepath.Rel(context, path); err == nil && filepath.IsLocal(inside) {
		s.folders[dockerfileName], s.attrs["filename"] = context, filepath.ToSlash(inside)
		return nil
	}
	s.folders[dockerfileName], s.attrs["filename"] = filepath.Dir(path), filepath.Base(path)
	return nil
}

// linkedDockerfile reads the file behind a link: it may lie outside of all that is sent.
func (s *source) linkedDockerfile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("dockerfile: %w", err)
	}
	name := filepath.Base(path)
	files := staticfs.NewFS()
	files.Add(name, &types.Stat{Mode: 0o644}, text)
	ignore, err := os.ReadFile(path + ignoreFile)
	if err == nil {
		files.Add(name+ignoreFile, &types.Stat{Mode: 0o644}, ignore)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ignore file: %w", err)
	}
	s.made[dockerfileName], s.attrs["filename"] = files, name
	return nil
}

func (s *source) inline(b *engine.Build) {
	s.made[dockerfileName], s.attrs["filename"] = oneFile(inlineName, []byte(b.DockerfileInline)), inlineName
}

func oneFile(name string, text []byte) fsutil.FS {
	files := staticfs.NewFS()
	files.Add(name, &types.Stat{Mode: 0o644}, text)
	return files
}

// remoteDockerfile is that of a context which the engine fetches: in it, unless it is the caller's own.
func (s *source) remoteDockerfile(b *engine.Build) error {
	switch {
	case b.DockerfileInline != "":
		s.inline(b)
	case filepath.IsAbs(b.Dockerfile):
		if err := s.dockerfile("", b.Dockerfile); err != nil {
			return err
		}
	default:
		if b.Dockerfile != "" {
			s.attrs["filename"] = b.Dockerfile
		}
		return nil
	}
	s.attrs["dockerfilekey"] = dockerfileName // not the one in the context
	return nil
}

// fromStandardInput takes what comes: an archive is the context, other text a Dockerfile without one.
func (s *source) fromStandardInput(b *engine.Build, stdin io.Reader) error {
	if stdin == nil {
		return invalid("the build context is standard input: pipe an archive or a Dockerfile into it")
	}
	in := bufio.NewReaderSize(stdin, 4096)
	start, err := in.Peek(ArchiveHead)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read build context from standard input: %w", err)
	}
	switch {
	case len(start) == 0:
		return invalid("the build context is standard input, and that is empty")
	case IsArchive(start):
		if s.upload, err = recognizable(start, in); err != nil {
			return err
		}
		return s.remoteDockerfile(b)
	case b.DockerfileInline != "" || cmp.Or(b.Dockerfile, defaultDockerfile) != defaultDockerfile:
		return invalid("standard input is no archive: with a dockerfile of its own, a build needs a context")
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read Dockerfile from standard input: %w", err)
	}
	s.made[contextName], s.made[dockerfileName] = staticfs.NewFS(), oneFile(defaultDockerfile, text)
	return nil
}

// addContext tells the frontend of a further context.
func (s *source) addContext(j *job, name, value string, images map[string]string) error {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return invalid("the name: %w", err)
	}
	key := "context:" + strings.TrimSuffix(reference.FamiliarString(named), ":latest")
	kind, rest, _ := strings.Cut(value, ":")
	switch {
	case kind+":" == engine.ServiceContext:
		image, err := serviceImage(j, rest, images)
		if err != nil {
			return err
		}
		s.attrs[key] = "docker-image://" + image
	case kind == "oci-layout":
		return s.addLayout(key, strings.TrimPrefix(rest, "//"))
	case kind == "docker-image", isRemote(value):
		s.attrs[key] = value
	default:
		if err := wantFolder("folder", value); err != nil {
			return err
		}
		local := name
		if name == contextName || name == dockerfileName {
			local = "_" + name // those are taken
		}
		s.folders[local], s.attrs[key] = value, "local:"+local
	}
	return nil
}
