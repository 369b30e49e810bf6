package project

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/project/consistent"
	"tiffin/project/fault"
	"tiffin/project/paths"
)

// maxBuildSecret is what BuildKit takes.
const maxBuildSecret = 500 << 10

// CheckBuild looks at what a build of the named services, or of all, reads on this host:
// contexts, Dockerfiles, secrets, and at what builds cannot do here. Load does not, as a
// project whose images are there runs without its sources.
//
// Errors: engine.ErrNotFound for a service that is not there, engine.ErrInvalid for what
// cannot be read, engine.ErrUnsupported for what no build has, with its place.
func (p *Project) CheckBuild(services ...string) error {
	if len(services) == 0 {
		services = slices.Concat(p.model.ServiceNames(), consistent.Bases(p.model))
	}
	stdin := ""
	for _, name := range slices.Sorted(slices.Values(services)) {
		s, ok := consistent.AnyService(p.model, name)
		if !ok {
			return noService(name, p.model.AllServices())
		}
		if s.Build == nil {
			continue
		}
		if err := p.checkBuild(&s); err != nil {
			return p.texts.locate(err)
		}
		if s.Build.Context != "-" {
			continue
		}
		if err := p.checkStdin(&s, stdin); err != nil {
			return p.texts.locate(err)
		}
		stdin = name
	}
	return nil
}

func (p *Project) checkBuild(s *types.ServiceConfig) error {
	b := s.Build
	if err := carriedOut(s); err != nil {
		return err
	}
	p.leaveOut(fault.In(s, "build", "cache_from"), b.CacheFrom)
	p.leaveOut(fault.In(s, "build", "cache_to"), b.CacheTo)
	if err := folder(fault.In(s, "build", "context"), b.Context); err != nil {
		return err
	}
	if err := dockerfile(s); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(b.AdditionalContexts)) {
		if err := folder(fault.In(s, "build", "additional_contexts", name), b.AdditionalContexts[name]); err != nil {
			return err
		}
	}
	for _, ref := range b.Secrets {
		if err := p.checkSecret(ref.Source); err != nil {
			return err
		}
	}
	return nil
}

// carriedOut checks that builds have what this one asks for.
func carriedOut(s *types.ServiceConfig) error {
	switch mode := s.Build.Network; mode {
	case "", "default", "none", "host":
	default:
		path := fault.In(s, "build", "network")
		return fault.At(path, "%s: a build has no network %q", fault.Dotted(path), mode).
			Hint("Say default, none or host: networks of a project are there only when it is up.").Unsupported()
	}
	known := []string{networkHost, securityInsecure}
	for i, name := range s.Build.Entitlements {
		if !slices.Contains(known, name) {
			path := fault.In(s, "build", "entitlements", strconv.Itoa(i))
			return fault.At(path, "%s: there is no entitlement %q", fault.Dotted(path), name).
				Hint("There are: %s.", strings.Join(known, ", ")).Unsupported()
		}
	}
	return nil
}

// leaveOut warns of caches that are.
func (p *Project) leaveOut(path, caches []string) {
	for i, text := range caches {
		for _, kind := range foreignCaches {
			if slices.Contains(strings.Split(text, ","), "type="+kind) {
				place := append(slices.Clip(path), strconv.Itoa(i))
				p.warnAt(place, fault.Dotted(place)+": the build does without a cache of type "+kind)
			}
		}
	}
}

// folder checks that a context on this host is one.
func folder(path []string, context string) error {
	if !paths.IsLocal(context) {
		return nil
	}
	st, err := os.Stat(context)
	reason := "is not a folder"
	if err != nil {
		reason = plain(err).Error()
	} else if st.IsDir() {
		return nil
	}
	return fault.At(path, "%s: %s: %s", fault.Dotted(path), context, reason).
		Hint("A context is a folder, below the project directory unless it begins with /, or a URL.")
}

// dockerfile checks that a local context has its Dockerfile.
func dockerfile(s *types.ServiceConfig) error {
	b := s.Build
	if b.DockerfileInline != "" || !paths.IsLocal(b.Context) && !filepath.IsAbs(b.Dockerfile) {
		return nil
	}
	names := []string{orElse(b.Dockerfile, "Dockerfile")}
	if names[0] == "Dockerfile" {
		names = append(names, "dockerfile") // BuildKit finds that, too
	}
	var reason string
	for _, name := range slices.Backward(names) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(b.Context, name)
		}
		if reason = unreadable(name, maxFileSize); reason == "" {
			return nil
		}
	}
	return fault.At(fault.In(s, "build", "dockerfile"), "service %q: %s in %s: %s", s.Name, names[0], b.Context, reason).
		Hint("Write it, or say where it is with \"dockerfile:\", below the context.")
}

// checkSecret checks that a secret can be given to a build.
func (p *Project) checkSecret(name string) error {
	from := p.model.Secrets[name]
	if from.External {
		return fault.At([]string{"secrets", name, "external"}, "secrets.%s.external: a build cannot have secrets of the engine's store", name).
			Hint("Take it from a file or an environment variable.").Unsupported()
	}
	if from.File == "" || from.Environment != "" {
		_, err := p.content(engine.FileSecret, name, types.FileObjectConfig(from))
		return err
	}
	reason := unreadable(from.File, maxBuildSecret)
	if reason == "" {
		f, err := os.Open(from.File)
		if err == nil {
			return f.Close()
		}
		reason = plain(err).Error()
	}
	return fault.At([]string{"secrets", name, "file"}, "secret %q: %s: %s", name, p.texts.show(from.File), reason).
		Hint("A secret of a build is a file of at most %d KiB.", maxBuildSecret>>10)
}

// checkStdin: standard input can be read once.
func (p *Project) checkStdin(s *types.ServiceConfig, former string) error {
	var taken string
	switch {
	case former != "":
		taken = fmt.Sprintf("service %q", former)
	case slices.Contains(p.site.files, "-"):
		taken = "the Compose file"
	default:
		return nil
	}
	return fault.At(fault.In(s, "build", "context"), "service %q: standard input is the context of its build, and %s comes from there, too", s.Name, taken).
		Hint("Give one of them a folder or file.")
}
