package plan

import (
	"testing"
	"time"

	"tiffin/engine"
	"tiffin/engine/call"
)

// upCase is a Stack that is brought up where another one was.
type upCase struct {
	was   engine.Stack
	since []func(*host)
	req   call.UpRequest
	want  string
}

func (c *upCase) run(t *testing.T) {
	t.Helper()
	h := brought(t, &c.was, c.since...)
	p, err := Up(&c.req, h.obs)
	compare(t, c.want, p, err)
}

func TestUpStarts(t *testing.T) {
	t.Parallel()
	chain := stackOf(service("api", dependsOn(healthy("db"))), service("db"), service("web", dependsOn(healthy("api"))))
	half := stackOf(service("api", dependsOn(started("db"))), service("db"), service("web", dependsOn(started("api"))))
	for name, c := range map[string]upCase{
		"from nothing, a chain waits for health": {
			req: call.UpRequest{Stack: chain},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 create container demo-api-1 (not there) after #2
#5 create container demo-web-1 (not there) after #2
#6 start container demo-db-1 (created) after #1 #3
#7 await demo-db-1 healthy (for api) after #6
#8 start container demo-api-1 (created) after #1 #4 #7
#9 await demo-api-1 healthy (for web) after #8
#10 start container demo-web-1 (created) after #1 #5 #9
`,
		},
		"what runs is left alone": {
			was: chain, req: call.UpRequest{Stack: chain},
			want: ``,
		},
		"what exited is started again, and waited for by those behind what runs": {
			was: chain, since: []func(*host){becomes("demo-db-1", engine.StatusExited), becomes("demo-web-1", engine.StatusExited)},
			req: call.UpRequest{Stack: chain},
			want: `#1 start container demo-db-1 (exited)
#2 await demo-db-1 healthy (for api) after #1
#3 start container demo-web-1 (exited) after #2
`,
		},
		"a dependency that runs but is not healthy is waited for": {
			was: chain, since: []func(*host){unhealthy("demo-db-1"), becomes("demo-api-1", engine.StatusExited)},
			req: call.UpRequest{Stack: chain},
			want: `#1 await demo-db-1 healthy (for api)
#2 start container demo-api-1 (exited) after #1
`,
		},
		"who waits for something that runs waits for what that waits for": {
			was: half, since: []func(*host){becomes("demo-db-1", engine.StatusExited), becomes("demo-web-1", engine.StatusExited)},
			req: call.UpRequest{Stack: half},
			want: `#1 start container demo-db-1 (exited)
#2 start container demo-web-1 (exited) after #1
`,
		},
		"what is paused goes on, what waits for a restart starts now": {
			was: chain, since: []func(*host){becomes("demo-db-1", engine.StatusPaused), becomes("demo-api-1", engine.StatusRestarting)},
			req: call.UpRequest{Stack: chain},
			want: `#1 unpause container demo-db-1 (paused)
#2 await demo-db-1 healthy (for api) after #1
#3 start container demo-api-1 (restarting) after #2
`,
		},
		"several wait for one health check; each replica is waited for": {
			req: call.UpRequest{Stack: stackOf(
				service("api", dependsOn(healthy("db"))), service("db", scale(2)), service("web", dependsOn(healthy("db"))))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 create container demo-db-2 (not there) after #2
#5 create container demo-api-1 (not there) after #2
#6 create container demo-web-1 (not there) after #2
#7 start container demo-db-1 (created) after #1 #3
#8 start container demo-db-2 (created) after #1 #4
#9 await demo-db-1 healthy (for api, web) after #7
#10 await demo-db-2 healthy (for api, web) after #8
#11 start container demo-api-1 (created) after #1 #5 #9 #10
#12 start container demo-web-1 (created) after #1 #6 #9 #10
`,
		},
		"a one-shot is waited for": {
			req: call.UpRequest{Stack: stackOf(service("migrate"), service("web", dependsOn(completed("migrate"))))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-migrate-1 (not there) after #2
#4 create container demo-web-1 (not there) after #2
#5 start container demo-migrate-1 (created) after #1 #3
#6 await demo-migrate-1 completed (for web) after #5
#7 start container demo-web-1 (created) after #1 #4 #6
`,
		},
		"a one-shot that exited is started again, as docker compose does": {
			was:   stackOf(service("migrate"), service("web", dependsOn(completed("migrate")))),
			since: []func(*host){becomes("demo-migrate-1", engine.StatusExited)},
			req:   call.UpRequest{Stack: stackOf(service("migrate"), service("web", dependsOn(completed("migrate"))))},
			want: `#1 start container demo-migrate-1 (exited)
`,
		},
		"a dependency that is not required may fail": {
			req: call.UpRequest{Stack: stackOf(service("cache"), service("web", dependsOn(optional(healthy("cache")))))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-cache-1 (not there) after #2
#4 create container demo-web-1 (not there) after #2
#5 start container demo-cache-1 (created) after #1 #3
#6 await demo-cache-1 healthy (for web, optional) after #5
#7 start container demo-web-1 (created) after #1 #4 #6?
`,
		},
		"unless somebody else requires it": {
			req: call.UpRequest{Stack: stackOf(
				service("api", dependsOn(healthy("cache"))), service("cache"), service("web", dependsOn(optional(healthy("cache")))))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-cache-1 (not there) after #2
#4 create container demo-api-1 (not there) after #2
#5 create container demo-web-1 (not there) after #2
#6 start container demo-cache-1 (created) after #1 #3
#7 await demo-cache-1 healthy (for api, web) after #6
#8 start container demo-api-1 (created) after #1 #4 #7
#9 start container demo-web-1 (created) after #1 #5 #7?
`,
		},
		"a dependency that is not required may be disabled": {
			req: call.UpRequest{Stack: stackOf(service("web", dependsOn(optional(healthy("cache")))))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-web-1 (not there) after #2
#4 start container demo-web-1 (created) after #1 #3
`,
		},
		"a dependency that is required may not": {
			req: call.UpRequest{Stack: stackOf(service("web", dependsOn(healthy("cache"))))},
			want: `error: service "web" depends on "cache", which is not enabled
`,
		},
		"a dependency without replicas is nothing to wait for": {
			req: call.UpRequest{Stack: stackOf(service("db", scale(0)), service("web", dependsOn(healthy("db"))))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-web-1 (not there) after #2
#4 start container demo-web-1 (created) after #1 #3
`,
		},
		"services that depend on each other": {
			req: call.UpRequest{Stack: stackOf(service("a", dependsOn(started("b"))), service("b", dependsOn(started("c"))), service("c", dependsOn(started("b"))))},
			want: `error: services depend on each other: b → c → b
`,
		},
		"a target brings its dependencies along, nothing else": {
			req: call.UpRequest{Stack: chain, Services: []string{"api", "api"}},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 create container demo-api-1 (not there) after #2
#5 start container demo-db-1 (created) after #1 #3
#6 await demo-db-1 healthy (for api) after #5
#7 start container demo-api-1 (created) after #1 #4 #6
`,
		},
		"a target that is no service": {
			req: call.UpRequest{Stack: chain, Services: []string{"wbe"}},
			want: `error: no such service: wbe
`,
		},
		"without dependencies nothing else is made or waited for": {
			req: call.UpRequest{Stack: chain, Services: []string{"web"}, NoDeps: true},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-web-1 (not there) after #2
#4 start container demo-web-1 (created) after #1 #3
`,
		},
		"without dependencies a shared namespace still is": {
			req: call.UpRequest{Stack: stackOf(service("proxy"), service("web", joins("proxy"), dependsOn(healthy("proxy")))), NoDeps: true},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-proxy-1 (not there) after #2
#4 create container demo-web-1 (not there) after #2 #3
#5 start container demo-proxy-1 (created) after #1 #3
#6 start container demo-web-1 (created) after #4 #5
`,
		},
		"created, not started": {
			req: call.UpRequest{Stack: chain, NoStart: true},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 create container demo-api-1 (not there) after #2
#5 create container demo-web-1 (not there) after #2
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestUpScales(t *testing.T) {
	t.Parallel()
	three := stackOf(service("web", scale(3)))
	for name, c := range map[string]upCase{
		"up: numbers go on after the highest": {
			was: three, since: []func(*host){vanishes("demo-web-2")},
			req: call.UpRequest{Stack: three},
			want: `#1 create container demo-web-4 (not there)
#2 start container demo-web-4 (created) after #1
`,
		},
		"down: the highest numbers go": {
			was: three, req: call.UpRequest{Stack: stackOf(service("web"))},
			want: `#1 stop container demo-web-3 (scaled to 1)
#2 remove container demo-web-3 (scaled to 1) after #1
#3 stop container demo-web-2 (scaled to 1)
#4 remove container demo-web-2 (scaled to 1) after #3
`,
		},
		"down: what diverged goes first": {
			was: three, since: []func(*host){func(h *host) { h.byName("demo-web-1").Spec.Labels[engine.LabelHash] = "h0" }},
			req: call.UpRequest{Stack: stackOf(service("web", scale(2))), Timeout: new(engine.Duration)},
			want: `#1 stop container demo-web-1 (scaled to 2)
#2 remove container demo-web-1 (scaled to 2) after #1
`,
		},
		"to nothing": {
			was: three, since: []func(*host){becomes("demo-web-2", engine.StatusExited)},
			req: call.UpRequest{Stack: stackOf(service("web", scale(0)))},
			want: `#1 stop container demo-web-3 (scaled to 0)
#2 remove container demo-web-3 (scaled to 0) after #1
#3 remove container demo-web-2 (scaled to 0)
#4 stop container demo-web-1 (scaled to 0)
#5 remove container demo-web-1 (scaled to 0) after #4
`,
		},
		"a container of one name cannot be two": {
			req: call.UpRequest{Stack: stackOf(service("web", scale(2), named("web")))},
			want: `error: service "web" cannot have 2 replicas: its container_name "web" is for one
hint: remove container_name, or scale the service to 1
`,
		},
		"a container of one name": {
			req: call.UpRequest{Stack: stackOf(service("web", named("web")))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container web (not there) after #2
#4 start container web (created) after #1 #3
`,
		},
		"a name is taken over from a container that goes": {
			was: stackOf(service("web", named("shop"))),
			req: call.UpRequest{Stack: stackOf(service("site", named("shop"))), RemoveOrphans: true},
			want: `#1 stop container shop (orphan)
#2 remove container shop (orphan) after #1
#3 create container shop (not there) after #2
#4 start container shop (created) after #3
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestUpAndOrphans(t *testing.T) {
	t.Parallel()
	was, is := stackOf(service("cron"), service("old"), service("web")), stackOf(service("web"))
	is.Disabled = []string{"cron"}
	left := []func(*host){
		runsOneOff("demo-web-run-1", "web", engine.StatusExited), runsOneOff("demo-web-run-2", "web", engine.StatusRunning),
		becomes("demo-cron-1", engine.StatusExited),
	}
	for name, c := range map[string]upCase{
		"they are told, and disabled services and running one-offs are none": {
			was: was, since: left, req: call.UpRequest{Stack: is},
			want: `warning: Found orphan containers ([demo-old-1 demo-web-run-1]) for this project. If you removed or renamed this service in your compose file, you can run this command with the --remove-orphans flag to clean it up.
`,
		},
		"they are removed": {
			was: was, since: left, req: call.UpRequest{Stack: is, RemoveOrphans: true},
			want: `#1 stop container demo-old-1 (orphan)
#2 remove container demo-old-1 (orphan) after #1
#3 remove container demo-web-run-1 (orphan)
`,
		},
		"they are ignored": {
			was: was, since: left, req: call.UpRequest{Stack: is, IgnoreOrphans: true},
			want: ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	stack := stackOf(
		service("api", dependsOn(started("db")), with("data")), service("cache"), service("db"),
		service("job", dependsOn(healthy("api"), optional(completed("cache"))), image("other")),
	)
	for name, c := range map[string]struct {
		req  call.UpRequest
		want string
	}{
		"what the service depends on is brought up and waited for": {
			req: call.UpRequest{Stack: stack},
			want: `#1 create network demo_default (not there)
#2 create volume demo_data (not there)
#3 pull image img (not there)
#4 pull image other (not there)
#5 create container demo-db-1 (not there) after #3
#6 create container demo-api-1 (not there) after #2 #3
#7 create container demo-cache-1 (not there) after #3
#8 start container demo-db-1 (created) after #1 #5
#9 start container demo-api-1 (created) after #1 #6 #8
#10 start container demo-cache-1 (created) after #1 #7
#11 await demo-api-1 healthy (for job) after #9
#12 await demo-cache-1 completed (for job, optional) after #10
`,
		},
		"or not": {
			req: call.UpRequest{Stack: stack, NoDeps: true},
			want: `#1 create network demo_default (not there)
#2 pull image other (not there)
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Run(&c.req, "job", newHost().obs)
			compare(t, c.want, p, err)
		})
	}
}

func TestRunLeavesReplicasAlone(t *testing.T) {
	t.Parallel()
	was := stackOf(service("web", scale(2)))
	h := brought(t, &was, becomes("demo-web-1", engine.StatusExited))
	req := call.UpRequest{Stack: stackOf(service("web", scale(1), hash("h2"))), ForceRecreate: true}
	p, err := Run(&req, "web", h.obs)
	compare(t, ``, p, err)
}

func TestWait(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("db"), service("migrate"), service("web", dependsOn(completed("migrate"), started("db")), scale(2)))
	h := brought(t, &stack)
	p, err := Wait(&stack, nil, h.obs)
	compare(t, `#1 await demo-db-1 running or healthy (--wait)
#2 await demo-migrate-1 completed (--wait)
#3 await demo-web-1 running or healthy (--wait)
#4 await demo-web-2 running or healthy (--wait)
`, p, err)
	p, err = Wait(&stack, []string{"db"}, h.obs)
	compare(t, `#1 await demo-db-1 running or healthy (--wait)
`, p, err)
	p, err = Wait(&stack, []string{"dbb"}, h.obs)
	compare(t, `error: no such service: dbb
`, p, err)
}

func TestStopsTakeTheTimeOfTheRequest(t *testing.T) {
	t.Parallel()
	was := stackOf(service("web"))
	h := brought(t, &was)
	limit := engine.Duration(3 * time.Second)
	p, err := Up(&call.UpRequest{Stack: stackOf(service("web", scale(0))), Timeout: &limit}, h.obs)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Steps[0]; s.Kind != StopContainer || s.Timeout == nil || *s.Timeout != limit {
		t.Errorf("%+v", s)
	}
}
