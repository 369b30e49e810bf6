package plan

import (
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

func env(values ...string) func(*engine.Service) {
	return func(s *engine.Service) { s.Container.Env = values }
}

func changed(changes ...func(*engine.Service)) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Hash = "h2"
		for _, change := range changes {
			change(s)
		}
	}
}

func newerImage(h *host) { h.obs.Images["img"] = "sha256:newer" }

func TestUpRecreates(t *testing.T) {
	t.Parallel()
	two := stackOf(service("db"), service("web", dependsOn(started("db"))))
	one := stackOf(service("web"))
	for name, c := range map[string]upCase{
		"what changed, saying which sections did": {
			was: one,
			req: call.UpRequest{Stack: stackOf(service("web", changed(env("A=1"), func(s *engine.Service) {
				s.Container.Cmd = []string{"serve"}
				s.Container.Ports = []engine.PortBinding{{ContainerPort: 80, Protocol: "tcp"}}
				s.Container.CapAdd = []string{"NET_ADMIN"}
				s.PreStop = []engine.Hook{{Command: []string{"drain"}}}
			})))},
			want: `#1 create container demo-web-1 (configuration changed: cap_add, command, environment, ports, pre_stop)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"what changed is told in general when it is not known": {
			was: one, since: []func(*host){func(h *host) { h.obs.Previous = nil }},
			req: call.UpRequest{Stack: stackOf(service("web", changed()))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"what does not run goes without a stop": {
			was: one, since: []func(*host){becomes("demo-web-1", engine.StatusExited)},
			req: call.UpRequest{Stack: stackOf(service("web", changed()))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 remove container demo-web-1 (replaced) after #1
#3 rename container demo-web-1 (replaced) after #2
#4 start container demo-web-1 (created) after #3
`,
		},
		"what waits for a restart is stopped": {
			was: one, since: []func(*host){becomes("demo-web-1", engine.StatusRestarting)},
			req: call.UpRequest{Stack: stackOf(service("web", changed()))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"what another image is there for": {
			was: one, since: []func(*host){newerImage}, req: call.UpRequest{Stack: one},
			want: `#1 create container demo-web-1 (image changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"nothing, when told so": {
			was: one, since: []func(*host){newerImage}, req: call.UpRequest{Stack: stackOf(service("web", changed())), NoRecreate: true},
			want: ``,
		},
		"all targets, when forced; dependencies only if they changed": {
			was: two, req: call.UpRequest{Stack: two, Services: []string{"web"}, ForceRecreate: true},
			want: `#1 create container demo-web-1 (forced)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"dependencies, when told so": {
			was: two, req: call.UpRequest{Stack: two, Services: []string{"web"}, AlwaysRecreateDeps: true},
			want: `#1 create container demo-db-1 (dependencies are recreated too)
#2 stop container demo-db-1 (replaced) after #1
#3 remove container demo-db-1 (replaced) after #1 #2
#4 rename container demo-db-1 (replaced) after #3
#5 start container demo-db-1 (created) after #4
`,
		},
		"without start": {
			was: one, req: call.UpRequest{Stack: one, ForceRecreate: true, NoStart: true},
			want: `#1 create container demo-web-1 (forced)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
`,
		},
		"what is not on a network that it should be on": {
			was: one,
			since: []func(*host){func(h *host) {
				n := h.obs.Networks["demo_default"]
				n.ID = "another"
				h.obs.Networks["demo_default"] = n
			}},
			req: call.UpRequest{Stack: one},
			want: `#1 create container demo-web-1 (not on network default)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"what does not run, too, since its network was removed": {
			was: one,
			since: []func(*host){becomes("demo-web-1", engine.StatusExited), func(h *host) {
				n := h.obs.Networks["demo_default"]
				n.ID = "another"
				h.obs.Networks["demo_default"] = n
			}},
			req: call.UpRequest{Stack: one},
			want: `#1 create container demo-web-1 (not on network default)
#2 remove container demo-web-1 (replaced) after #1
#3 rename container demo-web-1 (replaced) after #2
#4 start container demo-web-1 (created) after #3
`,
		},
		"not what has never been on its network": {
			was: one,
			since: []func(*host){becomes("demo-web-1", engine.StatusCreated), func(h *host) {
				c := h.byName("demo-web-1")
				e := c.Endpoints["demo_default"]
				e.NetworkID = ""
				c.Endpoints["demo_default"] = e
			}},
			req: call.UpRequest{Stack: one},
			want: `#1 start container demo-web-1 (created)
`,
		},
		"what has a volume by another name": {
			was: stackOf(service("web", with("data"))),
			req: func() call.UpRequest {
				s := stackOf(service("web", with("data")))
				s.Volumes[0].Name = "shared"
				return call.UpRequest{Stack: s}
			}(),
			want: `#1 create volume shared (not there)
#2 create container demo-web-1 (without volume data) after #1
#3 stop container demo-web-1 (replaced) after #2
#4 remove container demo-web-1 (replaced) after #2 #3
#5 rename container demo-web-1 (replaced) after #4
#6 start container demo-web-1 (created) after #5
`,
		},
		"one of two replicas": {
			was:   stackOf(service("web", scale(2))),
			since: []func(*host){func(h *host) { h.byName("demo-web-2").Spec.Labels[engine.LabelHash] = "h0" }},
			req:   call.UpRequest{Stack: stackOf(service("web", scale(2)))},
			want: `#1 create container demo-web-2 (configuration changed)
#2 stop container demo-web-2 (replaced) after #1
#3 remove container demo-web-2 (replaced) after #1 #2
#4 rename container demo-web-2 (replaced) after #3
#5 start container demo-web-2 (created) after #4
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestRenewedAnonymousVolumes(t *testing.T) {
	t.Parallel()
	one := stackOf(service("web"))
	h := brought(t, &one)
	p, err := Up(&call.UpRequest{Stack: one, RenewAnonVolumes: true}, h.obs)
	compare(t, `#1 create container demo-web-1 (forced)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`, p, err)
	if create, remove := p.Steps[0], p.Steps[2]; !create.RenewVolumes || create.Replaces == "" || !remove.Volumes {
		t.Errorf("%+v\n%+v", create, remove)
	}
	p, err = Up(&call.UpRequest{Stack: one, ForceRecreate: true}, h.obs)
	if err != nil {
		t.Fatal(err)
	}
	if create, remove := p.Steps[0], p.Steps[2]; create.RenewVolumes || create.Replaces == "" || remove.Volumes {
		t.Errorf("%+v\n%+v", create, remove)
	}
}

func TestUpFinishesAnInterruptedRecreation(t *testing.T) {
	t.Parallel()
	one := stackOf(service("web"))
	next := stackOf(service("web", changed()))
	interrupted := func(steps int) *host {
		h := brought(t, &one)
		p, err := Up(&call.UpRequest{Stack: next}, h.obs)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.carryOut(p, &next, inSequence, steps); err != nil {
			t.Fatal(err)
		}
		return h
	}
	for name, c := range map[string]struct {
		after int // steps
		stack engine.Stack
		want  string
	}{
		"after the new one was made": {1, next, `#1 stop container demo-web-1 (left by an interrupted recreation)
#2 remove container demo-web-1 (left by an interrupted recreation) after #1
#3 rename container demo-web-1 (left by an interrupted recreation) after #2
#4 start container demo-web-1 (created) after #3
`},
		"after the old one was stopped": {2, next, `#1 remove container demo-web-1 (left by an interrupted recreation)
#2 rename container demo-web-1 (left by an interrupted recreation) after #1
#3 start container demo-web-1 (created) after #2
`},
		"after the old one was removed": {3, next, `#1 rename container demo-web-1 (left by an interrupted recreation)
#2 start container demo-web-1 (created) after #1
`},
		"or takes it back": {2, one, `#1 remove container c00000000003_demo-web-1 (left by an interrupted recreation)
#2 start container demo-web-1 (exited)
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Up(&call.UpRequest{Stack: c.stack}, interrupted(c.after).obs)
			compare(t, c.want, p, err)
		})
	}
}

func TestUpCascades(t *testing.T) {
	t.Parallel()
	chain := func(changes ...func(*engine.Service)) engine.Stack {
		return stackOf(
			service("api", dependsOn(restarting(healthy("db")))), service("db", changes...),
			service("other", dependsOn(started("db"))), service("web", dependsOn(restarting(started("api")))),
		)
	}
	joined := func(changes ...func(*engine.Service)) engine.Stack {
		return stackOf(service("proxy", changes...), service("web", joins("proxy")))
	}
	inside := func(changes ...func(*engine.Service)) engine.Stack {
		return stackOf(service("proxy", changes...), service("web", func(s *engine.Service) {
			s.Container.PidMode = "service:proxy"
			dependsOn(restarting(started("proxy")))(s)
		}))
	}
	for name, c := range map[string]upCase{
		"dependents with restart: true stop first, and start after": {
			was: chain(), req: call.UpRequest{Stack: chain(changed())},
			want: `#1 create container demo-db-1 (configuration changed)
#2 stop container demo-web-1 (depends on api, which is restarted) after #1
#3 stop container demo-api-1 (depends on db, which is recreated) after #1 #2
#4 stop container demo-db-1 (replaced) after #1 #3
#5 remove container demo-db-1 (replaced) after #1 #4
#6 rename container demo-db-1 (replaced) after #5
#7 start container demo-db-1 (created) after #6
#8 await demo-db-1 healthy (for api) after #7
#9 start container demo-api-1 (depends on db, which is recreated) after #3 #8
#10 start container demo-web-1 (depends on api, which is restarted) after #2 #9
`,
		},
		"those that do not run are started anyway": {
			was: chain(), since: []func(*host){becomes("demo-web-1", engine.StatusExited)}, req: call.UpRequest{Stack: chain(changed())},
			want: `#1 create container demo-db-1 (configuration changed)
#2 stop container demo-api-1 (depends on db, which is recreated) after #1
#3 stop container demo-db-1 (replaced) after #1 #2
#4 remove container demo-db-1 (replaced) after #1 #3
#5 rename container demo-db-1 (replaced) after #4
#6 start container demo-db-1 (created) after #5
#7 await demo-db-1 healthy (for api) after #6
#8 start container demo-api-1 (depends on db, which is recreated) after #2 #7
#9 start container demo-web-1 (exited) after #8
`,
		},
		"those that are not selected are left alone": {
			was: chain(), req: call.UpRequest{Stack: chain(changed()), Services: []string{"db"}},
			want: `#1 create container demo-db-1 (configuration changed)
#2 stop container demo-db-1 (replaced) after #1
#3 remove container demo-db-1 (replaced) after #1 #2
#4 rename container demo-db-1 (replaced) after #3
#5 start container demo-db-1 (created) after #4
`,
		},
		"and so are those of targets alone": {
			was: chain(), req: call.UpRequest{Stack: chain(changed()), NoDeps: true},
			want: `#1 create container demo-db-1 (configuration changed)
#2 stop container demo-db-1 (replaced) after #1
#3 remove container demo-db-1 (replaced) after #1 #2
#4 rename container demo-db-1 (replaced) after #3
#5 start container demo-db-1 (created) after #4
`,
		},
		"a dependency that is made anew disturbs nobody": {
			was: chain(), since: []func(*host){vanishes("demo-db-1")}, req: call.UpRequest{Stack: chain()},
			want: `#1 create container demo-db-1 (not there)
#2 start container demo-db-1 (created) after #1
`,
		},
		"who is in the network of what is recreated goes on": {
			was: joined(), req: call.UpRequest{Stack: joined(changed())},
			want: `#1 create container demo-proxy-1 (configuration changed)
#2 stop container demo-proxy-1 (replaced) after #1
#3 remove container demo-proxy-1 (replaced) after #1 #2
#4 rename container demo-proxy-1 (replaced) after #3
#5 start container demo-proxy-1 (created) after #4
`,
		},
		"who shares processes is recreated": {
			was: inside(), req: call.UpRequest{Stack: inside(changed())},
			want: `#1 create container demo-proxy-1 (configuration changed)
#2 create container demo-web-1 (joined to proxy, which is recreated) after #1
#3 stop container demo-web-1 (replaced) after #1 #2
#4 stop container demo-proxy-1 (replaced) after #1 #3
#5 remove container demo-proxy-1 (replaced) after #1 #4
#6 rename container demo-proxy-1 (replaced) after #5
#7 remove container demo-web-1 (replaced) after #2 #3
#8 rename container demo-web-1 (replaced) after #7
#9 start container demo-proxy-1 (created) after #6
#10 start container demo-web-1 (created) after #8 #9
`,
		},
		"even when nothing else may be": {
			was: joined(), since: []func(*host){vanishes("demo-proxy-1")}, req: call.UpRequest{Stack: joined(), NoRecreate: true},
			want: `#1 create container demo-proxy-1 (not there)
#2 create container demo-web-1 (joined to proxy, which is created) after #1
#3 stop container demo-web-1 (replaced) after #2
#4 remove container demo-web-1 (replaced) after #2 #3
#5 rename container demo-web-1 (replaced) after #4
#6 start container demo-proxy-1 (created) after #1
#7 start container demo-web-1 (created) after #5 #6
`,
		},
		"who shares with a replica that goes is recreated": {
			was:   joined(scale(2)),
			since: []func(*host){func(h *host) { h.byName("demo-proxy-1").Spec.Labels[engine.LabelHash] = "h0" }},
			req:   call.UpRequest{Stack: joined()},
			want: `#1 stop container demo-proxy-1 (scaled to 1)
#2 remove container demo-proxy-1 (scaled to 1) after #1
#3 create container demo-web-1 (joined to a former container of proxy) after #2
#4 stop container demo-web-1 (replaced) after #3
#5 remove container demo-web-1 (replaced) after #3 #4
#6 rename container demo-web-1 (replaced) after #5
#7 start container demo-web-1 (created) after #6
`,
		},
		"who is in the network of what an earlier command recreated needs nothing": {
			was: joined(),
			since: []func(*host){func(h *host) {
				s := joined(changed())
				p, err := Up(&call.UpRequest{Stack: s, Services: []string{"proxy"}}, h.obs)
				if err != nil {
					panic(err)
				}
				if err := h.apply(p, &s, inSequence); err != nil {
					panic(err)
				}
			}},
			req:  call.UpRequest{Stack: joined(changed())},
			want: ``,
		},
		"who shares volumes is recreated, but needs no restart": {
			was: stackOf(service("store", with("data")), service("web", volumesFrom("store"))),
			req: call.UpRequest{Stack: stackOf(service("store", with("data"), changed()), service("web", volumesFrom("store")))},
			want: `#1 create container demo-store-1 (configuration changed)
#2 stop container demo-store-1 (replaced) after #1
#3 remove container demo-store-1 (replaced) after #1 #2
#4 rename container demo-store-1 (replaced) after #3
#5 create container demo-web-1 (joined to store, which is recreated) after #1
#6 stop container demo-web-1 (replaced) after #5
#7 remove container demo-web-1 (replaced) after #5 #6
#8 rename container demo-web-1 (replaced) after #7
#9 start container demo-store-1 (created) after #4
#10 start container demo-web-1 (created) after #8 #9
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}
