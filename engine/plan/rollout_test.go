package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tiffin/engine"
	"tiffin/engine/call"
)

func updates(parallelism int, changes ...func(*engine.UpdateConfig)) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Update = &engine.UpdateConfig{Parallelism: parallelism}
		for _, change := range changes {
			change(s.Update)
		}
	}
}

func startFirst(c *engine.UpdateConfig) { c.StartFirst = true }

func rollsBack(c *engine.UpdateConfig) { c.OnFailure = engine.FailureRollback }

func publishes(host, end uint16) func(*engine.Service) {
	return func(s *engine.Service) {
		s.Container.Ports = []engine.PortBinding{{HostPort: host, HostPortEnd: end, ContainerPort: 80, Protocol: "tcp"}}
	}
}

func TestUpUpdatesInBatches(t *testing.T) {
	t.Parallel()
	web := func(changes ...func(*engine.Service)) engine.Stack {
		return stackOf(service("web", append([]func(*engine.Service){scale(2)}, changes...)...))
	}
	for name, c := range map[string]upCase{
		"one after the other, each when the one before is well": {
			was: web(), req: call.UpRequest{Stack: web(changed(), updates(1, func(c *engine.UpdateConfig) {
				c.Delay, c.Monitor = engine.Duration(5*time.Second), engine.Duration(time.Second)
			}))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
#6 await demo-web-1 running or healthy (update) after #5
#7 monitor demo-web-1 (update, 1s) after #6
#8 proceed web (1 of 2, 5s) after #7
#9 create container demo-web-2 (configuration changed) after #8
#10 stop container demo-web-2 (replaced) after #8 #9
#11 remove container demo-web-2 (replaced) after #9 #10
#12 rename container demo-web-2 (replaced) after #11
#13 start container demo-web-2 (created) after #12
#14 await demo-web-2 running or healthy (update) after #13
#15 monitor demo-web-2 (update, 1s) after #14
#16 proceed web (2 of 2) after #7 #15
`,
		},
		"start-first: beside the old ones, with numbers that are free": {
			was: web(), req: call.UpRequest{Stack: web(changed(), updates(1, startFirst))},
			want: `#1 create container demo-web-3 (configuration changed)
#2 start container demo-web-3 (created) after #1
#3 await demo-web-3 running or healthy (update) after #2
#4 stop container demo-web-1 (replaced) after #3
#5 proceed web (1 of 2) after #3
#6 create container demo-web-4 (configuration changed) after #4? #5
#7 remove container demo-web-1 (replaced) after #4
#8 start container demo-web-4 (created) after #6
#9 await demo-web-4 running or healthy (update) after #8
#10 stop container demo-web-2 (replaced) after #9
#11 remove container demo-web-2 (replaced) after #10
#12 proceed web (2 of 2) after #3 #9
`,
		},
		"start-first: a single replica": {
			was: web(scale(1)), req: call.UpRequest{Stack: web(scale(1), changed(), updates(1, startFirst))},
			want: `#1 create container demo-web-2 (configuration changed)
#2 start container demo-web-2 (created) after #1
#3 await demo-web-2 running or healthy (update) after #2
#4 stop container demo-web-1 (replaced) after #3
#5 remove container demo-web-1 (replaced) after #4
#6 proceed web (1 of 1) after #3
`,
		},
		"start-first: the lowest numbers come back": {
			was: web(), since: []func(*host){renumbered(2)},
			req: call.UpRequest{Stack: web(changed(), updates(0, startFirst))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 create container demo-web-2 (configuration changed)
#3 start container demo-web-1 (created) after #1
#4 await demo-web-1 running or healthy (update) after #3
#5 stop container demo-web-3 (replaced) after #4
#6 remove container demo-web-3 (replaced) after #5
#7 start container demo-web-2 (created) after #2
#8 await demo-web-2 running or healthy (update) after #7
#9 stop container demo-web-4 (replaced) after #8
#10 remove container demo-web-4 (replaced) after #9
#11 proceed web (2 of 2) after #4 #8
`,
		},
		"start-first: a port is for one": {
			was: web(scale(1)), req: call.UpRequest{Stack: web(scale(1), changed(), publishes(8080, 0), updates(1, startFirst))},
			want: `#1 create container demo-web-1 (configuration changed: ports)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
#6 await demo-web-1 running or healthy (update) after #5
#7 proceed web (1 of 1) after #6
warning: Service web: replicas are stopped before new ones start, in spite of order start-first: port 8080:80/tcp of the host is too few for old and new ones
`,
		},
		"start-first: a range of ports is enough for both": {
			was: web(scale(1)), req: call.UpRequest{Stack: web(scale(1), changed(), publishes(8080, 8081), updates(1, startFirst))},
			want: `#1 create container demo-web-2 (configuration changed: ports)
#2 start container demo-web-2 (created) after #1
#3 await demo-web-2 running or healthy (update) after #2
#4 stop container demo-web-1 (replaced) after #3
#5 remove container demo-web-1 (replaced) after #4
#6 proceed web (1 of 1) after #3
`,
		},
		"some may fail": {
			was: web(), req: call.UpRequest{Stack: web(changed(), updates(1, func(c *engine.UpdateConfig) { c.MaxFailureRatio = 0.5 }))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
#6 await demo-web-1 running or healthy (update, optional) after #5
#7 proceed web (1 of 2, 1 may fail) after #6?
#8 create container demo-web-2 (configuration changed) after #7
#9 stop container demo-web-2 (replaced) after #7 #8
#10 remove container demo-web-2 (replaced) after #8 #9
#11 rename container demo-web-2 (replaced) after #10
#12 start container demo-web-2 (created) after #11
#13 await demo-web-2 running or healthy (update, optional) after #12
#14 proceed web (2 of 2, 1 may fail) after #6? #13?
`,
		},
		"rollback: the old ones are kept until all is well": {
			was: web(), req: call.UpRequest{Stack: web(changed(), updates(1, rollsBack))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 start container demo-web-1 (created) after #2
#4 await demo-web-1 running or healthy (update) after #3
#5 proceed web (1 of 2) after #4
#6 create container demo-web-2 (configuration changed) after #5
#7 stop container demo-web-2 (replaced) after #5 #6
#8 start container demo-web-2 (created) after #7
#9 await demo-web-2 running or healthy (update) after #8
#10 proceed web (2 of 2) after #4 #9
#11 remove container demo-web-1 (replaced) after #1 #2 #10
#12 rename container demo-web-1 (replaced) after #11
#13 remove container demo-web-2 (replaced) after #6 #7 #10
#14 rename container demo-web-2 (replaced) after #13
`,
		},
		"rollback, start-first": {
			was: web(), req: call.UpRequest{Stack: web(changed(), updates(1, startFirst, rollsBack))},
			want: `#1 create container demo-web-3 (configuration changed)
#2 start container demo-web-3 (created) after #1
#3 await demo-web-3 running or healthy (update) after #2
#4 stop container demo-web-1 (replaced) after #3
#5 proceed web (1 of 2) after #3
#6 create container demo-web-4 (configuration changed) after #4? #5
#7 start container demo-web-4 (created) after #6
#8 await demo-web-4 running or healthy (update) after #7
#9 proceed web (2 of 2) after #3 #8
#10 remove container demo-web-1 (replaced) after #4 #9
#11 stop container demo-web-2 (replaced) after #8
#12 remove container demo-web-2 (replaced) after #9 #11
`,
		},
		"what was updated before must be well before more is": {
			was: web(), since: []func(*host){alreadyUpdated("demo-web-1")},
			req: call.UpRequest{Stack: web(changed(), updates(1))},
			want: `#1 await demo-web-1 running or healthy (update)
#2 proceed web (1 of 2) after #1
#3 create container demo-web-2 (configuration changed) after #2
#4 stop container demo-web-2 (replaced) after #2 #3
#5 remove container demo-web-2 (replaced) after #3 #4
#6 rename container demo-web-2 (replaced) after #5
#7 start container demo-web-2 (created) after #6
#8 await demo-web-2 running or healthy (update) after #7
#9 proceed web (2 of 2) after #1 #8
`,
		},
		"start-first goes on after a pause": {
			was: web(), since: []func(*host){runsNew("web", 3)},
			req: call.UpRequest{Stack: web(changed(), updates(1, startFirst))},
			want: `#1 await demo-web-3 running or healthy (update)
#2 proceed web (1 of 2) after #1
#3 create container demo-web-4 (configuration changed) after #2
#4 stop container demo-web-1 (replaced) after #1
#5 remove container demo-web-1 (replaced) after #4
#6 start container demo-web-4 (created) after #3
#7 await demo-web-4 running or healthy (update) after #6
#8 stop container demo-web-2 (replaced) after #7
#9 remove container demo-web-2 (replaced) after #8
#10 proceed web (2 of 2) after #1 #7
`,
		},
		"start-first goes on after a power failure: who is well has taken the place of who has stopped": {
			was: web(), since: []func(*host){
				runsNew("web", 3), becomes("demo-web-3", engine.StatusCreated), runsNew("web", 4), becomes("demo-web-1", engine.StatusExited),
			},
			req: call.UpRequest{Stack: web(changed(), updates(0, startFirst))},
			want: `#1 await demo-web-4 running or healthy (update)
#2 remove container demo-web-1 (replaced) after #1
#3 start container demo-web-3 (created)
#4 await demo-web-3 running or healthy (update) after #3
#5 stop container demo-web-2 (replaced) after #4
#6 remove container demo-web-2 (replaced) after #5
#7 proceed web (2 of 2) after #1 #4
`,
		},
		"all at once where others share with them": {
			was: stackOf(service("side", joins("web")), service("web", scale(2))),
			req: call.UpRequest{Stack: stackOf(service("side", joins("web")), service("web", scale(2), changed(), updates(1)))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 create container demo-web-2 (configuration changed)
#6 stop container demo-web-2 (replaced) after #5
#7 remove container demo-web-2 (replaced) after #5 #6
#8 rename container demo-web-2 (replaced) after #7
#9 start container demo-web-1 (created) after #4
#10 start container demo-web-2 (created) after #8
warning: Service web: replicas are replaced all at once, in spite of update_config: side shares with them
`,
		},
		"without update_config nothing changes": {
			was: web(scale(1)), req: call.UpRequest{Stack: web(scale(1), changed())},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 start container demo-web-1 (created) after #4
`,
		},
		"create alone does not update": {
			was: web(scale(1)), req: call.UpRequest{Stack: web(scale(1), changed(), updates(1)), NoStart: true},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// renumbered gives all containers higher numbers, as an update with start-first does.
func renumbered(by int) func(*host) {
	return func(h *host) {
		for i := range h.obs.Containers {
			c := &h.obs.Containers[i]
			c.Number += by
			c.Name = fmt.Sprintf("demo-%s-%d", c.Service, c.Number)
		}
	}
}

// alreadyUpdated makes a container the one that changed asks for.
func alreadyUpdated(name string) func(*host) {
	return func(h *host) { h.byName(name).Spec.Labels = map[string]string{engine.LabelHash: "h2"} }
}

// runsNew adds a container that changed asks for.
func runsNew(service string, number int) func(*host) {
	return func(h *host) {
		c := *h.byName("demo-" + service + "-1")
		c.ID, c.Number, c.Name = h.id("c"), number, fmt.Sprintf("demo-%s-%d", service, number)
		h.obs.Containers = append(h.obs.Containers, c)
		alreadyUpdated(c.Name)(h)
	}
}

// TestUpdatesLeaveEnoughRunning updates a service in every way, in an order that the edges
// allow, and counts after each step.
func TestUpdatesLeaveEnoughRunning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		replicas := rapid.IntRange(1, 5).Draw(t, "replicas")
		was := stackOf(service("db"), service("web", scale(replicas), dependsOn(started("db"))))
		is := stackOf(service("db"), service("web", scale(replicas), dependsOn(started("db")), changed()))
		if rapid.Bool().Draw(t, "db changes, too") {
			is.Services[0].Hash = "h2"
		}
		config := drawUpdate(t, "web")
		is.Services[1].Update = config
		h := newHost()
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "step") }
		for _, s := range []*engine.Stack{&was, &is} {
			p, err := Up(&call.UpRequest{Stack: *s}, h.obs)
			if err != nil {
				t.Fatal(err)
			}
			checkEdges(t, p)
			t.Logf("\n%s", p)
			steps := len(p.Steps)
			if s == &is && rapid.Bool().Draw(t, "the power fails") {
				steps = rapid.IntRange(0, steps).Draw(t, "after")
			}
			if err := h.carryOut(p, s, choose, steps); err != nil {
				t.Fatal(err)
			}
			least := 0
			if config.Parallelism > 0 {
				least = max(0, replicas-config.Parallelism)
			}
			if config.StartFirst {
				least = replicas
			}
			h.watch = func() {
				running := 0
				for _, c := range h.obs.Containers {
					if c.Service == "web" && c.State.Status == engine.StatusRunning {
						running++
					}
				}
				if running < least {
					t.Fatalf("%d of %d run, %d must", running, replicas, least)
				}
			}
		}
		p, err := Up(&call.UpRequest{Stack: is}, h.obs)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("\n%s", p)
		if err := h.apply(p, &is, choose); err != nil {
			t.Fatal(err)
		}
		h.check(t, &call.UpRequest{Stack: is})
	})
}

// fail carries out a plan of which some steps fail, as the daemon does.
func (h *host) fail(p *Plan, stack *engine.Stack, fails func(*Step) bool) (failed []int) {
	h.stack, h.made = stack, map[string]string{}
	for i := range p.Steps {
		s := &p.Steps[i]
		failures := 0
		for _, e := range s.After {
			switch {
			case !slices.Contains(failed, e.Seq):
			case !e.Optional:
				failures = len(p.Steps)
			default:
				failures++
			}
		}
		if failures > s.MayFail || fails(s) || h.do(s) != nil {
			failed = append(failed, s.Seq)
		}
	}
	return failed
}

func TestRollback(t *testing.T) {
	t.Parallel()
	second := func(s *Step) bool { return s.Kind == Await && s.Seq > 8 }
	for name, c := range map[string]struct {
		update   func(*engine.Service)
		rollback *engine.UpdateConfig
		fails    func(*Step) bool
		want     string
	}{
		"in their places, one after the other": {
			update: updates(1, rollsBack), fails: second,
			want: `#1 stop container c00000000005_demo-web-1 (rollback)
#2 start container demo-web-1 (rollback) after #1
#3 remove container c00000000005_demo-web-1 (rollback) after #1
#4 await demo-web-1 running or healthy (update) after #2
#5 proceed web (1 of 2) after #4
#6 stop container c00000000006_demo-web-2 (rollback) after #5
#7 start container demo-web-2 (rollback) after #5 #6
#8 remove container c00000000006_demo-web-2 (rollback) after #6
#9 await demo-web-2 running or healthy (update) after #7
warning: Service web: the update failed and is rolled back
`,
		},
		"beside them, start-first": {
			update: updates(1, startFirst, rollsBack), rollback: &engine.UpdateConfig{StartFirst: true}, fails: second,
			want: `#1 start container demo-web-1 (rollback)
#2 await demo-web-1 running or healthy (update) after #1
#3 stop container demo-web-4 (rollback) after #2
#4 remove container demo-web-4 (rollback) after #3
#5 start container demo-web-2 (rollback)
#6 await demo-web-2 running or healthy (update) after #5
#7 stop container demo-web-5 (rollback) after #6
#8 remove container demo-web-5 (rollback) after #7
#9 stop container demo-web-6 (rollback)
#10 remove container demo-web-6 (rollback) after #9
warning: Service web: the update failed and is rolled back
`,
		},
		"all at once": {
			update: updates(1, rollsBack), rollback: &engine.UpdateConfig{}, fails: second,
			want: `#1 stop container c00000000005_demo-web-1 (rollback)
#2 start container demo-web-1 (rollback) after #1
#3 remove container c00000000005_demo-web-1 (rollback) after #1
#4 await demo-web-1 running or healthy (update) after #2
#5 stop container c00000000006_demo-web-2 (rollback)
#6 start container demo-web-2 (rollback) after #5
#7 remove container c00000000006_demo-web-2 (rollback) after #5
#8 await demo-web-2 running or healthy (update) after #6
warning: Service web: the update failed and is rolled back
`,
		},
		"nothing, when it stops there": {
			update: updates(1), fails: second,
			want: ``,
		},
		"nothing, when what failed came after": {
			update: updates(1, rollsBack), fails: func(s *Step) bool { return s.Kind == RenameContainer },
			want: ``,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			was := stackOf(service("web", scale(3)))
			h := brought(t, &was)
			is := stackOf(service("web", scale(3), changed(), c.update))
			is.Services[0].Rollback = c.rollback
			req := &call.UpRequest{Stack: is}
			before := *h.obs
			before.Containers = slices.Clone(h.obs.Containers)
			p, err := Up(req, h.obs)
			if err != nil {
				t.Fatal(err)
			}
			failed := h.fail(p, &is, c.fails)
			back, err := Rollback(req, p, failed, &before, h.obs)
			compare(t, c.want, back, err)
			if err != nil || back.Empty() {
				return
			}
			if err := h.apply(back, &is, inSequence); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, o := range h.obs.Containers {
				if o.State.Status == engine.StatusRunning && o.Spec.Labels[engine.LabelHash] == "h1" {
					names = append(names, o.Name)
				}
			}
			if got := fmt.Sprint(names, len(h.obs.Containers)); got != "[demo-web-1 demo-web-2 demo-web-3] 3" {
				t.Errorf("after it: %s", got)
			}
		})
	}
}
