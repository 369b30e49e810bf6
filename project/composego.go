package project

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

// load merges and resolves the files into p.model.
func (p *Project) load(ctx context.Context, o Options) error {
	return p.bounded(ctx, func() error {
		details, options := p.request(ctx, o)
		attributes, err := loader.LoadModelWithContext(ctx, details, options...)
		if err != nil {
			return err
		}
		p.attributes = attributes
		full := loader.ToOptions(&details, options)
		model, err := loader.ModelToProject(attributes, full, details)
		if err != nil {
			return err
		}
		if p.model, err = p.choose(model, o); err != nil {
			return err
		}
		p.model, err = p.model.WithServicesEnvironmentResolved(true)
		return err
	})
}

// request is what compose-go is asked for.
func (p *Project) request(_ context.Context, _ Options) (types.ConfigDetails, []func(*loader.Options)) {
	details := types.ConfigDetails{WorkingDir: p.site.dir, Environment: p.site.env}
	for _, src := range p.texts.all[:p.texts.main] {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: src.path, Content: src.content})
	}
	return details, []func(*loader.Options){
		loader.WithProfiles(p.site.profiles),
		func(lo *loader.Options) {
			lo.SetProjectName(p.site.name, true)
			lo.SkipResolveEnvironment = true
			lo.SkipConsistencyCheck = true
		},
	}
}

// choose enables the named services with their profiles, and sets what the command
// line says about replicas.
func (p *Project) choose(model *types.Project, o Options) (*types.Project, error) {
	for _, src := range p.texts.all[:p.texts.main] {
		model.ComposeFiles = append(model.ComposeFiles, src.path)
	}
	names := slices.Clone(o.Services)
	for name := range o.Scale {
		names = append(names, name)
	}
	for _, name := range names {
		if _, ok := model.AllServices()[name]; !ok {
			return nil, notFound("no such service: %s", name)
		}
	}
	model, err := model.WithServicesEnabled(names...)
	if err != nil {
		return nil, fmt.Errorf("enable services: %w", err)
	}
	for name, n := range o.Scale {
		s := model.Services[name]
		s.SetScale(n)
		model.Services[name] = s
	}
	platform, ok := p.site.env["DOCKER_DEFAULT_PLATFORM"]
	for name, s := range model.Services {
		if ok && s.Platform == "" {
			s.Platform = platform
			model.Services[name] = s
		}
	}
	return model, nil
}

// theLogger guards compose-go's warnings: it gives them to the logger of the process.
var theLogger sync.Mutex

// bounded runs f, which calls compose-go, until ctx ends. compose-go does not look at
// a context while it works; what is left of f then ends with the command. It may also
// panic on documents that nobody thought of.
func (p *Project) bounded(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	go func() {
		theLogger.Lock()
		defer theLogger.Unlock()
		defer listen(p.warn)()
		defer func() {
			if r := recover(); r != nil {
				done <- invalid("the Compose file is of a shape that cannot be read (%v)", r)
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return invalid("loading the project takes longer than %s", maxLoadTime)
		}
		return fmt.Errorf("load the project: %w", ctx.Err())
	}
}

// listen sends compose-go's warnings to warn until the returned function is called.
func listen(warn func(string)) (stop func()) {
	logger := logrus.StandardLogger()
	out := logger.Out
	hooks := logger.ReplaceHooks(logrus.LevelHooks{logrus.WarnLevel: {hook(warn)}})
	logger.SetOutput(nowhere{})
	return func() {
		logger.ReplaceHooks(hooks)
		logger.SetOutput(out)
	}
}

type hook func(string)

func (hook) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

func (h hook) Fire(e *logrus.Entry) error {
	h(e.Message)
	return nil
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
