package client

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"tiffin/engine"
)

// job is one solve: one build, for all the targets that ask for it.
type job struct {
	targets []*Target // the first one's name is shown
	names   []string  // of the image, complete: docker.io/library/web:latest
	after   []*job    // what it takes the images of, or the name from
}

func (j *job) name() string         { return j.targets[0].Name }
func (j *job) build() *engine.Build { return &j.targets[0].Build }

// jobsOf finds the builds behind the targets, and the order between them.
//
// Errors: engine.ErrInvalid when builds wait for each other, and for names that cannot be.
func jobsOf(o *Options) ([]*job, error) {
	var jobs []*job
	for i := range o.Targets {
		t := &o.Targets[i]
		if same := slices.IndexFunc(jobs, func(j *job) bool { return sameBuild(j.targets[0], t) }); same >= 0 {
			jobs[same].targets = append(jobs[same].targets, t)
			continue
		}
		names, err := imageNames(t)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, &job{targets: []*Target{t}, names: names})
	}
	oneAfterTheOther(jobs)
	return jobs, link(jobs, o.Images)
}

func sameBuild(a, b *Target) bool {
	return a.Image == b.Image && reflect.DeepEqual(a.Build, b.Build)
}

// imageNames are all the names of the image, each once.
func imageNames(t *Target) ([]string, error) {
	var names []string
	for _, name := range append([]string{t.Image}, t.Build.Tags...) {
		if name == "" {
			continue
		}
		full, err := fullName(name)
		if err != nil {
			return nil, invalid("build %s: image name %q: %w", t.Name, name, err)
		}
		if !slices.Contains(names, full) {
			names = append(names, full)
		}
	}
	return names, nil
}

// fullName writes out what a short name leaves to the reader.
func fullName(name string) (string, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return "", err
	}
	return reference.TagNameOnly(named).String(), nil
}

// oneAfterTheOther orders different builds that give their images one name: the last one
// has it, whoever is quicker.
func oneAfterTheOther(jobs []*job) {
	owner := map[string]*job{}
	for _, j := range jobs {
		for _, name := range j.names {
			if other := owner[name]; other != nil && !slices.Contains(j.after, other) {
				j.after = append(j.after, other)
			}
			owner[name] = j
		}
	}
}

// Shadowed says which targets give their images a name that another build takes from
// them, a line each.
func Shadowed(targets []Target) []string {
	owner := map[string]*Target{}
	var lines []string
	for i := range targets {
		t := &targets[i]
		names, err := imageNames(t)
		if err != nil {
			continue // Run says so
		}
		for _, name := range names {
			if other := owner[name]; other != nil && !sameBuild(other, t) {
				lines = append(lines, fmt.Sprintf("Services %s and %s build different images of the name %s: that of %s will have it",
					other.Name, t.Name, familiar(name), t.Name))
			}
			owner[name] = t
		}
	}
	return lines
}

// familiar is how people write a full name.
func familiar(name string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return name
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest")
}

// link finds what waits for what.
func link(jobs []*job, images map[string]string) error {
	of := map[string]*job{}
	for _, j := range jobs {
		for _, t := range j.targets {
			of[t.Name] = j
		}
	}
	for _, j := range jobs {
		for _, service := range j.build().Services() {
			switch other := of[service]; {
			case other != nil:
				j.after = append(j.after, other)
			case images[service] == "":
				return invalid("build %s: additional context %s%s: there is no such service", j.name(), engine.ServiceContext, service)
			}
		}
	}
	return noCircle(jobs)
}

// noCircle refuses builds that would wait for each other for ever.
func noCircle(jobs []*job) error {
	done := map[*job]bool{}
	var path []*job
	var visit func(*job) error
	visit = func(j *job) error {
		if at := slices.Index(path, j); at >= 0 {
			var names []string
			for _, p := range append(path[at:], j) {
				names = append(names, p.name())
			}
			return invalid("builds take the images of each other as contexts: %s", strings.Join(names, " → "))
		}
		if done[j] {
			return nil
		}
		path = append(path, j)
		for _, other := range j.after {
			if err := visit(other); err != nil {
				return err
			}
		}
		path, done[j] = path[:len(path)-1], true
		return nil
	}
	for _, j := range jobs {
		if err := visit(j); err != nil {
			return err
		}
	}
	return nil
}

// serviceImage is the name that the image of another service has in the store.
func serviceImage(j *job, service string, images map[string]string) (string, error) {
	for _, other := range j.after {
		for _, t := range other.targets {
			if t.Name == service && len(other.names) > 0 {
				return other.names[0], nil
			}
		}
	}
	full, err := fullName(images[service])
	if err != nil {
		return "", invalid("build %s: image of service %s: %w", j.name(), service, err)
	}
	return full, nil
}

// invalid is an error in what was asked for.
func invalid(format string, args ...any) error {
	return engine.Problem(engine.ErrInvalid, fmt.Errorf(format, args...))
}

// unsupported is an error in what was asked for that others would carry out.
func unsupported(format string, args ...any) error {
	return engine.Problem(engine.ErrUnsupported, fmt.Errorf(format, args...))
}
