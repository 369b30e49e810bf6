package client

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiffin/engine"
)

func target(name, image string, change ...func(*engine.Build)) Target {
	t := Target{Name: name, Image: image, Build: engine.Build{Context: "/src"}}
	for _, c := range change {
		c(&t.Build)
	}
	return t
}

func takes(contexts ...string) func(*engine.Build) {
	return func(b *engine.Build) {
		b.AdditionalContexts = map[string]string{}
		for _, service := range contexts {
			b.AdditionalContexts[service] = engine.ServiceContext + service
		}
	}
}

func stage(name string) func(*engine.Build) { return func(b *engine.Build) { b.Target = name } }

// orderText writes jobs as lines: who, which names, after whom.
func orderText(jobs []*job) string {
	var b strings.Builder
	for _, j := range jobs {
		var who, after []string
		for _, t := range j.targets {
			who = append(who, t.Name)
		}
		for _, other := range j.after {
			after = append(after, other.name())
		}
		fmt.Fprintf(&b, "%s: %s", strings.Join(who, "+"), strings.Join(j.names, " "))
		if after != nil {
			fmt.Fprintf(&b, " after %s", strings.Join(after, " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestJobs(t *testing.T) {
	t.Parallel()
	tags := func(tags ...string) func(*engine.Build) { return func(b *engine.Build) { b.Tags = tags } }
	cases := map[string]struct {
		o         Options
		want, err string
	}{
		"names are written out, each once": {
			o:    Options{Targets: []Target{target("web", "demo-web", tags("demo-web:latest", "reg.example:5000/web:1"))}},
			want: "web: docker.io/library/demo-web:latest reg.example:5000/web:1\n",
		},
		"one build of several services is made once": {
			o:    Options{Targets: []Target{target("a", "app"), target("other", "x"), target("b", "app")}},
			want: "a+b: docker.io/library/app:latest\nother: docker.io/library/x:latest\n",
		},
		"one build under two names is two": {
			o:    Options{Targets: []Target{target("a", "one"), target("b", "two")}},
			want: "a: docker.io/library/one:latest\nb: docker.io/library/two:latest\n",
		},
		"different builds with one name": {
			o:    Options{Targets: []Target{target("a", "app"), target("b", "app", stage("dev"))}},
			want: "a: docker.io/library/app:latest\nb: docker.io/library/app:latest after a\n",
		},
		"a tag is a name, too": {
			o:    Options{Targets: []Target{target("a", "app"), target("b", "other", tags("app:latest"))}},
			want: "a: docker.io/library/app:latest\nb: docker.io/library/other:latest docker.io/library/app:latest after a\n",
		},
		"who takes an image waits for it": {
			o:    Options{Targets: []Target{target("web", "web", takes("base")), target("base", "base")}},
			want: "web: docker.io/library/web:latest after base\nbase: docker.io/library/base:latest\n",
		},
		"who takes an image that is not built does not wait": {
			o:    Options{Targets: []Target{target("web", "web", takes("db"))}, Images: map[string]string{"db": "postgres"}},
			want: "web: docker.io/library/web:latest\n",
		},
		"who takes the image of nobody": {
			o:   Options{Targets: []Target{target("web", "web", takes("nobody"))}},
			err: "build web: additional context service:nobody: there is no such service",
		},
		"a circle": {
			o:   Options{Targets: []Target{target("a", "a", takes("b")), target("b", "b", takes("c")), target("c", "c", takes("b"))}},
			err: "builds take the images of each other as contexts: b → c → b",
		},
		"a name that cannot be": {
			o:   Options{Targets: []Target{target("web", "Web")}},
			err: `build web: image name "Web": invalid reference format: repository name (library/Web) must be lowercase`,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			jobs, err := jobsOf(&c.o)
			if c.err != "" {
				if err == nil || err.Error() != c.err || !errors.Is(err, engine.ErrInvalid) {
					t.Fatalf("got  %v\nwant %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, orderText(jobs)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAServicesImageIsNamedAsItIsStored(t *testing.T) {
	t.Parallel()
	o := Options{
		Targets: []Target{target("web", "web", takes("base", "db")), target("base", "team/base:2")},
		Images:  map[string]string{"db": "postgres"},
	}
	jobs, err := jobsOf(&o)
	if err != nil {
		t.Fatal(err)
	}
	for service, want := range map[string]string{"base": "docker.io/team/base:2", "db": "docker.io/library/postgres:latest"} {
		if got, err := serviceImage(jobs[0], service, o.Images); got != want || err != nil {
			t.Errorf("%s: got %q, %v, want %q", service, got, err, want)
		}
	}
}

func TestWhoLosesItsNameIsTold(t *testing.T) {
	t.Parallel()
	same := target("c", "app", stage("dev"))
	got := Shadowed([]Target{target("a", "app"), target("b", "app", stage("dev")), same, target("d", "own")})
	const want = "Services a and b build different images of the name app: that of b will have it"
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q", got)
	}
}
