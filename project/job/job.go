package job

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"tiffin/engine"
	"tiffin/engine/cron"
	"tiffin/project/fault"
)

// Enable enables the named jobs, and what has one of their profiles.
func Enable(model *types.Project, names []string) (*types.Project, error) {
	for _, name := range names {
		job, ok := model.DisabledJobs[name]
		if !ok {
			continue
		}
		var err error
		if model, err = model.WithProfiles(slices.Concat(model.Profiles, job.Profiles)); err != nil {
			return nil, err
		}
	}
	return model, nil
}

// AsServices puts the enabled jobs with a schedule, and the named ones, among the services
// of the model, and of the document that it was made from, for their attributes to be found.
func AsServices(model *types.Project, document map[string]any, names []string) (map[string]any, error) {
	if err := apart(model); err != nil {
		return document, err
	}
	given, _ := document["jobs"].(map[string]any)
	services, _ := document["services"].(map[string]any)
	services = maps.Clone(services)
	none := 0
	for _, name := range slices.Sorted(maps.Keys(model.Jobs)) {
		j := model.Jobs[name]
		if !slices.Contains(names, name) && (j.Triggers == nil || len(j.Triggers.Schedule) == 0) {
			continue
		}
		s := types.ServiceConfig{
			Name: name, Profiles: j.Profiles, Scale: &none, ContainerSpec: j.ContainerSpec, WorkloadSpec: j.WorkloadSpec, Extensions: j.Extensions,
		}
		if model.Services == nil {
			model.Services = types.Services{}
		}
		model.Services[name] = s
		if services == nil {
			services = map[string]any{}
		}
		attributes, _ := given[name].(map[string]any)
		attributes = maps.Clone(attributes)
		delete(attributes, "triggers")
		services[name] = attributes
	}
	document = maps.Clone(document)
	document["services"] = services
	return document, nil
}

// apart finds names that are both a service's and a job's, and what depends on jobs.
func apart(model *types.Project) error {
	jobs := model.AllJobs()
	services := model.AllServices()
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		if _, both := services[name]; both {
			return fault.At([]string{"jobs", name}, "%q is the name of a service and of a job", name).Hint("Give one of them another name.")
		}
		for _, other := range slices.Sorted(maps.Keys(jobs[name].DependsOn)) {
			if _, isJob := jobs[other]; isJob {
				return fault.At([]string{"jobs", name, "depends_on", other}, "job %q depends on job %q: tiffin runs one job at a time", name, other).
					Hint("Run `tiffin run %s` before, or let both be one job.", other).Unsupported()
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		for other := range services[name].DependsOn {
			if _, isJob := jobs[other]; isJob {
				return fault.At([]string{"services", name, "depends_on", other}, "service %q depends on job %q, which is no service", name, other).
					Hint("What has to run before a service is its pre_start, or a service that others wait for with service_completed_successfully.")
			}
		}
	}
	return nil
}

// Triggers are those of a job; nil of what is none.
func Triggers(model *types.Project, name string) (*engine.Triggers, error) {
	j, ok := model.Jobs[name]
	if !ok {
		return nil, nil //nolint:nilnil // a service
	}
	out := &engine.Triggers{}
	if j.Triggers == nil {
		return out, nil
	}
	out.NotManual = j.Triggers.Manual != nil && !*j.Triggers.Manual
	for i, s := range j.Triggers.Schedule {
		path := func(attribute string) []string {
			return []string{"jobs", name, "triggers", "schedule", strconv.Itoa(i), attribute}
		}
		if _, err := cron.Parse(s.Cron); err != nil {
			return nil, fault.BadValue(path("cron"), err).Hint("Write \"30 2 * * *\" for half past two each night.")
		}
		if _, err := time.LoadLocation(s.Timezone); err != nil || s.Timezone == "Local" {
			return nil, fault.At(path("timezone"), "%s: there is no time zone %q", fault.Dotted(path("timezone")), s.Timezone).Hint("Say a name such as Europe/Paris, or UTC.")
		}
		for _, choice := range []struct {
			attribute, value string
			words            []string
		}{{"concurrency", s.Concurrency, []string{"forbid", "queue"}}, {"missed_fires", s.MissedFires, []string{"one", "skip"}}} {
			if !slices.Contains(choice.words, cmp.Or(choice.value, choice.words[0])) {
				p := path(choice.attribute)
				return nil, fault.At(p, "%s: there is no policy %q", fault.Dotted(p), choice.value).Hint("Say %s or %s.", choice.words[0], choice.words[1])
			}
		}
		out.Schedules = append(out.Schedules, engine.Schedule{
			Cron: s.Cron, Zone: s.Timezone, Queue: s.Concurrency == "queue", SkipMissed: s.MissedFires == "skip",
		})
	}
	return out, nil
}

// Home is where an attribute stands that the rules for services speak of, and what they say
// of it as it is said of a job.
func Home(jobs types.Jobs, path []string, text string) ([]string, string) {
	if len(path) < 2 || path[0] != "services" {
		return path, text
	}
	name := path[1]
	if _, isJob := jobs[name]; !isJob {
		return path, text
	}
	text = strings.ReplaceAll(text, "services."+name, "jobs."+name)
	text = strings.ReplaceAll(text, "service "+strconv.Quote(name), "job "+strconv.Quote(name))
	return append([]string{"jobs"}, path[1:]...), text
}
