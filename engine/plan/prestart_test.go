package plan

import (
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

// preStart are hooks of a service: of image img, unless an image is named.
func preStart(hooks ...engine.PreStart) func(*engine.Service) {
	return func(s *engine.Service) {
		for _, h := range hooks {
			if h.Container.Image == "" {
				h.Container.Image = "img"
			}
			h.Container.Endpoints = s.Container.Endpoints
			s.PreStart = append(s.PreStart, h)
		}
	}
}

func hookOf(image string) engine.PreStart {
	return engine.PreStart{Container: engine.ContainerSpec{Image: image}}
}

var (
	once       = engine.PreStart{}
	perReplica = engine.PreStart{PerReplica: true}
)

// failedHook leaves the container of a hook that failed.
func failedHook(name, service string) func(*host) {
	return func(h *host) {
		c := engine.Container{ID: h.id("c"), Name: name, Project: "demo", Service: service, OneOff: true}
		c.State.Status = engine.StatusExited
		c.Spec.Labels = map[string]string{engine.LabelHook: "pre_start"}
		h.obs.Containers = append(h.obs.Containers, c)
	}
}

func TestUpRunsHooksBeforeStarts(t *testing.T) {
	t.Parallel()
	one := stackOf(service("db"), service("web", dependsOn(healthy("db")), preStart(once, hookOf("tool"))))
	two := stackOf(service("web", scale(2), preStart(once, perReplica)))
	changed := stackOf(service("web", scale(2), hash("h2"), preStart(once, perReplica)))
	for name, c := range map[string]upCase{
		"in their order, after what the service waits for": {
			req: call.UpRequest{Stack: one},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 pull image tool (not there)
#4 create container demo-db-1 (not there) after #2
#5 create container demo-web-1 (not there) after #2
#6 start container demo-db-1 (created) after #1 #4
#7 await demo-db-1 healthy (for web) after #6
#8 run hook demo-web-pre_start-1 (pre_start of web) after #1 #2 #5 #7
#9 run hook demo-web-pre_start-2 (pre_start of web) after #1 #3 #8
#10 start container demo-web-1 (created) after #1 #5 #7 #9
`,
		},
		"once for all replicas, and once for each": {
			req: call.UpRequest{Stack: two},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-web-1 (not there) after #2
#4 create container demo-web-2 (not there) after #2
#5 run hook demo-web-pre_start-1 (pre_start of web) after #1 #2 #3 #4
#6 run hook demo-web-1-pre_start-2 (pre_start of web) after #1 #2 #5
#7 start container demo-web-1 (created) after #1 #3 #6
#8 run hook demo-web-2-pre_start-2 (pre_start of web) after #1 #2 #5
#9 start container demo-web-2 (created) after #1 #4 #8
`,
		},
		"not when a replica runs, but for the one that is new": {
			was: stackOf(service("web", preStart(once, perReplica))), req: call.UpRequest{Stack: two},
			want: `#1 create container demo-web-2 (not there)
#2 run hook demo-web-2-pre_start-2 (pre_start of web) after #1
#3 start container demo-web-2 (created) after #1 #2
`,
		},
		"again when all are replaced": {
			was: two, req: call.UpRequest{Stack: changed},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 create container demo-web-2 (configuration changed)
#6 stop container demo-web-2 (replaced) after #5
#7 remove container demo-web-2 (replaced) after #5 #6
#8 rename container demo-web-2 (replaced) after #7
#9 run hook demo-web-pre_start-1 (pre_start of web) after #4 #6 #8
#10 run hook demo-web-1-pre_start-2 (pre_start of web) after #9
#11 start container demo-web-1 (created) after #4 #10
#12 run hook demo-web-2-pre_start-2 (pre_start of web) after #9
#13 start container demo-web-2 (created) after #8 #12
`,
		},
		"the container of one that failed goes first": {
			was: two, since: []func(*host){failedHook("demo-web-pre_start-1", "web"), becomes("demo-web-1", engine.StatusExited), becomes("demo-web-2", engine.StatusCreated)},
			req: call.UpRequest{Stack: two},
			want: `#1 remove container demo-web-pre_start-1 (left by a hook)
#2 run hook demo-web-pre_start-1 (pre_start of web) after #1
#3 run hook demo-web-1-pre_start-2 (pre_start of web) after #2
#4 start container demo-web-1 (exited) after #3
#5 run hook demo-web-2-pre_start-2 (pre_start of web) after #2
#6 start container demo-web-2 (created) after #5
`,
		},
		"not when nothing is started": {
			req: call.UpRequest{Stack: two, NoStart: true},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-web-1 (not there) after #2
#4 create container demo-web-2 (not there) after #2
`,
		},
		"what can be done without is waited for once": {
			req: call.UpRequest{Stack: stackOf(service("db"), service("web", dependsOn(optional(healthy("db"))), preStart(once)))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 create container demo-web-1 (not there) after #2
#5 start container demo-db-1 (created) after #1 #3
#6 await demo-db-1 healthy (for web, optional) after #5
#7 run hook demo-web-pre_start-1 (pre_start of web) after #1 #2 #4 #6?
#8 start container demo-web-1 (created) after #1 #4 #7
`,
		},
		"in batches, before the first": {
			was: stackOf(service("web", scale(2), inBatches, preStart(once, perReplica))),
			req: call.UpRequest{Stack: stackOf(service("web", scale(2), hash("h2"), inBatches, preStart(once, perReplica)))},
			want: `#1 create container demo-web-1 (configuration changed)
#2 stop container demo-web-1 (replaced) after #1
#3 remove container demo-web-1 (replaced) after #1 #2
#4 rename container demo-web-1 (replaced) after #3
#5 run hook demo-web-pre_start-1 (pre_start of web) after #4
#6 run hook demo-web-1-pre_start-2 (pre_start of web) after #5
#7 start container demo-web-1 (created) after #4 #6
#8 await demo-web-1 running or healthy (update) after #7
#9 proceed web (1 of 2) after #8
#10 create container demo-web-2 (configuration changed) after #9
#11 stop container demo-web-2 (replaced) after #9 #10
#12 remove container demo-web-2 (replaced) after #10 #11
#13 rename container demo-web-2 (replaced) after #12
#14 run hook demo-web-2-pre_start-2 (pre_start of web) after #13
#15 start container demo-web-2 (created) after #13 #14
#16 await demo-web-2 running or healthy (update) after #15
#17 proceed web (2 of 2) after #8 #16
`,
		},
	} {
		t.Run(name, func(t *testing.T) { c.run(t) })
	}
}

func inBatches(s *engine.Service) { s.Update = &engine.UpdateConfig{Parallelism: 1} }
