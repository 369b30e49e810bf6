package builds

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
	"tiffin/engine/builder/client"
	"tiffin/engine/plan"
)

func service(name, image string, build *engine.Build, dependsOn ...string) engine.Service {
	svc := engine.Service{Name: name, Build: build}
	svc.Container.Image = image
	for _, d := range dependsOn {
		svc.DependsOn = append(svc.DependsOn, engine.Dependency{Service: d})
	}
	return svc
}

// demo is a project of some kinds of services.
func demo() *engine.Stack {
	return &engine.Stack{
		Name: "demo",
		Services: []engine.Service{
			service("api", "demo-api", &engine.Build{Context: "/api", AdditionalContexts: map[string]string{"b": "service:base"}}, "db"),
			service("db", "postgres", nil, "disk"),
			service("disk", "demo-disk", &engine.Build{Context: "/disk"}),
			service("web", "app", &engine.Build{Context: "/app"}, "api"),
			service("worker", "app", &engine.Build{Context: "/app"}),
		},
		Bases: []engine.Service{service("base", "demo-base", &engine.Build{Context: "/base"})},
	}
}

func TestSelected(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		named []string
		which Which
		want  string
	}{
		{nil, Alone, "api disk web worker"},
		{[]string{"web"}, Alone, "web"},
		{[]string{"web"}, WithDependencies, "web api disk"},
		{[]string{"db"}, Alone, ""},
	} {
		if got := strings.Join(Selected(demo(), c.named, c.which), " "); got != c.want {
			t.Errorf("%v, %d: got %q, want %q", c.named, c.which, got, c.want)
		}
	}
}

func targetText(targets []client.Target) string {
	var b strings.Builder
	for _, t := range targets {
		fmt.Fprintf(&b, "%s: %s of %s for %s", t.Name, t.Image, t.Build.Context, t.Build.Labels[engine.LabelService])
		if t.Build.Platforms != nil {
			fmt.Fprintf(&b, " on %s", strings.Join(t.Build.Platforms, " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for services, want := range map[string]string{
		"api": "api: demo-api of /api for api\nbase: demo-base of /base for base\n",
		// Both build one image, which is called after the first, whichever is asked for.
		"worker web": "web: app of /app for web\nworker: app of /app for web\n",
		"worker":     "worker: app of /app for web\n",
		"db":         "",
	} {
		if diff := cmp.Diff(want, targetText(Targets(demo(), strings.Fields(services)))); diff != "" {
			t.Errorf("%s: %s", services, diff)
		}
	}
}

func TestTheLabelsOfABuildWin(t *testing.T) {
	t.Parallel()
	stack := demo()
	stack.Services[0].Build.Labels = map[string]string{engine.LabelService: "mine", "a": "b"}
	want := map[string]string{engine.LabelProject: "demo", engine.LabelService: "mine", "a": "b"}
	if got := Targets(stack, []string{"api"})[0].Build.Labels; !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if len(stack.Services[0].Build.Labels) != 2 {
		t.Error("the Stack was changed")
	}
}

func TestNeeded(t *testing.T) {
	t.Parallel()
	p := &plan.Plan{Steps: []plan.Step{
		{Kind: plan.PullImage, Name: "app"},
		{Kind: plan.BuildImage, Service: "api"},
		{Kind: plan.BuildImage, Service: "web", IfMissing: []string{"app", "other"}},
	}}
	if got := Needed(p, nil); !slices.Equal(got, []string{"api"}) {
		t.Errorf("when all was pulled: %v", got)
	}
	if got := Needed(p, []string{"other"}); !slices.Equal(got, []string{"api", "web"}) {
		t.Errorf("when one could not be pulled: %v", got)
	}
}

func TestOnePlatform(t *testing.T) {
	t.Parallel()
	stack := demo()
	both := []string{"linux/amd64", "linux/arm64"}
	stack.Services[0].Build.Platforms, stack.Services[0].Container.Platform = both, "linux/arm64"
	stack.Services[2].Build.Platforms = both
	want := "api: demo-api of /api for api on linux/arm64\nbase: demo-base of /base for base\ndisk: demo-disk of /disk for disk\n"
	if diff := cmp.Diff(want, targetText(OnePlatform(stack, Targets(stack, []string{"api", "disk"})))); diff != "" {
		t.Error(diff)
	}
	if len(stack.Services[2].Build.Platforms) != 2 {
		t.Error("the Stack was changed")
	}
}
