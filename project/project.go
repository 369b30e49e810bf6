package project

import (
	"context"
	"io"
	"runtime/debug"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/project/job"
)

// Options say which project is meant: the global flags of the command line and the
// environment it runs in. The zero value is the project of the current directory
// with an empty environment.
type Options struct {
	// Files are the Compose files (-f) in the order of merging; "-" is Stdin. None:
	// COMPOSE_FILE, or what is found in WorkingDir and above it.
	Files []string
	Stdin io.Reader
	// ProjectDir is the base of relative paths (--project-directory). "": the
	// directory of the first file.
	ProjectDir string
	// Name is the project name (-p). "": COMPOSE_PROJECT_NAME, the files' name, or
	// the name of the project directory.
	Name string
	// Instance is the copy of the project that is meant (--instance). "": TIFFIN_INSTANCE, or none.
	Instance string
	// EnvFiles replace the .env file (--env-file). None: COMPOSE_ENV_FILES, or .env.
	EnvFiles []string
	// Profiles are enabled (--profile; * is all). None: COMPOSE_PROFILES.
	Profiles []string
	// Services are those that the command names: their profiles are enabled as well.
	Services []string
	// Scale replaces the services' own number of replicas (--scale).
	Scale map[string]int
	// WithoutJobs leaves jobs out of the services, for the project to be shown as it is written.
	WithoutJobs bool
	// Environ is the process's environment, KEY=value.
	Environ []string
	// WorkingDir is the process's directory. "": ask the system.
	WorkingDir string
	// Fetch makes a local copy of the Compose file at an oci:// or git address, and returns
	// its path. nil: such files are refused.
	Fetch func(ctx context.Context, address string) (string, error)
	// Warn receives what the user should know and can live with, a line each. It may be nil.
	Warn func(string)
}

// maxLoadTime bounds the loading of one project. Compose files that pass the other
// limits load in milliseconds.
const maxLoadTime = 10 * time.Second

// Project is a loaded Compose project: files read, merged and resolved.
type Project struct {
	site  *site
	texts *sources
	model *types.Project
	// attributes is the merged document behind model: which attributes were given.
	attributes map[string]any
	// named are the dependencies of each service that the files name, before others are
	// added to them.
	named map[string]map[string]any
	warn  func(string)
}

// Load reads the project that o means, with the caller's rights.
//
// Errors: engine.ErrNotFound when there is no Compose file or no service of a name in
// o, engine.ErrInvalid for what is wrong with the files, each with its place.
func Load(ctx context.Context, o Options) (*Project, error) {
	return load(ctx, o, way{jobs: !o.WithoutJobs})
}

func loadWith(ctx context.Context, o Options, fetched remotes, w way) (*Project, error) {
	// A load makes much garbage in a short time, in a process that ends soon: collecting
	// it less often saves a third of the CPU.
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	tooLong := invalid("loading the project takes longer than %s", maxLoadTime)
	ctx, cancel := context.WithTimeoutCause(ctx, maxLoadTime, tooLong)
	defer cancel()
	warn := o.Warn
	where, err := locate(o, fetched, warn)
	if err != nil {
		return nil, err
	}
	r := reader{where: where, stdin: o.Stdin, warn: warn, literal: w.noInterpolate}
	texts, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	if err := where.nameProject(o, texts, warn); err != nil {
		return nil, err
	}
	p := &Project{site: where, texts: texts, warn: warn}
	if err := p.load(ctx, o, w); err != nil {
		return nil, texts.locate(err)
	}
	return p, nil
}

// Name is the project name.
func (p *Project) Name() string { return p.model.Name }

// Lookup answers with a variable of the project's environment: the process's own,
// and those of the .env file. COMPOSE_* settings in .env count as if they were exported.
func (p *Project) Lookup(name string) (string, bool) {
	v, ok := p.site.env[name]
	return v, ok
}

// warnAt warns with the place that path leads to.
func (p *Project) warnAt(path []string, text string) {
	path, text = job.Home(p.texts.jobs, path, text)
	if place := p.texts.place(path); place != "" {
		text = place + ": " + text
	}
	p.warn(text)
}

// onlyOnce says each thing once, however often compose-go and we come by it.
func onlyOnce(warn func(string)) func(string) {
	said := map[string]bool{}
	return func(text string) {
		if warn != nil && !said[text] {
			said[text] = true
			warn(text)
		}
	}
}
