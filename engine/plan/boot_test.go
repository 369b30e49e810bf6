package plan

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"tiffin/engine"
	"tiffin/engine/call"
)

// policy is the restart policy of a service.
func policy(mode engine.RestartMode) func(*engine.Service) {
	return func(s *engine.Service) { s.Container.Restart.Mode = mode }
}

// rebooted is a host that was switched off and on: the engine lets what has a policy wait.
func rebooted(h *host) {
	for i := range h.obs.Containers {
		c := &h.obs.Containers[i]
		if !runs(c) {
			continue
		}
		c.State.Health = engine.Health{}
		c.State.Status, c.State.ExitCode = engine.StatusExited, engine.ExitUnknown
		if c.Spec.Restart.Mode != engine.RestartNo {
			c.State.Status = engine.StatusRestarting
		}
	}
}

func TestBoot(t *testing.T) {
	t.Parallel()
	always := policy(engine.RestartAlways)
	shop := stackOf(
		service("api", always, dependsOn(healthy("db"), completed("migrate"))), service("db", policy(engine.RestartUnlessStopped)),
		service("migrate", dependsOn(healthy("db"))), service("web", always, dependsOn(started("api")), scale(2)),
	)
	gap := stackOf(
		service("api", dependsOn(healthy("db"))), service("db", always),
		service("web", always, dependsOn(healthy("api"), optional(started("cache")))),
	)
	for name, c := range map[string]struct {
		was   engine.Stack
		since []func(*host)
		want  string
	}{
		"in the order of the dependencies, with their conditions": {
			was: shop, since: []func(*host){becomes("demo-migrate-1", engine.StatusExited), rebooted},
			want: `#1 restart container demo-db-1 (unless-stopped)
#2 await demo-db-1 healthy at last (for api) after #1
#3 await demo-migrate-1 completed (for api)
#4 restart container demo-api-1 (always) after #2 #3
#5 restart container demo-web-1 (always) after #4
#6 restart container demo-web-2 (always) after #4
`,
		},
		"by the labels of the containers when there is no stack": {
			was: shop, since: []func(*host){rebooted, func(h *host) { h.obs.Previous = nil }, vanishes("demo-api-1")},
			want: `#1 restart container demo-db-1 (unless-stopped)
#2 restart container demo-web-1 (always)
#3 restart container demo-web-2 (always)
`,
		},
		"what no policy starts holds nobody up, but what it depends on still comes before": {
			was: gap, since: []func(*host){rebooted},
			want: `#1 restart container demo-db-1 (always)
#2 await demo-db-1 healthy at last (for api) after #1
#3 restart container demo-web-1 (always) after #2
warning: web starts without api, which no restart policy starts
`,
		},
		"what runs is waited for": {
			was: gap, since: []func(*host){becomes("demo-web-1", engine.StatusRestarting), unhealthy("demo-api-1")},
			want: `#1 await demo-api-1 healthy at last (for web)
#2 restart container demo-web-1 (always) after #1
`,
		},
		"what runs and is healthy is not": {
			was: gap, since: []func(*host){becomes("demo-web-1", engine.StatusRestarting)},
			want: `#1 restart container demo-web-1 (always)
`,
		},
		"of several replicas, those that come back are waited for": {
			was:   stackOf(service("db", always, scale(2)), service("web", always, dependsOn(healthy("db")))),
			since: []func(*host){becomes("demo-db-1", engine.StatusExited), rebooted},
			want: `#1 restart container demo-db-2 (always)
#2 await demo-db-2 healthy at last (for web) after #1
#3 restart container demo-web-1 (always) after #2
`,
		},
		"a one-off waits for nobody, and nobody for it": {
			was: shop, since: []func(*host){
				runsOneOff("demo-api-run-1", "api", engine.StatusRestarting), becomes("demo-web-1", engine.StatusRestarting),
			},
			want: `#1 restart container demo-web-1 (always)
#2 restart container demo-api-run-1
`,
		},
		"nothing waits": {was: shop, want: ``},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := Boot(brought(t, &c.was, c.since...).obs)
			compare(t, c.want, p, err)
		})
	}
}

// TestWhatWaitsComesBack reboots projects of any shape: all that waits is started, nothing else, in an order that the
// edges allow.
func TestWhatWaitsComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHost()
		stack := drawStack(t)
		for i := range stack.Services {
			modes := []engine.RestartMode{engine.RestartNo, engine.RestartAlways}
			stack.Services[i].Container.Restart.Mode = rapid.SampledFrom(modes).Draw(t, "policy")
		}
		p, err := Up(&call.UpRequest{Stack: *stack}, h.obs)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.apply(p, stack, inSequence); err != nil {
			t.Fatal(err)
		}
		h.disturb(t)
		rebooted(h)
		ended := slices.Clone(h.obs.Containers)
		if p, err = Boot(h.obs); err != nil {
			t.Fatal(err)
		}
		checkEdges(t, p)
		// In the model nothing has ever completed.
		p.Steps = slices.DeleteFunc(p.Steps, func(s Step) bool { return s.Condition == engine.ConditionCompleted })
		for i := range p.Steps {
			there := func(e Edge) bool { return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Seq == e.Seq }) }
			p.Steps[i].After = slices.DeleteFunc(p.Steps[i].After, func(e Edge) bool { return !there(e) })
		}
		t.Logf("\n%s", p)
		err = h.apply(p, stack, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "step") })
		if errors.Is(err, errLeftBehind) {
			return // it is joined to one that no policy starts
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range ended {
			want := ended[i].State.Status
			if want == engine.StatusRestarting {
				want = engine.StatusRunning
			}
			if got := h.byID(ended[i].ID).State.Status; got != want {
				t.Fatalf("%s is %s, want %s", ended[i].Name, got, want)
			}
		}
	})
}
