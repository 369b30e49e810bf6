package plan

import (
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

// built gives a service a build section; its image is the one that is made up, unless a
// later change names one. with are the services that it is built with.
func built(with ...string) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Container.Image = "demo-" + s.Name
		s.Build = &engine.Build{Context: "/src/" + s.Name}
		for _, other := range with {
			if s.Build.AdditionalContexts == nil {
				s.Build.AdditionalContexts = map[string]string{}
			}
			s.Build.AdditionalContexts["the-"+other] = "service:" + other
		}
	}
}

// from builds from another context.
func from(context string) func(*engine.Service) {
	return func(s *engine.Service) { s.Build.Context = context }
}

// withBases adds services that are only built.
func withBases(s engine.Stack, bases ...engine.Service) engine.Stack {
	s.Bases = bases
	return s
}

type buildCase struct {
	there []string
	req   call.UpRequest
	want  string
}

func (c *buildCase) run(t *testing.T) {
	t.Helper()
	h := newHost()
	for _, ref := range c.there {
		h.obs.Images[ref] = "sha256:" + ref
	}
	p, err := Builds(&c.req, h.obs)
	compare(t, c.want, p, err)
}

func TestBuildsWhat(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("api", built(), image("shop/api")), service("db"), service("web", built()))
	policy := func(p engine.PullPolicy) engine.Stack {
		return stackOf(service("api", built(), image("shop/api"), pull(p)), service("web", built(), pull(p)))
	}
	for name, c := range map[string]buildCase{
		"nothing is there: what has a name of its own may be there to be pulled": {
			req: call.UpRequest{Stack: stack},
			want: `#1 pull image shop/api (not there, optional)
#2 build image shop/api (if it cannot be pulled) after #1?
#3 build image demo-web (not there)
`,
		},
		"all is there": {
			there: []string{"shop/api", "demo-web"}, req: call.UpRequest{Stack: stack},
		},
		"--build": {
			there: []string{"shop/api"}, req: call.UpRequest{Stack: stack, Build: true},
			want: `#1 build image shop/api (--build)
#2 build image demo-web (--build)
`,
		},
		"--no-build": {
			req: call.UpRequest{Stack: stack, NoBuild: true},
		},
		"what was built before up is not built again": {
			req: call.UpRequest{Stack: stack, Build: true, NoBuild: true},
		},
		"pull_policy build": {
			there: []string{"shop/api", "demo-web"}, req: call.UpRequest{Stack: policy(engine.PullBuild)},
			want: `#1 build image shop/api (pull_policy build)
#2 build image demo-web (pull_policy build)
`,
		},
		"pull_policy never: what is not there is built": {
			req: call.UpRequest{Stack: policy(engine.PullNever)},
			want: `#1 build image shop/api (not there)
#2 build image demo-web (not there)
`,
		},
		"pull_policy always, not there": {
			req: call.UpRequest{Stack: policy(engine.PullAlways)},
			want: `#1 pull image shop/api (not there, optional)
#2 build image shop/api (if it cannot be pulled) after #1?
#3 build image demo-web (not there)
`,
		},
		"pull_policy always, there: up pulls it": {
			there: []string{"shop/api", "demo-web"}, req: call.UpRequest{Stack: policy(engine.PullAlways)},
		},
		"--pull never": {
			req: call.UpRequest{Stack: policy(engine.PullBuild), Pull: engine.PullNever},
			want: `#1 build image shop/api (not there)
#2 build image demo-web (not there)
`,
		},
		"a service that is only pulled": {
			req: call.UpRequest{Stack: stack, Build: true, Services: []string{"db"}},
		},
		"no service": {
			req: call.UpRequest{Stack: stack, Services: []string{"wbe"}},
			want: `error: no such service: wbe
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestBuildsOfWhich(t *testing.T) {
	t.Parallel()
	chain := stackOf(service("api", built(), dependsOn(started("db"))), service("db", built()), service("web", built(), dependsOn(started("api"))))
	same := func(s *engine.Service) {
		built()(s)
		from("/src")(s)
		image("shop/app")(s)
	}
	for name, c := range map[string]buildCase{
		"the targets and what they depend on": {
			req: call.UpRequest{Stack: chain, Services: []string{"api"}},
			want: `#1 build image demo-api (not there)
#2 build image demo-db (not there)
`,
		},
		"the targets alone": {
			req: call.UpRequest{Stack: chain, Services: []string{"api"}, NoDeps: true},
			want: `#1 build image demo-api (not there)
`,
		},
		"several that build one image alike build it once": {
			req: call.UpRequest{Stack: stackOf(service("api", same), service("cron", same), service("web", same)), Build: true},
			want: `#1 build image shop/app (--build)
`,
		},
		"also when one of them is not to pull it": {
			req: call.UpRequest{Stack: stackOf(service("api", same), service("cron", same, pull(engine.PullNever)))},
			want: `#1 build image shop/app (not there)
`,
		},
		"several that build one image, each in its own way": {
			req: call.UpRequest{Stack: stackOf(
				service("api", same), service("cron", same, from("/cron")), service("web", same)), Build: true},
			want: `#1 build image shop/app (--build)
#2 build image shop/app (--build) after #1
warning: Services api and cron build different images of the name shop/app: that of cron will have it
`,
		},
		"one that only uses an image that another builds": {
			req: call.UpRequest{Stack: stackOf(service("api", same), service("cron", image("shop/app")))},
			want: `#1 pull image shop/app (not there, optional)
#2 build image shop/app (if it cannot be pulled) after #1?
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestBuildsOnOtherServices(t *testing.T) {
	t.Parallel()
	base := service("base", built("root"))
	stack := withBases(stackOf(service("api", built("base")), service("web", built("base"))), base, service("root", built()))
	named := withBases(stackOf(service("web", built("base"), image("shop/web"))), service("base", built(), image("shop/base")))
	for name, c := range map[string]buildCase{
		"they are built before, once, though their images are there": {
			there: []string{"demo-base", "demo-root", "demo-web"}, req: call.UpRequest{Stack: stack},
			want: `#1 build image demo-root (context of base)
#2 build image demo-base (context of api) after #1
#3 build image demo-api (not there) after #2
`,
		},
		"but not when nothing is built on them": {
			there: []string{"demo-api", "demo-web"}, req: call.UpRequest{Stack: stack},
		},
		"--build": {
			req: call.UpRequest{Stack: stack, Build: true, Services: []string{"web"}, NoDeps: true},
			want: `#1 build image demo-root (context of base)
#2 build image demo-base (context of web) after #1
#3 build image demo-web (--build) after #2
`,
		},
		"a service of the project, selected or not": {
			there: []string{"demo-lib"},
			req:   call.UpRequest{Stack: stackOf(service("lib", built()), service("web", built("lib"))), Services: []string{"web"}},
			want: `#1 build image demo-lib (context of web)
#2 build image demo-web (not there) after #1
`,
		},
		"not when what is built on them can be pulled": {
			req: call.UpRequest{Stack: named},
			want: `#1 pull image shop/web (not there, optional)
#2 build image shop/base (context of web) after #1?
#3 build image shop/web (if it cannot be pulled) after #1? #2
`,
		},
		"one that may be pulled is built when it is needed": {
			req: call.UpRequest{Stack: stackOf(service("lib", built(), image("shop/lib")), service("web", built("lib")))},
			want: `#1 build image shop/lib (context of web)
#2 build image demo-web (not there) after #1
`,
		},
		"either may be pulled": {
			req: call.UpRequest{Stack: stackOf(service("lib", built(), image("shop/lib")), service("web", built("lib"), image("shop/web")))},
			want: `#1 pull image shop/lib (not there, optional)
#2 pull image shop/web (not there, optional)
#3 build image shop/lib (if it cannot be pulled) after #1? #2?
#4 build image shop/web (if it cannot be pulled) after #2? #3
`,
		},
		"each other": {
			req: call.UpRequest{Stack: stackOf(service("api", built("web")), service("web", built("api")))},
			want: `error: invalid: steps wait for each other: build image demo-web → build image demo-api → build image demo-web
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// TestBuildsThatAPullMaySave: the builds of one image that cannot be pulled, and of what
// it is built on.
func TestBuildsThatAPullMaySave(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("lib", built(), image("shop/lib")), service("web", built("lib"), image("shop/web")))
	for name, c := range map[string]struct {
		offline map[string]bool
		built   []string
	}{
		"both are pulled":   {nil, nil},
		"web is not":        {map[string]bool{"shop/web": true}, []string{"shop/lib", "shop/web"}},
		"lib is not":        {map[string]bool{"shop/lib": true}, []string{"shop/lib"}},
		"neither is pulled": {map[string]bool{"shop/lib": true, "shop/web": true}, []string{"shop/lib", "shop/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost()
			h.offline = c.offline
			p, err := Builds(&call.UpRequest{Stack: stack}, h.obs)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.apply(p, &stack, inSequence); err != nil {
				t.Fatal(err)
			}
			for _, ref := range []string{"shop/lib", "shop/web"} {
				want := "sha256:" + ref
				for _, b := range c.built {
					if b == ref {
						want = "built from source"
					}
				}
				got := h.obs.Images[ref]
				if h.builds[got] {
					got = "built from source"
				}
				if got != want {
					t.Errorf("%s is %s, want %s", ref, got, want)
				}
			}
		})
	}
}

func TestUpBuilds(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("db"), service("web", built(), dependsOn(started("db"))))
	own := stackOf(service("web", built(), image("shop/web")))
	for name, c := range map[string]upCase{
		"before what needs the image": {
			req: call.UpRequest{Stack: stack},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 build image demo-web (not there)
#4 create container demo-db-1 (not there) after #2
#5 create container demo-web-1 (not there) after #3
#6 start container demo-db-1 (created) after #1 #4
#7 start container demo-web-1 (created) after #1 #5 #6
`,
		},
		"after what may save it": {
			req: call.UpRequest{Stack: own, NoStart: true},
			want: `#1 create network demo_default (not there)
#2 pull image shop/web (not there, optional)
#3 build image shop/web (if it cannot be pulled) after #2?
#4 create container demo-web-1 (not there) after #3
`,
		},
		"on others": {
			req: call.UpRequest{Stack: withBases(stackOf(service("web", built("base"))), service("base", built())), NoStart: true},
			want: `#1 create network demo_default (not there)
#2 build image demo-base (context of web)
#3 build image demo-web (not there) after #2
#4 create container demo-web-1 (not there) after #3
`,
		},
		"what is there is left alone": {
			was: stack, req: call.UpRequest{Stack: stack},
		},
		"what is there, when asked: whether it changes is seen then": {
			was: stack, req: call.UpRequest{Stack: stack, Build: true},
			want: `#1 build image demo-web (--build)
`,
		},
		"another image recreates the container": {
			was: stack, since: []func(*host){func(h *host) { h.obs.Images["demo-web"] = "sha256:other" }},
			req: call.UpRequest{Stack: stack, Build: true, NoBuild: true},
			want: `#1 create container demo-web-1 (image changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"another build does not": {
			was: stack, req: call.UpRequest{Stack: stackOf(service("db"), service("web", built(), from("/other"), dependsOn(started("db"))))},
		},
		"for every service that has the image": {
			req: call.UpRequest{Stack: stackOf(service("cron", image("shop/web")), service("web", built(), image("shop/web"))), Build: true, NoStart: true},
			want: `#1 create network demo_default (not there)
#2 build image shop/web (--build)
#3 create container demo-cron-1 (not there) after #2
#4 create container demo-web-1 (not there) after #2
`,
		},
		"--no-build: what has a name is pulled": {
			req: call.UpRequest{Stack: own, NoBuild: true, NoStart: true},
			want: `#1 create network demo_default (not there)
#2 pull image shop/web (not there)
#3 create container demo-web-1 (not there) after #2
`,
		},
		"--no-build: what has none cannot be had": {
			req: call.UpRequest{Stack: stack, NoBuild: true},
			want: `error: image demo-web of service "web" is not there, and nothing shall be built
hint: ` + "`tiffin build web`" + ` builds it
`,
		},
		"--no-build: no matter when nothing of it runs": {
			req: call.UpRequest{Stack: stackOf(service("web", built(), scale(0))), NoBuild: true},
			want: `#1 create network demo_default (not there)
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestRunBuilds(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("db", built()), service("web", built(), scale(0), dependsOn(started("db"))))
	p, err := Run(&call.UpRequest{Stack: stack}, "web", newHost().obs)
	compare(t, `#1 create network demo_default (not there)
#2 build image demo-db (not there)
#3 build image demo-web (not there)
#4 create container demo-db-1 (not there) after #2
#5 start container demo-db-1 (created) after #1 #4
`, p, err)
	h := newHost()
	h.obs.Images["demo-db"] = "sha256:db"
	p, err = Run(&call.UpRequest{Stack: stack, NoBuild: true}, "web", h.obs)
	compare(t, `error: image demo-web of service "web" is not there, and nothing shall be built
hint: `+"`tiffin build web`"+` builds it
`, p, err)
}

// TestPullOfWhatCanBeBuilt: a registry that does not have it is no reason to stop.
func TestPullOfWhatCanBeBuilt(t *testing.T) {
	t.Parallel()
	stack := stackOf(
		service("api", built(), image("shop/api"), pull(engine.PullAlways)), service("cron", image("shop/api"), pull(engine.PullAlways)),
		service("db", pull(engine.PullAlways)), service("web", built(), pull(engine.PullAlways)),
	)
	never := func(*engine.Service) bool { return false }
	for name, c := range map[string]struct {
		buildCase
		up string
	}{
		"not there": {
			buildCase{req: call.UpRequest{Stack: stack}, want: `#1 pull image shop/api (policy always, optional)
#2 pull image img (policy always)
`},
			`#1 create network demo_default (not there)
#2 build image shop/api (if it cannot be pulled)
#3 build image demo-web (not there)
#4 create container demo-api-1 (not there) after #2
#5 create container demo-cron-1 (not there) after #2
#6 create container demo-db-1 (not there)
#7 create container demo-web-1 (not there) after #3
`,
		},
		"built by now": {
			buildCase{there: []string{"shop/api", "demo-web"}, req: call.UpRequest{Stack: stack, NoBuild: true}, want: `#1 pull image shop/api (policy always, optional)
#2 pull image img (policy always)
`},
			`#1 create network demo_default (not there)
#2 create container demo-api-1 (not there)
#3 create container demo-cron-1 (not there)
#4 create container demo-db-1 (not there)
#5 create container demo-web-1 (not there)
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost()
			for _, ref := range c.there {
				h.obs.Images[ref] = "sha256:" + ref
			}
			c.req.NoStart = true
			p, err := Pull(&c.req, h.obs, never)
			compare(t, c.want, p, err)
			p, err = Up(&c.req, h.obs)
			compare(t, c.up, p, err)
		})
	}
}
