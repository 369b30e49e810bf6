package plan

import (
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"tiffin/engine"
	"tiffin/engine/call"
)

// drawStack draws a Stack of services that depend on, and share with, those before them.
func drawStack(t *rapid.T) *engine.Stack {
	some := func(label string) bool { return rapid.IntRange(0, 2).Draw(t, label) == 2 }
	version := func(label string) string { return rapid.SampledFrom([]string{"1", "2"}).Draw(t, label) }
	s := &engine.Stack{
		Name: "demo",
		Networks: []engine.NetworkSpec{
			{Key: "back", Name: "demo_back", Hash: version("back")},
			{Key: "default", Name: "demo_default" + rapid.SampledFrom([]string{"", "2"}).Draw(t, "name"), Hash: version("default")},
		},
		Volumes: []engine.VolumeSpec{{Key: "data", Name: "demo_data", Hash: version("data")}},
	}
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		if i > 0 && some(name+" is left out") {
			s.Disabled = append(s.Disabled, name)
			if some(name + " is unknown") {
				s.Disabled = s.Disabled[:len(s.Disabled)-1]
			}
			continue
		}
		svc := engine.Service{Name: name, Scale: rapid.IntRange(0, 3).Draw(t, name+" scale")}
		svc.Container.Image = rapid.SampledFrom([]string{"x", "y"}).Draw(t, name+" image")
		svc.Container.Env = []string{version(name)}
		if some(name + " has a name") {
			svc.Scale, svc.ContainerName = 1, "the-"+name
		}
		if some(name + " is built") {
			drawBuild(t, &svc, s)
		}
		for _, on := range s.Services {
			drawRelation(t, &svc, &on)
		}
		if svc.Container.NetworkMode == "" {
			for _, key := range []string{"back", "default"} {
				if some(name + " on " + key) {
					svc.Container.Endpoints = append(svc.Container.Endpoints, engine.EndpointSpec{Network: key})
				}
			}
		}
		if some(name + " mounts data") {
			svc.Container.Mounts = []engine.Mount{{Type: engine.MountVolume, Source: "data", Target: "/data"}}
		}
		if some(name + " is updated in batches") {
			svc.Update = drawUpdate(t, name)
		}
		if some(name + " has hooks") {
			svc.PreStart = drawHooks(t, &svc)
		}
		text, _ := json.Marshal(svc.Container)
		svc.Hash = string(text) + svc.ContainerName
		s.Services = append(s.Services, svc)
	}
	return s
}

func drawHooks(t *rapid.T, svc *engine.Service) []engine.PreStart {
	var out []engine.PreStart
	for range rapid.IntRange(1, 2).Draw(t, svc.Name+" hooks") {
		h := engine.PreStart{PerReplica: rapid.Bool().Draw(t, svc.Name+" per replica")}
		h.Container.Image = rapid.SampledFrom([]string{"y", svc.Container.Image}).Draw(t, svc.Name+" hook image")
		h.Container.Endpoints = svc.Container.Endpoints
		if rapid.Bool().Draw(t, svc.Name+" hook mounts data") {
			h.Container.Mounts = []engine.Mount{{Type: engine.MountVolume, Source: "data", Target: "/data"}}
		}
		out = append(out, h)
	}
	return out
}

func drawUpdate(t *rapid.T, name string) *engine.UpdateConfig {
	actions := []engine.FailureAction{engine.FailurePause, engine.FailureContinue, engine.FailureRollback}
	return &engine.UpdateConfig{
		Parallelism: rapid.IntRange(0, 2).Draw(t, name+" parallelism"), StartFirst: rapid.Bool().Draw(t, name+" starts first"),
		OnFailure: rapid.SampledFrom(actions).Draw(t, name+" on failure"),
		Monitor:   engine.Duration(rapid.IntRange(0, 1).Draw(t, name+" monitor")),
	}
}

// drawBuild lets a service be built, with services before it perhaps.
func drawBuild(t *rapid.T, svc *engine.Service, s *engine.Stack) {
	svc.Container.Image = rapid.SampledFrom([]string{"demo-" + svc.Name, "x", "z"}).Draw(t, svc.Name+" builds")
	svc.Build = &engine.Build{Context: rapid.SampledFrom([]string{"/1", "/2"}).Draw(t, svc.Name+" context")}
	for i := range s.Services {
		on := &s.Services[i]
		if on.Buildable() && on.Container.Image != svc.Container.Image && rapid.Bool().Draw(t, svc.Name+" is built with "+on.Name) {
			svc.Build.AdditionalContexts = map[string]string{"base": engine.ServiceContext + on.Name}
		}
	}
}

// drawRelation lets svc depend on a service before it, or not.
func drawRelation(t *rapid.T, svc, on *engine.Service) {
	d := engine.Dependency{Service: on.Name, Condition: engine.ConditionStarted}
	label := svc.Name + " and " + on.Name
	kind := 9 - rapid.IntRange(0, 9).Draw(t, label)
	switch {
	case kind == 0 && on.Scale > 0 && svc.Container.NetworkMode == "":
		svc.Container.NetworkMode = "service:" + on.Name
		d.Restart = rapid.Bool().Draw(t, label+" restart")
	case kind == 1 && on.Scale > 0:
		svc.Container.VolumesFrom = append(svc.Container.VolumesFrom, on.Name)
	case kind <= 4:
		conditions := []engine.Condition{"", engine.ConditionStarted, engine.ConditionHealthy, engine.ConditionCompleted}
		d.Condition = rapid.SampledFrom(conditions).Draw(t, label+" condition")
		d.Restart = rapid.Bool().Draw(t, label+" restart")
		d.Optional = rapid.Bool().Draw(t, label+" optional")
	default:
		return
	}
	svc.DependsOn = append(svc.DependsOn, d)
}

func drawRequest(t *rapid.T, s *engine.Stack) *call.UpRequest {
	some := func(label string) bool { return rapid.IntRange(0, 4).Draw(t, label) == 4 }
	req := &call.UpRequest{
		Stack: *s, NoStart: some("no start"), ForceRecreate: some("force"), NoRecreate: some("no recreate"),
		AlwaysRecreateDeps: some("deps"), RenewAnonVolumes: some("renew"), RemoveOrphans: some("orphans"),
		Build: some("build"),
	}
	if some("yes") {
		req.RecreateVolumes = []string{"demo_data"}
	}
	if some("services") {
		for i := range s.Services {
			if rapid.Bool().Draw(t, "take "+s.Services[i].Name) {
				req.Services = append(req.Services, s.Services[i].Name)
			}
		}
	}
	return req
}

// disturb lets things happen between two commands.
func (h *host) disturb(t *rapid.T) {
	for i := range h.obs.Containers {
		c := &h.obs.Containers[i]
		switch rapid.IntRange(0, 9).Draw(t, c.Name) {
		case 4:
			c.State.Status = engine.StatusExited
		case 1:
			if c.State.Status == engine.StatusRunning {
				c.State.Status = engine.StatusPaused
			}
		case 2:
			if c.State.Status == engine.StatusRunning {
				c.State.Status = engine.StatusRestarting
			}
		case 3:
			c.State.Health.Status = engine.Unhealthy
		}
	}
	if len(h.obs.Containers) > 0 && rapid.IntRange(0, 3).Draw(t, "a hook failed") == 3 {
		c := rapid.SampledFrom(h.obs.Containers).Draw(t, "of")
		failedHook(hookName("demo", &engine.Service{Name: c.Service, PreStart: []engine.PreStart{{}}}, 1, 0), c.Service)(h)
		hook := &h.obs.Containers[len(h.obs.Containers)-1]
		hook.Mounts = c.Mounts
	}
	switch rapid.IntRange(0, 5).Draw(t, "image") {
	case 5:
		h.obs.Images["x"] = "sha256:newer"
	case 4:
		delete(h.obs.Images, "z")
	}
}

// TestPlansLeadWhereTheyShould brings one Stack after another up, each in an order that
// the edges allow, and looks whether there is then nothing left to do.
func TestPlansLeadWhereTheyShould(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := newHost()
		h.offline = map[string]bool{"z": rapid.Bool().Draw(t, "z is not in the registry")}
		for range rapid.IntRange(1, 4).Draw(t, "commands") {
			stack := drawStack(t)
			req := drawRequest(t, stack)
			h.buildAll(t, req)
			p, err := Up(req, h.obs)
			if errors.Is(err, engine.ErrConflict) {
				continue // a volume that somebody else uses
			}
			if err != nil {
				t.Fatal(err)
			}
			checkEdges(t, p)
			t.Logf("\n%s", p)
			steps := len(p.Steps)
			if rapid.IntRange(0, 3).Draw(t, "the power fails") == 3 {
				steps = rapid.IntRange(0, steps).Draw(t, "after")
			}
			err = h.carryOut(p, stack, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "step") }, steps)
			if errors.Is(err, errLeftBehind) && req.NoRecreate {
				return // it keeps to what it was made with
			}
			if err != nil {
				t.Fatal(err)
			}
			if steps == len(p.Steps) {
				h.check(t, req)
			}
			h.disturb(t)
		}
		h.takeDown(t)
	})
}

// buildAll does what a command does before up.
func (h *host) buildAll(t *rapid.T, req *call.UpRequest) {
	t.Helper()
	p, err := Builds(req, h.obs)
	if err != nil {
		t.Fatal(err)
	}
	checkEdges(t, p)
	t.Logf("\n%s", p)
	previous := h.obs.Previous
	if err := h.apply(p, &req.Stack, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "step") }); err != nil {
		t.Fatal(err)
	}
	h.obs.Previous, req.NoBuild = previous, true
}

func checkEdges(t *rapid.T, p *Plan) {
	t.Helper()
	for i, s := range p.Steps {
		if s.Seq != i+1 {
			t.Fatalf("step %d has the number %d", i+1, s.Seq)
		}
		for _, e := range s.After {
			if e.Seq >= s.Seq || e.Seq < 1 {
				t.Fatalf("%s: an edge that points forwards", &s)
			}
		}
	}
}

// check looks whether what was asked for is there.
func (h *host) check(t *rapid.T, req *call.UpRequest) {
	t.Helper()
	again := *req
	again.ForceRecreate, again.RenewAnonVolumes, again.AlwaysRecreateDeps = false, false, false
	p, err := Up(&again, h.obs)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() {
		t.Fatalf("not yet all done:\n%s", p)
	}
	sel, err := pick(&req.Stack, req.Services, reachOf(req))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sel.all {
		svc, _ := req.Stack.Service(name)
		count := 0
		for _, c := range h.obs.Containers {
			if c.Service != name {
				continue
			}
			count++
			if want := containerName("demo", svc, c.Number); c.Name != want && !req.NoRecreate {
				t.Fatalf("%s is called %s", want, c.Name)
			}
			if !req.NoStart && c.State.Status != engine.StatusRunning {
				t.Fatalf("%s is %s", c.Name, c.State.Status)
			}
		}
		if count != svc.Scale {
			t.Fatalf("%s has %d replicas, not %d", name, count, svc.Scale)
		}
	}
}

// takeDown takes everything away and looks whether something is left.
func (h *host) takeDown(t *rapid.T) {
	t.Helper()
	p, err := Down(&call.DownRequest{Project: "demo", RemoveOrphans: true, Volumes: true}, h.obs.Previous, h.obs)
	if err != nil {
		t.Fatal(err)
	}
	checkEdges(t, p)
	if err := h.apply(p, h.obs.Previous, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "step") }); err != nil {
		t.Fatal(err)
	}
	if n := len(h.obs.Containers) + len(h.obs.Networks) + len(h.obs.Volumes); n > 0 {
		t.Fatalf("%d things are left", n)
	}
}

// TestActionsCanBeDone acts at random on projects that are up.
func TestActionsCanBeDone(t *testing.T) {
	t.Parallel()
	actions := []call.Action{
		call.ActStart, call.ActStop, call.ActRestart, call.ActKill, call.ActPause, call.ActUnpause, call.ActRemove,
	}
	rapid.Check(t, func(t *rapid.T) {
		h := newHost()
		stack := drawStack(t)
		p, err := Up(&call.UpRequest{Stack: *stack}, h.obs)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.apply(p, stack, inSequence); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			h.disturb(t)
			req := &call.ActRequest{
				Project: "demo", Action: rapid.SampledFrom(actions).Draw(t, "action"), Stop: rapid.Bool().Draw(t, "stop first"),
				NoDeps: rapid.Bool().Draw(t, "no deps"),
			}
			for _, name := range newInventory(h.obs).services() {
				if rapid.Bool().Draw(t, "take "+name) {
					req.Services = append(req.Services, name)
				}
			}
			with := stack
			if rapid.Bool().Draw(t, "by labels") {
				with = nil
			}
			p, err := Act(req, with, h.obs)
			if errors.Is(err, engine.ErrNotFound) {
				continue // no container to start
			}
			if err != nil {
				t.Fatal(err)
			}
			checkEdges(t, p)
			t.Logf("\n%s", p)
			err = h.apply(p, stack, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "step") })
			if errors.Is(err, errLeftBehind) || errors.Is(err, errNoHookImage) {
				return // the caller left out what it shares with, or has removed an image
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
