package project

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"

	"tiffin/engine"
	"tiffin/project/consistent"
	"tiffin/project/fault"
	"tiffin/project/instance"
	"tiffin/project/job"
	"tiffin/project/paths"
	"tiffin/project/shape"
	"tiffin/project/suggest"
	"tiffin/project/variables"
)

// way is how far compose-go resolves the files.
type way struct {
	noInterpolate, noNormalize, noPaths, noConsistency, noFiles bool
	// modelOnly stops at the merged document.
	modelOnly bool
	// jobs puts jobs among the services, for them to be carried out.
	jobs bool
}

// load merges and resolves the files into p.attributes and p.model.
func (p *Project) load(ctx context.Context, o Options, w way) error {
	err := p.bounded(ctx, func() error {
		details, options := p.request(w)
		attributes, err := loader.LoadModelWithContext(ctx, details, options...)
		if err != nil {
			return inOurWords(err)
		}
		if !w.noNormalize {
			if attributes, err = p.normalize(attributes); err != nil {
				return inOurWords(err)
			}
		}
		from := paths.Origin{Dir: p.site.dir, Home: p.site.env["HOME"]}
		if w.noPaths {
			from = paths.Origin{}
		}
		paths.Settle(attributes, from)
		if p.attributes = attributes; w.modelOnly {
			return nil
		}
		full := loader.ToOptions(&details, options)
		model, err := loader.ModelToProject(attributes, full, details)
		if err != nil {
			return inOurWords(err)
		}
		p.model, err = p.choose(model, o, w)
		return err
	})
	if err != nil || w.modelOnly {
		return err
	}
	if !w.noConsistency {
		if err := consistent.Check(p.model, p.attributes); err != nil {
			return err
		}
	}
	if w.noFiles {
		return nil
	}
	return p.resolveFiles()
}

// normalize adds the defaults, and the dependencies that links and shared namespaces imply;
// before that it notes which ones the files name themselves.
func (p *Project) normalize(attributes map[string]any) (map[string]any, error) {
	p.named = map[string]map[string]any{}
	services, _ := attributes["services"].(map[string]any)
	for name, service := range services {
		if s, ok := service.(map[string]any); ok {
			dependencies, _ := s["depends_on"].(map[string]any)
			p.named[name] = maps.Clone(dependencies)
		}
	}
	attributes["name"] = p.site.name
	return loader.Normalize(attributes, p.site.env)
}

// request is what compose-go is asked for. Its validation, defaults and paths are ours
// (check.go, settle.go), for their places and their speed.
func (p *Project) request(w way) (types.ConfigDetails, []func(*loader.Options)) {
	details := types.ConfigDetails{WorkingDir: p.site.dir, Environment: p.site.env}
	for _, src := range p.texts.all[:p.texts.main] {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: src.path, Content: src.content})
	}
	unset := func(name string) {
		p.warn("The " + strconv.Quote(name) + " variable is not set. Defaulting to a blank string.")
	}
	return details, []func(*loader.Options){
		loader.WithProfiles(p.site.profiles),
		func(lo *loader.Options) {
			lo.SetProjectName(p.site.name, true)
			lo.SkipInterpolation = w.noInterpolate
			lo.ResourceLoaders = append(lo.ResourceLoaders, p.site.fetched)
			lo.SkipNormalization = true // see normalize
			lo.SkipResolveEnvironment = true
			lo.SkipResolveLabels = true
			lo.SkipConsistencyCheck = true
			lo.SkipValidation = true
			lo.SkipDefaultValues = true
			lo.ResolvePaths = false
			lo.Interpolate.TypeCastMapping = casts()
			lo.Interpolate.Substitute = func(text string, lookup template.Mapping) (string, error) {
				return variables.Expansion{Lookup: lookup, Unset: unset}.Expand(text)
			}
		},
	}
}

// casts turn text into numbers where compose-go's decoder does not.
func casts() map[tree.Path]interpolation.Cast {
	whole := func(text string) (any, error) { return strconv.Atoi(text) }
	microseconds := func(text string) (any, error) { return shape.Microseconds(text) }
	out := map[tree.Path]interpolation.Cast{}
	for _, parent := range []string{"services.*.", "services.*.pre_start.[].", "jobs.*."} {
		for _, path := range []string{
			"ulimits.*", "ulimits.*.soft", "ulimits.*.hard", "healthcheck.retries", "ports.[].target",
			"build.ulimits.*", "build.ulimits.*.soft", "build.ulimits.*.hard", "deploy.restart_policy.max_attempts", "deploy.update_config.parallelism", "deploy.rollback_config.parallelism",
			"deploy.placement.max_replicas_per_node", "blkio_config.weight",
		} {
			out[tree.Path(parent+path)] = whole
		}
		for _, path := range []string{"cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime"} {
			out[tree.Path(parent+path)] = microseconds
		}
		out[tree.Path(parent+"umask")] = func(text string) (any, error) { return strconv.ParseUint(text, 0, 32) }
	}
	return out
}

// inOurWords turns what is left of compose-go's errors, after our own checks, into ours:
// it finds the path that the text mentions, and leaves the names of Go types out.
func inOurWords(err error) error {
	text := err.Error()
	if rest, ok := strings.CutPrefix(text, "cannot extend service "); ok {
		if name, err := strconv.QuotedPrefix(rest); err == nil {
			name, _ = strconv.Unquote(name)
			_, reason, _ := strings.Cut(rest, ": ")
			return fault.At([]string{"services", name, "extends"}, "service %q extends what is not there: %s", name, reason)
		}
	}
	for word := range strings.FieldsSeq(text) {
		path := mentioned(word)
		if path == nil {
			continue
		}
		_, reason, _ := strings.Cut(text, word)
		if reason = strings.Trim(reason, " :\n"); strings.Contains(reason, " type ") || reason == "" {
			reason = "the value is of the wrong kind"
		}
		reason, _, _ = strings.Cut(reason, "\n")
		return fault.At(path, "%s: %s", fault.Dotted(path), reason)
	}
	return invalid("%s", text)
}

// mentioned reads services.web.ports.[0] and 'services[web].ports[0]'.
func mentioned(word string) []string {
	path := strings.FieldsFunc(strings.Trim(word, "':,\""), func(c rune) bool { return strings.ContainsRune(".[]", c) })
	if len(path) < 2 || !slices.Contains([]string{"services", "networks", "volumes", "configs", "secrets"}, path[0]) {
		return nil
	}
	return path
}

// choose enables the named services with their profiles, sets what the command line says
// about replicas, and makes it the instance that is meant.
func (p *Project) choose(model *types.Project, o Options, w way) (*types.Project, error) {
	for _, src := range p.texts.all[:p.texts.main] {
		model.ComposeFiles = append(model.ComposeFiles, src.path)
	}
	names := slices.Clone(o.Services)
	for name := range o.Scale {
		names = append(names, name)
	}
	model, err := p.withJobs(model, names, w)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := model.AllServices()[name]; !ok {
			return nil, noService(name, model.AllServices())
		}
	}
	model, err = model.WithServicesEnabled(names...)
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
	if p.site.instance != "" {
		model = instance.Isolate(model, p.site.instance)
	}
	return model, nil
}

// withJobs puts the jobs that matter among the services, unless the model is to be shown.
func (p *Project) withJobs(model *types.Project, names []string, w way) (*types.Project, error) {
	if !w.jobs || len(model.AllJobs()) == 0 {
		return model, nil
	}
	model, err := job.Enable(model, names)
	if err != nil {
		return nil, fmt.Errorf("enable jobs: %w", err)
	}
	p.texts.jobs = model.Jobs
	p.attributes, err = job.AsServices(model, p.attributes, names)
	return model, err
}

func noService(name string, all types.Services) error {
	err := notFound("no such service: %s", name)
	if near := suggest.Nearest(name, slices.Collect(maps.Keys(all))); near != "" {
		return engine.Hint(err, "Did you mean "+strconv.Quote(near)+"?")
	}
	return err
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
		return context.Cause(ctx)
	}
}

// listen sends compose-go's warnings to warn until the returned function is called.
func listen(warn func(string)) (stop func()) {
	logger := logrus.StandardLogger()
	out, hooks := logger.Out, logger.ReplaceHooks(logrus.LevelHooks{logrus.WarnLevel: {hook(warn)}})
	logger.SetOutput(io.Discard)
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
