package plan

import (
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

// redefined changes definitions of a Stack.
func redefined(s engine.Stack, change func(*engine.Stack)) engine.Stack {
	s.Networks = append([]engine.NetworkSpec{}, s.Networks...)
	s.Volumes = append([]engine.VolumeSpec{}, s.Volumes...)
	change(&s)
	return s
}

func TestUpAndNetworks(t *testing.T) {
	t.Parallel()
	was := stackOf(service("db", on("back")), service("web", on("back", "default"), dependsOn(started("db"))))
	newBack := func(s *engine.Stack) { s.Networks[0].Hash = "n2" }
	newBoth := func(s *engine.Stack) { s.Networks[0].Hash, s.Networks[1].Hash = "n2", "n2" }
	external := redefined(stackOf(service("web")), func(s *engine.Stack) {
		s.Networks[1] = engine.NetworkSpec{Key: "default", Name: "corp", External: true}
	})
	ports := func(s *engine.Service) {
		s.Container.Ports = []engine.PortBinding{{ContainerPort: 80, Protocol: "tcp"}}
	}
	lan := redefined(stackOf(service("db", on("back", "default"), ports), service("web", on("back"), ports)), func(s *engine.Stack) {
		s.Networks[0].Driver = "macvlan"
	})
	for name, c := range map[string]upCase{
		"ports that no network publishes are told of": {
			was: lan, req: call.UpRequest{Stack: lan},
			want: `warning: service "web" publishes ports, but its networks have none: they are internal, or of a driver without published ports
`,
		},
		"one that no selected service uses is not made": {
			req: call.UpRequest{Stack: was, Services: []string{"db"}},
			want: `#1 create network demo_back (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 start container demo-db-1 (created) after #1 #3
`,
		},
		"one that changed: all on it stop, and start again": {
			was: was, req: call.UpRequest{Stack: redefined(was, newBack)},
			want: `#1 stop container demo-db-1 (network back changed)
#2 stop container demo-web-1 (network back changed)
#3 recreate network demo_back (definition changed) after #1 #2
#4 start container demo-db-1 (network back changed) after #1 #3
#5 start container demo-web-1 (network back changed) after #2 #3 #4
`,
		},
		"also what is not selected, once for all networks": {
			was: was, req: call.UpRequest{Stack: redefined(was, newBoth), Services: []string{"db"}},
			want: `#1 stop container demo-db-1 (network back changed)
#2 stop container demo-web-1 (network back changed)
#3 recreate network demo_back (definition changed) after #1 #2
#4 start container demo-web-1 (network back changed) after #2 #3
#5 start container demo-db-1 (network back changed) after #1 #3
`,
		},
		"also an orphan; one that goes need not come back": {
			was: stackOf(service("old"), service("web")),
			req: call.UpRequest{Stack: redefined(stackOf(service("web")), newBoth), RemoveOrphans: true},
			want: `#1 stop container demo-old-1 (orphan)
#2 remove container demo-old-1 (orphan) after #1
#3 stop container demo-web-1 (network default changed)
#4 recreate network demo_default (definition changed) after #2 #3
#5 start container demo-web-1 (network default changed) after #3 #4
`,
		},
		"what is recreated anyway is made before": {
			was: was,
			req: call.UpRequest{Stack: redefined(stackOf(service("db", on("back"), changed())), newBack), IgnoreOrphans: true},
			want: `#1 create container demo-db-1 (configuration changed)
#2 stop container demo-db-1 (replaced) after #1
#3 remove container demo-db-1 (replaced) after #1 #2
#4 stop container demo-web-1 (network back changed)
#5 recreate network demo_back (definition changed) after #1 #2 #3 #4
#6 rename container demo-db-1 (replaced) after #3
#7 start container demo-web-1 (network back changed) after #4 #5
#8 start container demo-db-1 (created) after #5 #6
`,
		},
		"what does not run is not in the way": {
			was: was, since: []func(*host){becomes("demo-db-1", engine.StatusExited)},
			req: call.UpRequest{Stack: redefined(was, newBack), NoStart: true},
			want: `#1 stop container demo-web-1 (network back changed)
#2 recreate network demo_back (definition changed) after #1
`,
		},
		"a one-off is": {
			was: was, since: []func(*host){runsOneOff("demo-web-run-1", "web", engine.StatusRunning)},
			req: call.UpRequest{Stack: redefined(was, newBoth)},
			want: `error: network demo_default changed and cannot be recreated: container demo-web-run-1 is on it
hint: end that container first
`,
		},
		"one that was made without a hash is left alone": {
			was: was,
			since: []func(*host){func(h *host) {
				n := h.obs.Networks["demo_back"]
				n.Spec.Hash = ""
				h.obs.Networks["demo_back"] = n
			}},
			req:  call.UpRequest{Stack: redefined(was, newBack)},
			want: ``,
		},
		"one that was renamed goes when nothing is on it": {
			was: was, req: call.UpRequest{Stack: redefined(was, func(s *engine.Stack) { s.Networks[1].Name = "demo_front" })},
			want: `#1 create network demo_front (not there)
#2 create container demo-web-1 (not on network default)
#3 stop container demo-web-1 (replaced) after #2
#4 remove container demo-web-1 (replaced) after #2 #3
#5 rename container demo-web-1 (replaced) after #4
#6 remove network demo_default (renamed to demo_front) after #4
#7 start container demo-web-1 (created) after #1 #5
`,
		},
		"but stays as long as something is": {
			was: was, since: []func(*host){runsOneOff("demo-web-run-1", "web", engine.StatusRunning)},
			req: call.UpRequest{Stack: redefined(was, func(s *engine.Stack) { s.Networks[1].Name = "demo_front" })},
			want: `#1 create network demo_front (not there)
#2 create container demo-web-1 (not on network default)
#3 stop container demo-web-1 (replaced) after #2
#4 remove container demo-web-1 (replaced) after #2 #3
#5 rename container demo-web-1 (replaced) after #4
#6 start container demo-web-1 (created) after #1 #5
`,
		},
		"one of somebody else is used, with a warning": {
			since: []func(*host){func(h *host) { h.obs.Networks["demo_default"] = engine.Network{ID: "n0"} }},
			req:   call.UpRequest{Stack: stackOf(service("web"))},
			want: `#1 pull image img (not there)
#2 create container demo-web-1 (not there) after #1
#3 start container demo-web-1 (created) after #2
warning: a network with name demo_default exists but was not created for project "demo". Set ` + "`external: true`" + ` to use an existing network
`,
		},
		"an external one": {
			since: []func(*host){func(h *host) { h.obs.Networks["corp"] = engine.Network{ID: "n0"} }},
			req:   call.UpRequest{Stack: external},
			want: `#1 pull image img (not there)
#2 create container demo-web-1 (not there) after #1
#3 start container demo-web-1 (created) after #2
`,
		},
		"an external one that is not there": {
			req: call.UpRequest{Stack: external},
			want: `error: network corp declared as external, but could not be found
hint: create it, or remove ` + "`external: true`" + `
`,
		},
		"one that nobody defined": {
			req: call.UpRequest{Stack: stackOf(service("web", on("frnt")))},
			want: `error: network "frnt" is used but not defined
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestUpAndVolumes(t *testing.T) {
	t.Parallel()
	was := stackOf(service("db", with("data")), service("web", dependsOn(restarting(started("db")))))
	newData := func(s *engine.Stack) { s.Volumes[0].Hash = "v2" }
	shared := stackOf(service("backup", volumesFrom("db")), service("db", with("data")))
	for name, c := range map[string]upCase{
		"one that is not there": {
			req: call.UpRequest{Stack: was},
			want: `#1 create network demo_default (not there)
#2 create volume demo_data (not there)
#3 pull image img (not there)
#4 create container demo-db-1 (not there) after #2 #3
#5 create container demo-web-1 (not there) after #3
#6 start container demo-db-1 (created) after #1 #4
#7 start container demo-web-1 (created) after #1 #5 #6
`,
		},
		"one that changed is kept, with a warning": {
			was: was, req: call.UpRequest{Stack: redefined(was, newData)},
			want: `warning: Volume "demo_data" exists but doesn't match configuration in compose file. Run up with -y to recreate it (its data will be lost)
`,
		},
		"one that changed is recreated when the caller agrees": {
			was: was, req: call.UpRequest{Stack: redefined(was, newData), RecreateVolumes: []string{"demo_data"}},
			want: `#1 stop container demo-web-1 (depends on db, which is recreated)
#2 stop container demo-db-1 (volume data changed) after #1
#3 remove container demo-db-1 (volume data changed) after #2
#4 remove volume demo_data (definition changed) after #3
#5 create volume demo_data (definition changed) after #4
#6 create container demo-db-1 (volume data changed) after #3 #5
#7 start container demo-db-1 (created) after #6
#8 start container demo-web-1 (depends on db, which is recreated) after #1 #7
`,
		},
		"and with it whoever has it from another": {
			was: shared, req: call.UpRequest{Stack: redefined(shared, newData), RecreateVolumes: []string{"demo_data"}, NoRecreate: true},
			want: `#1 stop container demo-db-1 (volume data changed)
#2 remove container demo-db-1 (volume data changed) after #1
#3 stop container demo-backup-1 (volume data changed)
#4 remove container demo-backup-1 (volume data changed) after #3
#5 remove volume demo_data (definition changed) after #2 #4
#6 create volume demo_data (definition changed) after #5
#7 create container demo-db-1 (volume data changed) after #2 #6
#8 create container demo-backup-1 (volume data changed) after #4 #7
#9 start container demo-db-1 (created) after #7
#10 start container demo-backup-1 (created) after #8 #9
`,
		},
		"who has it but is not selected is in the way": {
			was: shared, req: call.UpRequest{Stack: redefined(shared, newData), RecreateVolumes: []string{"demo_data"}, Services: []string{"db"}},
			want: `error: volume demo_data changed and cannot be recreated: container demo-backup-1 uses it
hint: remove that container, or bring its service up, too
`,
		},
		"one of somebody else is used, with a warning": {
			since: []func(*host){func(h *host) { h.obs.Volumes["demo_data"] = engine.Volume{Name: "demo_data"} }},
			req:   call.UpRequest{Stack: stackOf(service("db", with("data")))},
			want: `#1 create network demo_default (not there)
#2 pull image img (not there)
#3 create container demo-db-1 (not there) after #2
#4 start container demo-db-1 (created) after #1 #3
warning: volume "demo_data" already exists but was not created for project "demo". Use ` + "`external: true`" + ` to use an existing volume
`,
		},
		"an external one that is not there": {
			req: call.UpRequest{Stack: redefined(was, func(s *engine.Stack) { s.Volumes[0].External = true })},
			want: `error: external volume "demo_data" not found
hint: create it, or remove ` + "`external: true`" + `
`,
		},
		"one that nobody defined": {
			req: call.UpRequest{Stack: stackOf(service("db", with("dta")))},
			want: `error: volume "dta" is used but not defined
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	stack := stackOf(
		service("always", image("a"), pull(engine.PullAlways)), service("build", image("b"), pull(engine.PullBuild)),
		service("daily", image("d"), pull(engine.PullRefresh)), service("missing", image("m")),
		service("never", image("n"), pull(engine.PullNever)), service("same", image("a"), pull(engine.PullAlways)),
		service("stale", image("s"), pull(engine.PullRefresh)),
	)
	fresh := func(svc *engine.Service) bool { return svc.Name == "daily" }
	for name, c := range map[string]struct {
		there []string
		req   call.UpRequest
		pull  string
		up    string
	}{
		"nothing is there": {
			req: call.UpRequest{Stack: stack},
			pull: `#1 pull image a (policy always)
#2 pull image d (policy refresh)
#3 pull image s (policy refresh)
`,
			up: `#2 pull image m (not there)
`,
		},
		"all is there: what may be old is fetched before it is seen what diverged": {
			there: []string{"a", "b", "d", "m", "n", "s"},
			req:   call.UpRequest{Stack: stack},
			pull: `#1 pull image a (policy always)
#2 pull image s (policy refresh)
`,
			up: ``,
		},
		"the request's policy replaces the services'": {
			there: []string{"a", "b", "d", "m", "n", "s"},
			req:   call.UpRequest{Stack: stack, Pull: engine.PullNever},
		},
		"only what is selected": {
			req: call.UpRequest{Stack: stack, Services: []string{"missing", "same"}, NoDeps: true},
			pull: `#1 pull image a (policy always)
`,
			up: `#2 pull image m (not there)
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost()
			for _, ref := range c.there {
				h.obs.Images[ref] = "sha256:" + ref
			}
			p, err := Pull(&c.req, h.obs, fresh)
			compare(t, c.pull, p, err)
			p, err = Up(&c.req, h.obs)
			if err != nil {
				t.Fatal(err)
			}
			pulls := &Plan{}
			for _, s := range p.Steps {
				if s.Kind == PullImage {
					pulls.Steps = append(pulls.Steps, s)
				}
			}
			compare(t, c.up, pulls, nil)
		})
	}
}

func TestPullOnly(t *testing.T) {
	t.Parallel()
	stack := stackOf(
		service("build", image("b"), pull(engine.PullBuild)), service("local", built()), service("made", built(), image("made")),
		service("missing", image("m"), pull(engine.PullMissing)), service("same", image("w")),
		service("web", image("w"), dependsOn(started("missing"))),
	)
	for name, c := range map[string]struct {
		req  call.PullRequest
		want string
	}{
		"all are refreshed, each image once": {call.PullRequest{}, `#1 pull image made (pull)
#2 pull image m (pull)
#3 pull image w (pull)
`},
		"what is there is not fetched, if asked": {call.PullRequest{Policy: engine.PullMissing}, `#1 pull image b (pull)
#2 pull image made (pull)
#3 pull image m (pull)
`},
		"what can be built is left out": {call.PullRequest{SkipBuild: true}, `#1 pull image m (pull)
#2 pull image w (pull)
`},
		"targets": {call.PullRequest{Services: []string{"web"}}, `#1 pull image w (pull)
`},
		"targets and their dependencies": {call.PullRequest{Services: []string{"web"}, IncludeDeps: true}, `#1 pull image m (pull)
#2 pull image w (pull)
`},
		"no service": {call.PullRequest{Services: []string{"wbe"}}, `error: no such service: wbe
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost()
			h.obs.Images["w"] = "sha256:w"
			p, err := PullOnly(&c.req, &stack, h.obs)
			compare(t, c.want, p, err)
		})
	}
}
