package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

// model has an app that needs a queue and a database, which needs a network; the queue waits
// for a container.
func model() *types.Project {
	needs := func(names ...string) types.DependsOnConfig {
		out := types.DependsOnConfig{}
		for _, name := range names {
			out[name] = types.ServiceDependency{}
		}
		return out
	}
	service := func(name string, on types.DependsOnConfig, kind string) types.ServiceConfig {
		s := types.ServiceConfig{Name: name, WorkloadSpec: types.WorkloadSpec{DependsOn: on}}
		if kind != "" {
			s.Provider = &types.ServiceProviderConfig{Type: kind}
		}
		return s
	}
	return &types.Project{Services: types.Services{
		"app":      service("app", needs("queue", "database"), ""),
		"database": service("database", needs("network"), "cloud"),
		"network":  service("network", nil, "net"),
		"queue":    service("queue", needs("cache"), "cloud"),
		"cache":    service("cache", nil, ""),
	}}
}

func TestProvidersComeAfterWhatTheyDependOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reach    Reach
		services []string
		want     string
	}{
		"all":                     {WithDependencies, nil, "network database queue(cache)"},
		"those of a service":      {WithDependencies, []string{"app"}, "network database queue(cache)"},
		"one that is named":       {WithDependencies, []string{"database"}, "network database"},
		"without dependencies":    {NamedOnly, []string{"database", "app"}, "database"},
		"a service without any":   {WithDependencies, []string{"cache"}, ""},
		"a service that is not":   {WithDependencies, []string{"other"}, ""},
		"named, and nothing else": {NamedOnly, []string{"app"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range Of(model(), c.reach, c.services...) {
				text := p.Service
				if len(p.Waits) > 0 {
					text += "(" + strings.Join(p.Waits, " ") + ")"
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDependentsAreGivenVariables(t *testing.T) {
	t.Parallel()
	m := model()
	app := m.Services["app"]
	own, same := "own", "same"
	app.Environment = types.MappingWithEquals{"TOKEN": &own, "SAME": &same}
	app.PreStart = []types.PreStartHook{{}}
	m.Services["app"] = app
	replaced := Give(m, "database", Variables{
		Named: map[string]string{"URL": "cloud:1"}, Raw: map[string]string{"TOKEN": "theirs", "SAME": "same"},
	})
	if diff := cmp.Diff([]string{"app.TOKEN"}, replaced); diff != "" {
		t.Error(diff)
	}
	app = m.Services["app"]
	for _, env := range []types.MappingWithEquals{app.Environment, app.PreStart[0].Environment} {
		got := fmt.Sprint(*env["DATABASE_URL"], " ", *env["TOKEN"], " ", *env["SAME"])
		if diff := cmp.Diff("cloud:1 theirs same", got); diff != "" {
			t.Error(diff)
		}
	}
	if len(m.Services["queue"].Environment) > 0 {
		t.Error("who does not depend on it has its variables")
	}
}
