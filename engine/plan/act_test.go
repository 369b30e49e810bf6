package plan

import (
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

func TestAct(t *testing.T) {
	t.Parallel()
	shop := stackOf(
		service("api", dependsOn(restarting(healthy("db")))), service("db"), service("job", scale(0)),
		service("web", dependsOn(restarting(started("api"))), scale(2)),
	)
	optionalCache := stackOf(service("web", dependsOn(optional(healthy("cache")))), service("worker", dependsOn(optional(healthy("web")))))
	stopped := func(h *host) {
		for i := range h.obs.Containers {
			h.obs.Containers[i].State.Status = engine.StatusExited
		}
	}
	noStack := func(h *host) { h.obs.Previous = nil }
	for name, c := range map[string]struct {
		was   engine.Stack
		since []func(*host)
		req   call.ActRequest
		want  string
	}{
		"stop now: all at once": {
			since: []func(*host){becomes("demo-api-1", engine.StatusExited)}, req: call.ActRequest{Action: call.ActStop, Now: true},
			want: `#1 stop container demo-db-1 (now)
#2 stop container demo-web-1 (now)
#3 stop container demo-web-2 (now)
`,
		},
		"start: all of it, in order": {
			since: []func(*host){stopped}, req: call.ActRequest{Action: call.ActStart},
			want: `#1 start container demo-db-1
#2 await demo-db-1 healthy (for api) after #1
#3 start container demo-api-1 after #2
#4 start container demo-web-1 after #3
#5 start container demo-web-2 after #3
`,
		},
		"start: in order by labels": {
			since: []func(*host){stopped, noStack}, req: call.ActRequest{Action: call.ActStart},
			want: `#1 start container demo-db-1
#2 await demo-db-1 healthy (for api) after #1
#3 start container demo-api-1 after #2
#4 start container demo-web-1 after #3
#5 start container demo-web-2 after #3
`,
		},
		"start: a target and its dependencies": {
			since: []func(*host){stopped}, req: call.ActRequest{Action: call.ActStart, Services: []string{"api"}},
			want: `#1 start container demo-db-1
#2 await demo-db-1 healthy (for api) after #1
#3 start container demo-api-1 after #2
`,
		},
		"start: what runs is left alone, but waited for": {
			since: []func(*host){stopped, becomes("demo-db-1", engine.StatusRunning), unhealthy("demo-db-1")},
			req:   call.ActRequest{Action: call.ActStart, Services: []string{"api"}},
			want: `#1 await demo-db-1 healthy (for api)
#2 start container demo-api-1 after #1
`,
		},
		"start: without dependencies": {
			since: []func(*host){stopped}, req: call.ActRequest{Action: call.ActStart, Services: []string{"web"}, NoDeps: true},
			want: `#1 start container demo-web-1
#2 start container demo-web-2
`,
		},
		"start: one replica": {
			since: []func(*host){stopped}, req: call.ActRequest{Action: call.ActStart, Services: []string{"web"}, Index: 2},
			want: `#1 start container demo-db-1
#2 await demo-db-1 healthy (for api) after #1
#3 start container demo-api-1 after #2
#4 start container demo-web-2 after #3
`,
		},
		"start: never creates": {
			since: []func(*host){stopped, vanishes("demo-db-1")}, req: call.ActRequest{Action: call.ActStart},
			want: `error: service "db" has no container to start
hint: ` + "`tiffin up`" + ` creates it
`,
		},
		"start: what is optional and not there is left out": {
			was: optionalCache, since: []func(*host){stopped}, req: call.ActRequest{Action: call.ActStart},
			want: `#1 start container demo-web-1
#2 await demo-web-1 healthy (for worker, optional) after #1
#3 start container demo-worker-1 after #2?
`,
		},
		"stop: dependents first": {
			req: call.ActRequest{Action: call.ActStop},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
`,
		},
		"stop: targets only": {
			since: []func(*host){becomes("demo-web-2", engine.StatusExited)}, req: call.ActRequest{Action: call.ActStop, Services: []string{"db", "web"}},
			want: `#1 stop container demo-web-1
#2 stop container demo-db-1 after #1
`,
		},
		"stop: no such service": {
			req: call.ActRequest{Action: call.ActStop, Services: []string{"dbb"}},
			want: `error: no such service: dbb
`,
		},
		"stop: an orphan by name": {
			since: []func(*host){func(h *host) { h.obs.Previous = new(stackOf(service("other"))) }},
			req:   call.ActRequest{Action: call.ActStop, Services: []string{"db"}},
			want: `#1 stop container demo-db-1
`,
		},
		"restart: a target, and its dependents with restart: true": {
			req: call.ActRequest{Action: call.ActRestart, Services: []string{"db"}},
			want: `#1 stop container demo-web-1 (depends on api, which is restarted)
#2 stop container demo-web-2 (depends on api, which is restarted)
#3 stop container demo-api-1 (depends on db, which is restarted) after #1 #2
#4 stop container demo-db-1 (restart) after #3
#5 start container demo-db-1 (restart) after #4
#6 await demo-db-1 healthy (for api) after #5
#7 start container demo-api-1 (depends on db, which is restarted) after #3 #6
#8 start container demo-web-1 (depends on api, which is restarted) after #1 #7
#9 start container demo-web-2 (depends on api, which is restarted) after #2 #7
`,
		},
		"restart: dependents that do not run stay so": {
			since: []func(*host){becomes("demo-web-1", engine.StatusExited)},
			req:   call.ActRequest{Action: call.ActRestart, Services: []string{"api"}},
			want: `#1 stop container demo-web-2 (depends on api, which is restarted)
#2 stop container demo-api-1 (restart) after #1
#3 start container demo-api-1 (restart) after #2
#4 start container demo-web-2 (depends on api, which is restarted) after #1 #3
`,
		},
		"restart: without dependents": {
			req: call.ActRequest{Action: call.ActRestart, Services: []string{"db"}, NoDeps: true},
			want: `#1 stop container demo-db-1 (restart)
#2 start container demo-db-1 (restart) after #1
`,
		},
		"restart: all of it, also what does not run": {
			since: []func(*host){becomes("demo-db-1", engine.StatusExited)},
			req:   call.ActRequest{Action: call.ActRestart},
			want: `#1 stop container demo-web-1 (restart)
#2 stop container demo-web-2 (restart)
#3 stop container demo-api-1 (restart) after #1 #2
#4 start container demo-db-1 (restart)
#5 await demo-db-1 healthy (for api) after #4
#6 start container demo-api-1 (restart) after #3 #5
#7 start container demo-web-1 (restart) after #1 #6
#8 start container demo-web-2 (restart) after #2 #6
`,
		},
		"kill: what runs, one-offs too": {
			since: []func(*host){
				becomes("demo-web-1", engine.StatusExited), becomes("demo-web-2", engine.StatusRestarting),
				runsOneOff("demo-web-run-1", "web", engine.StatusRunning),
			},
			req: call.ActRequest{Action: call.ActKill, Signal: "SIGINT"},
			want: `#1 kill container demo-db-1
#2 kill container demo-api-1
#3 kill container demo-web-2
#4 kill container demo-web-run-1
`,
		},
		"kill: one replica": {
			since: []func(*host){runsOneOff("demo-web-run-1", "web", engine.StatusRunning)},
			req:   call.ActRequest{Action: call.ActKill, Services: []string{"web"}, Index: 2},
			want: `#1 kill container demo-web-2
`,
		},
		"kill: orphans are spared": {
			since: []func(*host){func(h *host) { h.obs.Previous = new(stackOf(service("db"))) }},
			req:   call.ActRequest{Action: call.ActKill},
			want: `#1 kill container demo-db-1
`,
		},
		"kill: orphans, when told so": {
			since: []func(*host){func(h *host) { h.obs.Previous = new(stackOf(service("db"))) }},
			req:   call.ActRequest{Action: call.ActKill, RemoveOrphans: true},
			want: `#1 kill container demo-db-1
#2 kill container demo-api-1
#3 kill container demo-web-1
#4 kill container demo-web-2
`,
		},
		"kill: without a Stack there are no orphans": {
			since: []func(*host){noStack},
			req:   call.ActRequest{Action: call.ActKill},
			want: `#1 kill container demo-db-1
#2 kill container demo-api-1
#3 kill container demo-web-1
#4 kill container demo-web-2
`,
		},
		"kill: nothing runs": {
			since: []func(*host){stopped}, req: call.ActRequest{Action: call.ActKill},
			want: `warning: No container to kill
`,
		},
		"pause: what runs": {
			since: []func(*host){becomes("demo-web-1", engine.StatusExited), becomes("demo-web-2", engine.StatusPaused)},
			req:   call.ActRequest{Action: call.ActPause},
			want: `#1 pause container demo-api-1
#2 pause container demo-db-1
`,
		},
		"unpause: what is paused": {
			since: []func(*host){becomes("demo-web-2", engine.StatusPaused)}, req: call.ActRequest{Action: call.ActUnpause},
			want: `#1 unpause container demo-web-2
`,
		},
		"rm: what does not run": {
			since: []func(*host){
				becomes("demo-db-1", engine.StatusExited), becomes("demo-web-2", engine.StatusCreated), becomes("demo-web-1", engine.StatusRestarting),
				runsOneOff("demo-web-run-1", "web", engine.StatusExited),
			},
			req: call.ActRequest{Action: call.ActRemove},
			want: `#1 remove container demo-db-1
#2 remove container demo-web-2
`,
		},
		"rm: after a stop": {
			since: []func(*host){becomes("demo-db-1", engine.StatusExited)},
			req:   call.ActRequest{Action: call.ActRemove, Stop: true, Services: []string{"api", "db", "web"}},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 remove container demo-api-1 after #3
#5 remove container demo-db-1
#6 remove container demo-web-1 after #1
#7 remove container demo-web-2 after #2
`,
		},
		"rm: everything runs": {
			req: call.ActRequest{Action: call.ActRemove},
			want: `warning: No stopped containers
`,
		},
		"something else": {
			req: call.ActRequest{Action: "fly"},
			want: `error: there is no action "fly"
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := c.was
			if was.Services == nil {
				was = shop
			}
			h := brought(t, &was, c.since...)
			c.req.Project, c.req.Stack = "demo", h.obs.Previous
			p, err := Act(&c.req, h.obs.Previous, h.obs)
			compare(t, c.want, p, err)
		})
	}
}

func TestWhatStepsOfActionsCarry(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("web"))
	h := brought(t, &stack)
	limit := new(engine.Duration)
	first := func(req call.ActRequest) Step {
		t.Helper()
		p, err := Act(&req, &stack, h.obs)
		if err != nil || p.Empty() {
			t.Fatal(p, err)
		}
		return p.Steps[0]
	}
	if s := first(call.ActRequest{Action: call.ActKill, Signal: "SIGHUP"}); s.Signal != "SIGHUP" {
		t.Errorf("kill: %+v", s)
	}
	if s := first(call.ActRequest{Action: call.ActStop, Timeout: limit}); s.Timeout != limit {
		t.Errorf("stop: %+v", s)
	}
	if s := first(call.ActRequest{Action: call.ActRestart, Timeout: limit}); s.Timeout != limit {
		t.Errorf("restart: %+v", s)
	}
	becomes("demo-web-1", engine.StatusExited)(h)
	if s := first(call.ActRequest{Action: call.ActRemove, Volumes: true}); !s.Volumes {
		t.Errorf("rm: %+v", s)
	}
}

func TestLabelsInACircleDoNotStopAnybody(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("a"), service("b"), service("c", dependsOn(started("c"))))
	h := newHost()
	p, err := Up(&call.UpRequest{Stack: stack, NoDeps: true}, h.obs)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.apply(p, &stack, inSequence); err != nil {
		t.Fatal(err)
	}
	// a was made from a Stack where it depends on b, b from one where it was the other way round.
	h.byName("demo-a-1").Spec.Labels[engine.LabelDependsOn] = "b:service_healthy:true"
	h.byName("demo-b-1").Spec.Labels[engine.LabelDependsOn] = "a:service_started:true"
	for action, want := range map[call.Action]string{
		call.ActStop: `#1 stop container demo-a-1
#2 stop container demo-b-1 after #1
#3 stop container demo-c-1
`,
		call.ActRestart: `#1 stop container demo-a-1 (restart)
#2 stop container demo-b-1 (restart) after #1
#3 start container demo-b-1 (restart) after #2
#4 await demo-b-1 healthy (for a) after #3
#5 start container demo-a-1 (restart) after #1 #4
#6 stop container demo-c-1 (restart)
#7 start container demo-c-1 (restart) after #6
`,
	} {
		p, err := Act(&call.ActRequest{Action: action}, nil, h.obs)
		compare(t, want, p, err)
	}
	p, err = Down(&call.DownRequest{Project: "demo"}, nil, h.obs)
	compare(t, `#1 stop container demo-a-1
#2 remove container demo-a-1 after #1
#3 stop container demo-b-1 after #1
#4 remove container demo-b-1 after #3
#5 stop container demo-c-1
#6 remove container demo-c-1 after #5
#7 remove network demo_default after #2 #4 #6
`, p, err)
}
