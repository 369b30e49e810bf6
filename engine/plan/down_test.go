package plan

import (
	"testing"

	"tiffin/engine"
	"tiffin/engine/call"
)

func TestDown(t *testing.T) {
	t.Parallel()
	shop := stackOf(
		service("api", dependsOn(healthy("db")), on("back", "default")), service("db", with("data"), on("back")),
		service("web", dependsOn(started("api")), scale(2)),
	)
	less := stackOf(shop.Services[1])
	less.Networks, less.Volumes = shop.Networks[1:], nil
	for name, c := range map[string]struct {
		since []func(*host)
		stack *engine.Stack // the caller's; nil: the recorded one serves
		req   call.DownRequest
		want  string
	}{
		"dependents stop before what they depend on": {
			stack: &shop,
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
`,
		},
		"now: all at once": {
			stack: &shop, req: call.DownRequest{Now: true},
			since: []func(*host){becomes("demo-web-2", engine.StatusExited)},
			want: `#1 stop container demo-db-1 (now)
#2 remove container demo-db-1 after #1
#3 stop container demo-api-1 (now)
#4 remove container demo-api-1 after #3
#5 stop container demo-web-1 (now)
#6 remove container demo-web-1 after #5
#7 remove container demo-web-2
#8 remove network demo_back after #2 #4 #6 #7
#9 remove network demo_default after #2 #4 #6 #7
`,
		},
		"without a Stack the labels tell": {
			since: []func(*host){func(h *host) { h.obs.Previous = nil }},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
`,
		},
		"the order holds over services that do not run": {
			since: []func(*host){becomes("demo-api-1", engine.StatusExited)},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-db-1 after #1 #2
#4 remove container demo-db-1 after #3
#5 remove container demo-api-1
#6 remove container demo-web-1 after #1
#7 remove container demo-web-2 after #2
#8 remove network demo_back after #4 #5 #6 #7
#9 remove network demo_default after #4 #5 #6 #7
`,
		},
		"what waits for a restart is stopped": {
			since: []func(*host){
				becomes("demo-api-1", engine.StatusRestarting), becomes("demo-db-1", engine.StatusExited),
				becomes("demo-web-1", engine.StatusPaused), becomes("demo-web-2", engine.StatusCreated),
			},
			want: `#1 remove container demo-db-1
#2 stop container demo-web-1
#3 stop container demo-api-1 after #2
#4 remove container demo-api-1 after #3
#5 remove container demo-web-1 after #2
#6 remove container demo-web-2
#7 remove network demo_back after #1 #4 #5 #6
#8 remove network demo_default after #1 #4 #5 #6
`,
		},
		"orphans stay, and what they use": {
			stack: &less,
			want: `#1 stop container demo-db-1
#2 remove container demo-db-1 after #1
warning: Network demo_back: Resource is still in use by container demo-api-1
warning: Network demo_default: Resource is still in use by container demo-api-1
`,
		},
		"orphans go": {
			stack: &less, req: call.DownRequest{RemoveOrphans: true},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
`,
		},
		"without a Stack of the caller there are no orphans": {
			since: []func(*host){func(h *host) { h.obs.Previous = &less }},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
`,
		},
		"one-offs stay": {
			since: []func(*host){runsOneOff("demo-web-run-1", "web", engine.StatusRunning)},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
warning: Network demo_default: Resource is still in use by container demo-web-run-1
`,
		},
		"one-offs that remove themselves are waited for once they have ended": {
			stack: &less,
			since: []func(*host){func(h *host) {
				h.obs.Containers = nil
				runsOneOff("demo-web-run-1", "web", engine.StatusExited)(h)
				runsOneOff("demo-web-run-2", "web", engine.StatusCreated)(h)
				for i := range h.obs.Containers {
					h.obs.Containers[i].Spec.AutoRemove = true
				}
				h.byName("demo-web-run-2").State.Error = "no such command"
			}},
			want: `#1 remove container demo-web-run-1
#2 remove container demo-web-run-2
#3 remove network demo_back after #1 #2
#4 remove network demo_default after #1 #2
`,
		},
		"one-offs go with orphans, before what their service depends on": {
			since: []func(*host){runsOneOff("demo-web-run-1", "web", engine.StatusRunning)},
			req:   call.DownRequest{RemoveOrphans: true},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-web-run-1
#4 stop container demo-api-1 after #1 #2 #3
#5 stop container demo-db-1 after #4
#6 remove container demo-db-1 after #5
#7 remove container demo-api-1 after #4
#8 remove container demo-web-1 after #1
#9 remove container demo-web-2 after #2
#10 remove container demo-web-run-1 after #3
#11 remove network demo_back after #6 #7 #8 #9 #10
#12 remove network demo_default after #6 #7 #8 #9 #10
`,
		},
		"with volumes": {
			stack: &shop, req: call.DownRequest{Volumes: true},
			since: []func(*host){func(h *host) {
				h.obs.Volumes["demo_old"] = engine.Volume{Name: "demo_old", Project: "demo", Spec: engine.VolumeSpec{Key: "old"}}
				h.obs.Volumes["0123"] = engine.Volume{Name: "0123", Project: "demo", Anonymous: true}
				h.obs.Volumes["4567"] = engine.Volume{Name: "4567", Project: "demo", Anonymous: true}
				h.obs.Volumes["other"] = engine.Volume{Name: "other", Project: "other"}
				c := h.byName("demo-api-1")
				c.Mounts = append(c.Mounts, engine.MountPoint{Type: engine.MountVolume, Name: "4567", Anonymous: true})
			}},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
#11 remove volume 0123 after #5 #6 #7 #8
#12 remove volume demo_data after #5 #6 #7 #8
`,
		},
		"with volumes and no Stack": {
			req: call.DownRequest{Volumes: true},
			since: []func(*host){func(h *host) {
				h.obs.Volumes["demo_old"] = engine.Volume{Name: "demo_old", Project: "demo", Spec: engine.VolumeSpec{Key: "old"}}
			}},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
#11 remove volume demo_data after #5 #6 #7 #8
#12 remove volume demo_old after #5 #6 #7 #8
`,
		},
		"with volumes, one of which a one-off uses": {
			req: call.DownRequest{Volumes: true},
			since: []func(*host){runsOneOff("demo-db-run-1", "db", engine.StatusExited), func(h *host) {
				h.byName("demo-db-run-1").Mounts = []engine.MountPoint{{Type: engine.MountVolume, Name: "demo_data"}}
			}},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
warning: Network demo_default: Resource is still in use by container demo-db-run-1
warning: Volume demo_data: Resource is still in use by container demo-db-run-1
`,
		},
		"some services: dependents go along, what others use stays": {
			stack: &shop, req: call.DownRequest{Services: []string{"api"}, Volumes: true},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 remove container demo-api-1 after #3
#5 remove container demo-web-1 after #1
#6 remove container demo-web-2 after #2
#7 remove network demo_default after #4 #5 #6
`,
		},
		"some services, and the volumes that only they use": {
			stack: &shop, req: call.DownRequest{Services: []string{"db"}, Volumes: true},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_back after #5 #6 #7 #8
#10 remove network demo_default after #5 #6 #7 #8
#11 remove volume demo_data after #5 #6 #7 #8
`,
		},
		"a service that the caller's Stack does not have": {
			stack: &shop, req: call.DownRequest{Services: []string{"dbb"}},
			want: `error: no such service: dbb
`,
		},
		"a service that nobody knows": {
			req: call.DownRequest{Services: []string{"dbb"}},
			want: `warning: No resource found to remove for project "demo".
`,
		},
		"external networks and volumes are left alone": {
			since: []func(*host){func(h *host) {
				n := h.obs.Networks["demo_back"]
				n.Spec.External = true
				h.obs.Networks["demo_back"] = n
				h.obs.Networks["bridge"] = engine.Network{ID: "n0", Spec: engine.NetworkSpec{Name: "bridge"}}
			}},
			want: `#1 stop container demo-web-1
#2 stop container demo-web-2
#3 stop container demo-api-1 after #1 #2
#4 stop container demo-db-1 after #3
#5 remove container demo-db-1 after #4
#6 remove container demo-api-1 after #3
#7 remove container demo-web-1 after #1
#8 remove container demo-web-2 after #2
#9 remove network demo_default after #5 #6 #7 #8
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := brought(t, &shop, c.since...)
			c.req.Project, c.req.Stack = "demo", c.stack
			stack := c.stack
			if stack == nil {
				stack = h.obs.Previous
			}
			p, err := Down(&c.req, stack, h.obs)
			compare(t, c.want, p, err)
		})
	}
}

func TestDownRemovesAnonymousVolumesWithTheirContainers(t *testing.T) {
	t.Parallel()
	stack := stackOf(service("web"))
	h := brought(t, &stack)
	for _, volumes := range []bool{true, false} {
		p, err := Down(&call.DownRequest{Project: "demo", Volumes: volumes}, &stack, h.obs)
		if err != nil {
			t.Fatal(err)
		}
		if s := p.Steps[1]; s.Kind != RemoveContainer || s.Volumes != volumes {
			t.Errorf("%+v", s)
		}
	}
}

func TestDownAndImages(t *testing.T) {
	t.Parallel()
	stack := stackOf(
		service("api", image("demo-api")), service("db", image("postgres")), service("gone", image("demo-gone")),
		service("web", image("postgres")),
	)
	for name, c := range map[string]struct {
		req  call.DownRequest
		want string
	}{
		"none": {call.DownRequest{}, ``},
		"those without a custom name": {call.DownRequest{Images: call.RemoveLocalImages}, `#1 remove image demo-api
`},
		"all": {call.DownRequest{Images: call.RemoveAllImages}, `#1 remove image demo-api
#2 remove image postgres
`},
		"those of some services": {call.DownRequest{Images: call.RemoveAllImages, Services: []string{"api"}}, `#1 remove image demo-api
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost()
			h.obs.Images["demo-api"], h.obs.Images["postgres"] = "sha256:a", "sha256:p"
			c.req.Project, c.req.Stack = "demo", &stack
			p, err := Down(&c.req, &stack, h.obs)
			if c.req.Images == call.RemoveNoImages {
				c.want = "warning: No resource found to remove for project \"demo\".\n"
			}
			compare(t, c.want, p, err)
		})
	}
}
